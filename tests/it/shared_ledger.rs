//! Replicas in front of one registry, with one PostgreSQL ledger.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::harness::postgres::Postgres;
use crate::harness::process::eventually;
use crate::harness::{Image, Pushonce, Registry};

const REPLICAS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Three replicas on one database, and what they stand on.
struct Fleet {
    replicas: Vec<Pushonce>,
    registry: Registry,
}

impl Fleet {
    fn on(url: &str) -> Self {
        let registry = Registry::start();
        let replicas = (0..REPLICAS).map(|_| replica(&registry, url)).collect();
        Self { replicas, registry }
    }
}

fn replica(registry: &Registry, url: &str) -> Pushonce {
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", url);
    proxy.environment("PUSHONCE_LEDGER__TIMEOUT", "2s").start()
}

#[test]
fn a_tag_that_was_pushed_through_one_replica_is_held_by_all() {
    let fleet = Fleet::on(&Postgres::shared().schema());
    let image = Image::random();
    fleet.replicas[0].push("driftwood/web:1.4.0", &image).expect_created();
    for replica in &fleet.replicas {
        let message = replica.push("driftwood/web:1.4.0", &Image::random()).expect_refused();
        assert!(message.contains(&format!("it means {}… since ", &image.digest()[..19])), "{message}");
        replica.push("driftwood/web:1.4.0", &image).expect_created();
    }
    fleet.registry.put_tag_behind_the_back("driftwood/web:1.4.0", &Image::random());
    for replica in &fleet.replicas {
        replica.pull("driftwood/web:1.4.0").expect_ok().expect_digest(&image.digest());
    }
}

#[test]
fn of_pushes_through_different_replicas_exactly_one_is_acknowledged() {
    let fleet = Fleet::on(&Postgres::shared().schema());
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for number in 0..20 {
        let name = format!("driftwood/web:1.4.{number}");
        let images: Vec<Image> = (0..2 * REPLICAS).map(|_| Image::random()).collect();
        let start = Barrier::new(images.len());
        let told: Vec<(String, u16)> = thread::scope(|scope| {
            let pushes: Vec<_> = images
                .iter()
                .zip(fleet.replicas.iter().cycle())
                .map(|(image, replica)| {
                    let (start, name) = (&start, &name);
                    scope.spawn(move || {
                        start.wait();
                        let told = eventually(PATIENCE, "the push is decided", || {
                            let status = replica.push(name, image).status;
                            (status != 503).then_some(status)
                        });
                        (image.digest(), told)
                    })
                })
                .collect();
            pushes.into_iter().map(|push| push.join().expect("a push")).collect()
        });
        let winners: Vec<&str> = told.iter().filter(|(_, status)| *status == 201).map(|(digest, _)| digest.as_str()).collect();
        let [winner] = winners.as_slice() else { panic!("{name} was acknowledged for {winners:?}") };
        for replica in &fleet.replicas {
            assert_eq!(replica.tag_digest(&name).as_deref(), Some(*winner), "what is pulled as {name}");
        }
        assert_eq!(fleet.registry.tag_digest(&name).as_deref(), Some(*winner), "what the registry has as {name}");
        told.iter().for_each(|(_, status)| *counts.entry(*status).or_default() += 1);
    }
    println!("{REPLICAS} replicas: answers by status {counts:?}");
    assert_eq!(counts, BTreeMap::from([(201, 20), (409, 20 * (2 * REPLICAS - 1))]));
}

