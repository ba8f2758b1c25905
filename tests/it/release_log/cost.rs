//! What recording costs a push: counted in operations of the ledger, on both engines.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::Regex;

use crate::harness::process::eventually;
use crate::harness::{Image, Postgres, Pushonce, Registry};

/// How often each operation of the ledger was run so far.
fn operations(proxy: &Pushonce) -> BTreeMap<String, u64> {
    let text = proxy.admin().request("GET", "/metrics").send().expect_ok().text();
    let line = Regex::new(r#"(?m)^pushonce_ledger_seconds_count\{operation="(\w+)",outcome="answered"\} (\d+)"#).expect("one");
    let all = line.captures_iter(&text).map(|found| (found[1].to_owned(), found[2].parse().expect("a number")));
    // What is asked each second, for no request.
    all.filter(|(name, _)| !["acts", "count_acts"].contains(&name.as_str())).collect()
}

/// The operations of one request, once all of them have come.
#[track_caller]
fn cost(proxy: &Pushonce, request: impl FnOnce(), expected: &[&str]) {
    let before = operations(proxy);
    request();
    let spent = || {
        let after = operations(proxy);
        let times = |(name, count): (&String, &u64)| {
            let times = count - before.get(name).copied().unwrap_or(0);
            std::iter::repeat_n(name.clone(), usize::try_from(times).expect("few"))
        };
        after.iter().flat_map(times).collect::<Vec<_>>()
    };
    // What is written behind the answer comes a moment later.
    eventually(Duration::from_secs(20), &format!("{expected:?}, and not {:?}", spent()), || {
        (spent().len() >= expected.len()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(spent(), expected);
}

fn count(proxy: &Pushonce) {
    let (first, second) = (Image::random(), Image::random());
    // The blobs and manifests are there, so that only the tag is new.
    for image in [&first, &second] {
        proxy.push("web:seed", image).expect_created();
    }
    let put = |tag: &str, image: &Image| proxy.put_manifest(&format!("web:{tag}"), &image.manifest);
    // No more than without a log: the event is in the transaction that seals the tag.
    cost(proxy, || assert_eq!(put("1.4.0", &first).expect_created().status, 201), &["claim", "confirm", "lookup"]);
    // One more than without: what is to come is written down before it is sent.
    cost(proxy, || assert_eq!(put("latest", &first).expect_created().status, 201), &["begin", "complete"]);
    cost(proxy, || assert_eq!(put("latest", &second).expect_created().status, 201), &["begin", "complete"]);
    // Written behind the answer, for which nobody waits.
    cost(proxy, || drop(put("1.4.0", &second).expect_refused()), &["record"]);
    cost(proxy, || assert_eq!(put("1.4.0", &first).expect_created().status, 201), &["claim", "record"]);
}

#[test]
fn a_push_costs_at_most_one_operation_more() {
    let registry = Registry::start();
    count(&Pushonce::start(&registry));
}

#[test]
fn on_postgresql_it_costs_the_same() {
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).environment("PUSHONCE_LEDGER__URL", &Postgres::shared().schema());
    count(&proxy.start());
}
