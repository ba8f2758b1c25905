//! One run: clients, kills, then a time in which all is well, and then the questions.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::{Image, Manifest, sha256};
use crate::harness::{Postgres, Registry};

use super::cluster::Cluster;
use super::history::{Asked, History, Wrongs, is_linearizable, wrongs};
use super::plan::{Action, CONTENTS, Kill, PROBE, Plan, TAGS, Victim};
use super::spec::{Content, Op, Ret, Tag};
use super::tally::Tally;

/// How long a tag may stay undecided once all is well.
const PATIENCE: Duration = Duration::from_secs(30);

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// What is pushed, and where.
struct Contents {
    repository: String,
    images: Vec<Image>,
    digests: Vec<String>,
}

impl Contents {
    /// Manifests over blobs that are in the registry.
    fn new(registry: &Api) -> Self {
        let repository = format!("runs/{}", RUNS.fetch_add(1, Ordering::Relaxed));
        let base = Image::random();
        for blob in &base.blobs {
            registry.upload_blob(&repository, blob).expect_created();
        }
        let image = |number: usize| {
            let mut manifest: Value = serde_json::from_slice(&base.manifest.bytes).expect("a manifest");
            manifest["annotations"] = json!({"com.example.content": number.to_string()});
            let manifest = Manifest::new(&base.manifest.media_type, manifest.to_string().as_bytes());
            Image { manifest, blobs: Vec::new(), children: Vec::new() }
        };
        let images: Vec<Image> = (0..CONTENTS).map(image).collect();
        let digests = images.iter().map(Image::digest).collect();
        Self { repository, images, digests }
    }

    fn tag(&self, tag: usize) -> String {
        format!("{}:{}", self.repository, TAGS[tag].name)
    }

    fn manifest(&self, content: Content) -> String {
        format!("{}@{}", self.repository, self.digests[content])
    }

    /// Which content a digest, or the beginning of one, names.
    fn named(&self, digest: &str) -> Content {
        self.digests.iter().position(|other| other.starts_with(digest)).unwrap_or_else(|| panic!("nobody pushed {digest}"))
    }
}

/// What runs share, one after the other.
pub struct World {
    pub registry: Registry,
    /// The ledger of all replicas; without, each has a file of its own.
    pub database: Option<Postgres>,
}

struct Run<'a> {
    plan: &'a Plan,
    world: &'a World,
    contents: Contents,
    cluster: Cluster,
    history: History,
    started: AtomicUsize,
    tally: std::sync::Mutex<Tally>,
}