#[test]
fn registries_share_a_database_and_nothing_else() {
    let database = Postgres::shared().database();
    let url = Postgres::shared().url(&database);
    let (one, other) = (Registry::start(), Registry::start());
    let named = |registry: &Registry, name: &str| {
        let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &url);
        proxy.environment("PUSHONCE_UPSTREAM__NAME", name).start()
    };
    let first = named(&one, "one");
    // What `pushonce ledger accept` does: one more registry is an operator's word.
    Postgres::shared().sql(&database, "INSERT INTO registries VALUES ('other')");
    let second = named(&other, "other");
    let (image, another) = (Image::random(), Image::random());
    first.push("driftwood/web:1.4.0", &image).expect_created();
    second.push("driftwood/web:1.4.0", &another).expect_created();
    first.pull("driftwood/web:1.4.0").expect_ok().expect_digest(&image.digest());
    second.pull("driftwood/web:1.4.0").expect_ok().expect_digest(&another.digest());
}

#[test]
fn while_the_database_is_away_nothing_is_acknowledged_and_after_that_all_goes_on() {
    let server = Postgres::start(&[]);
    let fleet = Fleet::on(&server.url(&server.database()));
    let (known, image) = (Image::random(), Image::random());
    fleet.replicas[0].push("driftwood/web:1.4.0", &known).expect_created();
    fleet.registry.put_tag_behind_the_back("driftwood/web:base", &image);
    server.kill9();
    for replica in &fleet.replicas {
        replica.put_manifest("driftwood/web:1.4.1", &image.manifest).expect_unavailable();
        assert_eq!(replica.admin().request("GET", "/readyz").send().status, 503);
    }
    assert_eq!(fleet.registry.tag_digest("driftwood/web:1.4.1"), None, "nothing was pointed");
    fleet.replicas[0].pull("driftwood/web:1.4.0").expect_ok().expect_digest(&known.digest());

    server.start_again();
    for replica in &fleet.replicas {
        replica.push("driftwood/web:1.4.1", &image).expect_created();
        replica.push("driftwood/web:1.4.0", &Image::random()).expect_refused();
        assert_eq!(replica.admin().request("GET", "/readyz").send().status, 200);
    }
}

#[test]
fn a_claim_of_a_killed_replica_is_finished_by_another() {
    let server = Postgres::shared();
    let url = server.schema();
    let registry = Registry::start();
    let dying = Pushonce::in_front_of(&registry.url())
        .environment("PUSHONCE_LEDGER__URL", &url)
        .environment("FAILPOINTS", "gate-claimed=return");
    let mut dying = dying.start();
    let other = replica(&registry, &url);
    let (image, rival) = (Image::random(), Image::random());
    assert!(dying.try_push("driftwood/web:1.4.0", &image).is_err(), "it died before it could answer");
    eventually(PATIENCE, "the replica is gone", || dying.has_ended().then_some(()));
    other.push("driftwood/web:1.4.0", &rival).expect_refused();
    assert_eq!(registry.tag_digest("driftwood/web:1.4.0"), Some(image.digest()));
    other.pull("driftwood/web:1.4.0").expect_ok().expect_digest(&image.digest());
}

#[test]
fn what_may_lose_commits_is_said_at_the_start() {
    let server = Postgres::start(&["synchronous_commit=off"]);
    let registry = Registry::start();
    let proxy = replica(&registry, &server.url(&server.database()));
    let warnings: Vec<_> = proxy
        .log_lines()
        .into_iter()
        .filter(|line| line["message"] == "the ledger's database may lose what was acknowledged")
        .collect();
    assert_eq!(warnings.len(), 1, "{}", proxy.log());
    assert_eq!((&warnings[0]["level"], &warnings[0]["setting"]), (&"WARN".into(), &"synchronous_commit".into()));
}

#[test]
fn a_database_that_cannot_be_used_is_said_without_its_password() {
    let registry = Registry::start();
    let url = "postgres://ada:hunter2@127.0.0.1:1/tags";
    let run = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", url).start_and_fail();
    assert_eq!(run.status.code(), Some(1), "{run}");
    assert!(run.stderr.contains("pushonce: the ledger postgres://ada@127.0.0.1:1/tags cannot be reached"), "{run}");
    assert!(!run.to_string().contains("hunter2"), "{run}");
}