/// Makes a run. An error is all that is needed to understand it, and to make it again.
pub fn run(plan: &Plan, world: &World) -> Result<Tally, String> {
    let World { registry, database } = world;
    let contents = Contents::new(registry);
    let history = History::default();
    if let Some((tag, content)) = plan.there_before {
        let asked = history.ask(tag, Op::Push(content));
        registry.push(&contents.tag(tag), &contents.images[content]).expect_created();
        history.answer(asked, Some(Ret::Accepted), "pushed to the registry itself");
    }
    let cluster = Cluster::start(plan, registry, database.as_ref());
    let run = Run { plan, world, contents, cluster, history, started: AtomicUsize::new(0), tally: std::sync::Mutex::default() };
    thread::scope(|scope| {
        let run = &run;
        scope.spawn(|| run.cluster.keep_alive(plan.point));
        let clients: Vec<_> = (0..plan.clients.len()).map(|client| scope.spawn(move || run.be_client(client))).collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        run.cluster.end();
        ended.into_iter().for_each(|client| client.expect("a client's thread"));
    });
    run.cluster.heal();
    let failures = run.judge();
    let mut tally = run.tally.into_inner().expect("the tally");
    tally.runs = 1;
    tally.faults = run.cluster.faults();
    tally.kills = run.cluster.kills();
    if failures.is_empty() {
        return Ok(tally);
    }
    let history = (0..TAGS.len()).flat_map(|tag| run.history.of_tag(tag)).map(|entry| entry.to_string()).collect::<Vec<_>>();
    let told = format!("{plan:#?}\n\n{}\n\n{}\n", history.join("\n"), run.cluster.logs().join("\n----\n"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replicas-{}-{}-{}.txt", plan.replicas, plan.point, plan.seed));
    std::fs::write(&file, told).expect("a file for the history");
    Err(format!("{}\n  {}\n  its history: {}", plan.replay(), failures.join("\n  "), file.display()))
}

impl Run<'_> {
    fn be_client(&self, client: usize) {
        for (replica, action) in &self.plan.clients[client] {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            for Kill { what, .. } in self.plan.kills.iter().filter(|kill| kill.after == number) {
                match what {
                    Victim::Replica(replica) => self.cluster.kill(*replica),
                    Victim::Database => self.kill_database(),
                }
            }
            self.cluster.wait_for(*replica);
            let (api, who) = (self.cluster.replica(*replica), format!("client {client} at replica {replica}"));
            match *action {
                Action::Push { tag, content } => drop(self.push(api, tag, content, &who)),
                Action::Pull { tag } => drop(self.pull(api, tag, &who)),
                Action::Delete { content } => self.delete(api, content, &who),
            }
        }
    }

    fn kill_database(&self) {
        if let Some(database) = &self.world.database {
            database.kill9();
            self.cluster.count_kill("kill -9 of PostgreSQL");
            database.start_again();
        }
    }

    fn push(&self, api: &Api, tag: usize, content: Content, who: &str) -> (Option<Ret>, String) {
        let asked = self.history.ask(tag, Op::Push(content));
        // The same bytes under another tag bring the content back, if they get that far.
        for other in (0..TAGS.len()).filter(|other| *other != tag && TAGS[*other].contents.contains(&content)) {
            let put_back = self.history.ask(other, Op::PutBack(content));
            self.history.answer(put_back, None, &format!("{who}, with a push of {}", TAGS[tag].name));
        }
        let answer = api.try_push(&self.contents.tag(tag), &self.contents.images[content]);
        let (ret, said) = match &answer {
            Ok(answer) if answer.status == 201 => (Some(Ret::Accepted), String::new()),
            Ok(answer) if answer.status == 409 => {
                let message = answer.expect_refused();
                (Some(self.refusal(&message)), message)
            }
            other => (None, words(other)),
        };
        self.answered(asked, "push", ret, &format!("{who}: {said}"));
        (ret, said)
    }

    fn refusal(&self, message: &str) -> Ret {
        if message.contains("it was deleted on") {
            return Ret::RefusedBurnt;
        }
        match message.split_once("it means ").and_then(|(_, rest)| rest.split_once('…')) {
            Some((digest, _)) => Ret::Refused(self.contents.named(digest)),
            None => Ret::RefusedUnnamed,
        }
    }

    fn pull(&self, api: &Api, tag: usize, who: &str) -> Option<Ret> {
        let asked = self.history.ask(tag, Op::Pull);
        let answer = api.try_pull(&self.contents.tag(tag));
        let ret = match &answer {
            Ok(answer) if answer.status == 200 => Some(Ret::Pulled(self.contents.named(&sha256(&answer.body)))),
            Ok(answer) if answer.status == 404 => Some(Ret::NotFound),
            _ => None,
        };
        self.answered(asked, "pull", ret, &format!("{who}: {}", words(&answer)));
        ret
    }

    /// The delete of a manifest is one of every tag that may mean it.
    fn delete(&self, api: &Api, content: Content, who: &str) {
        let concerned = (0..TAGS.len()).filter(|tag| TAGS[*tag].contents.contains(&content));
        let asked: Vec<_> = concerned.map(|tag| (tag, self.history.ask(tag, Op::TakeAway(content)))).collect();
        let loose = asked.iter().filter(|(tag, _)| TAGS[*tag].may_be_deleted);
        let burns: Vec<_> = loose.clone().map(|(tag, _)| self.history.ask(*tag, Op::Burn(content))).collect();
        // Whoever comes to need it while it goes gets it back.
        let put_back: Vec<_> = loose.map(|(tag, _)| self.history.ask(*tag, Op::PutBack(content))).collect();
        let answer = api.try_delete(&self.contents.manifest(content));
        let who = format!("{who}: {}", words(&answer));
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        self.count("delete", if status == 0 { "no answer".to_owned() } else { status.to_string() });
        for (tag, take_away) in asked {
            match status {
                202 if TAGS[tag].may_be_deleted => self.history.answer(take_away, Some(Ret::Done), &who),
                // What may not be deleted is there again when the answer comes.
                202 | 405 => self.history.answer_and(take_away, Ret::Done, &who, Op::PutBack(content)),
                _ => self.history.answer(take_away, None, &who),
            }
        }
        for burn in burns {
            self.history.answer(burn, (status == 202).then_some(Ret::Done), &who);
        }
        put_back.into_iter().for_each(|put_back| self.history.answer(put_back, None, &who));
    }

    fn answered(&self, asked: Asked, what: &str, ret: Option<Ret>, words: &str) {
        let kind = match ret {
            None => "unknown".to_owned(),
            Some(ret) => format!("{ret:?}").split('(').next().unwrap_or_default().to_owned(),
        };
        self.count(what, kind);
        self.history.answer(asked, ret, words);
    }

    fn count(&self, what: &str, kind: String) {
        self.tally.lock().expect("the tally").operations += 1;
        *self.tally.lock().expect("the tally").answers.entry(format!("{what} {kind}")).or_default() += 1;
    }

    /// Now that all is well: what is decided, what every replica says, what the ledger
    /// has, and whether all that was told fits together.
    fn judge(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for tag in 0..TAGS.len() {
            failures.extend(self.decide(tag).err());
        }
        let seen: Vec<_> = (0..TAGS.len()).map(|tag| self.pull_everywhere(tag, &mut failures)).collect();
        for (tag, row) in self.rows().into_iter().enumerate() {
            let name = TAGS[tag].name;
            let row = row.as_ref().map(|(state, content)| (state.as_str(), *content));
            let last = match (row, seen[tag]) {
                (Some(("sealed", content)), Some(Ret::Pulled(pulled))) if content == pulled => Tag::Sealed(content),
                (Some(("sealed", content)), Some(Ret::NotFound)) => {
                    failures.extend(self.heal(tag, content).err());
                    Tag::Gone(content)
                }
                (Some(("burnt", content)), Some(Ret::NotFound)) => Tag::Burnt(content),
                other => {
                    failures.push(format!("the ledger and the pulls of {name} differ: {other:?}"));
                    continue;
                }
            };
            let entries = self.history.of_tag(tag);
            let wrongs = wrongs(&entries, last);
            if wrongs != Wrongs::default() {
                failures.push(format!("{name} is {last:?}: {wrongs:?}"));
            }
            if !is_linearizable(&entries) {
                failures.push(format!("no one tag can have answered as {name}"));
            }
            self.tally.lock().expect("the tally").wrongs += wrongs;
        }
        failures
    }

    /// What every replica says; all of them say the same.
    fn pull_everywhere(&self, tag: usize, failures: &mut Vec<String>) -> Option<Ret> {
        let pulls: Vec<_> = (0..self.plan.replicas).map(|replica| self.pull_patiently(replica, tag)).collect();
        if pulls.iter().any(|pulled| *pulled != pulls[0] || pulled.is_none()) {
            failures.push(format!("the replicas pull {}: {pulls:?}", TAGS[tag].name));
        }
        pulls[0]
    }

    /// A delete that nobody saw the end of has taken the content away; pushing the same
    /// bytes brings it back, and nothing else does.
    fn heal(&self, tag: usize, content: Content) -> Result<(), String> {
        let (ret, said) = self.push(self.cluster.directly(0), tag, content, "to heal it");
        let pulled = self.pull_patiently(0, tag);
        self.tally.lock().expect("the tally").healed += 1;
        match (ret, pulled) {
            (Some(Ret::Accepted), Some(Ret::Pulled(pulled))) if pulled == content => Ok(()),
            other => Err(format!("the content of {} does not come back: {other:?} {said}", TAGS[tag].name)),
        }
    }

    /// Pushes what nobody has pushed until the tag is decided. A claim whose content a
    /// delete took away is decided by nothing but the same bytes, so all are tried.
    fn decide(&self, tag: usize) -> Result<(), String> {
        let mut said = String::new();
        for round in 0..8 {
            for content in [PROBE].iter().chain(TAGS[tag].contents.iter().filter(|_| round > 1)) {
                let (ret, words) = self.push(self.cluster.directly(0), tag, *content, "at the end");
                if ret.is_some() {
                    return Ok(());
                }
                said = words;
            }
            thread::sleep(Duration::from_millis(50 << round));
        }
        Err(format!("{} stays undecided: {said}", TAGS[tag].name))
    }

    fn pull_patiently(&self, replica: usize, tag: usize) -> Option<Ret> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pulled = self.pull(self.cluster.directly(replica), tag, &format!("at the end, replica {replica}"));
            if pulled.is_some() || Instant::now() > deadline {
                return pulled;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// State and content of every tag in the ledger.
    fn rows(&self) -> Vec<Option<(String, Content)>> {
        let row = |name: &str| match &self.world.database {
            Some(database) => {
                let repository = &self.contents.repository;
                let sql = format!("SELECT state, digest FROM tags WHERE repository = '{repository}' AND tag = '{name}'");
                let line = database.sql("postgres", &sql);
                line.split_once('|').map(|(state, digest)| (state.to_owned(), digest.to_owned()))
            }
            None => {
                let ledger = Connection::open(self.cluster.ledger_file(0)).expect("the ledger's file");
                let sql = "SELECT state, digest FROM tags WHERE repository = ?1 AND tag = ?2";
                let found = ledger.query_row(sql, [&self.contents.repository, name], |row| Ok((row.get(0)?, row.get(1)?)));
                found.optional().expect("a row of the ledger")
            }
        };
        let named = |(state, digest): (String, String)| (state, self.contents.named(&digest));
        TAGS.iter().map(|tag| row(tag.name).map(named)).collect()
    }
}

fn words(answer: &std::io::Result<Exchange>) -> String {
    match answer {
        Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)])),
        Err(error) => format!("no answer: {error}"),
    }
}
