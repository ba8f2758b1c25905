//! Tags that were there before the proxy, or before the rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::pushonce::POLICY;
use crate::harness::{Answer, Image, Pushonce, Registry, Upstream};

use super::state;

const EVERYTHING_MOVES: &str = "default = \"mutable\"\n";

#[test]
fn a_tag_that_was_there_is_adopted_by_the_first_push_of_other_bytes() {
    let registry = Registry::start();
    let there = Image::index(&[&Image::random(), &Image::random()]);
    registry.put_tag_behind_the_back("web:1.4.0", &there);
    let proxy = Pushonce::start(&registry);
    let message = proxy.push("web:1.4.0", &Image::random()).expect_refused();
    assert!(message.contains(&there.digest()[..19]), "{message}");
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(there.digest()));
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("sealed"));
}

#[test]
fn a_tag_that_was_there_is_adopted_by_a_push_of_the_same_bytes() {
    let registry = Registry::start();
    let there = Image::docker();
    registry.put_tag_behind_the_back("web:1.4.0", &there);
    let proxy = Pushonce::start(&registry);
    proxy.push("web:1.4.0", &there).expect_created();
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_tag_that_was_there_is_adopted_by_the_first_pull() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    for (name, method) in [("web:1.4.0", "GET"), ("web:1.4.1", "HEAD")] {
        let there = Image::index(&[&Image::random()]);
        registry.put_tag_behind_the_back(name, &there);
        let seen = if method == "GET" { proxy.pull(name) } else { proxy.head(name) };
        seen.expect_ok().expect_digest(&there.digest());
        registry.put_tag_behind_the_back(name, &Image::random());
        assert_eq!(proxy.tag_digest(name), Some(there.digest()), "{method}");
        proxy.push(name, &Image::random()).expect_refused();
    }
}

#[test]
fn everybody_who_sees_a_tag_for_the_first_time_sees_the_same_bytes() {
    let registry = Registry::start();
    let images = [Image::random(), Image::random()];
    let proxy = Pushonce::start(&registry);
    for round in 0..4 {
        let name = format!("web:1.4.{round}");
        images.iter().for_each(|image| drop(registry.put_tag_behind_the_back(&name, image)));
        let is_over = AtomicBool::new(false);
        let seen: Vec<(u16, Vec<u8>)> = thread::scope(|scope| {
            // Somebody moves the tag all the while behind the proxy's back.
            scope.spawn(|| {
                let mut turns = images.iter().cycle();
                while !is_over.load(Ordering::Relaxed) {
                    turns.next().map(|image| registry.put_manifest(&name, &image.manifest).expect_created().status);
                }
            });
            let pulls: Vec<_> = (0..8).map(|_| scope.spawn(|| proxy.pull(&name))).collect();
            let push = scope.spawn(|| proxy.put_manifest(&name, &images[0].manifest).status);
            let seen = pulls.into_iter().map(|pull| pull.join().expect("a pull"));
            let seen = seen.map(|pull| (pull.status, pull.body)).collect();
            let pushed = push.join().expect("a push");
            is_over.store(true, Ordering::Relaxed);
            assert!(matches!(pushed, 201 | 409), "{pushed}");
            seen
        });
        let first = proxy.pull(&name).expect_ok().body.clone();
        for (status, body) in seen {
            // docker-registry answers 500 to some reads while the manifest is written.
            assert!(
                matches!(status, 500 | 503) || (status == 200 && body == first),
                "other bytes were seen: {status} {}",
                String::from_utf8_lossy(&body)
            );
        }
    }
}

#[test]
fn a_tag_that_may_move_for_a_while_is_adopted_anew_after() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let (first, second, third) = (Image::random(), Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();

    proxy.set_policy(EVERYTHING_MOVES);
    proxy.restart();
    proxy.push("web:1.4.0", &second).expect_created();
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(second.digest()));
    assert_eq!(state(&proxy, "web", "1.4.0").as_deref(), Some("lifted"));

    proxy.set_policy(POLICY);
    proxy.restart();
    let message = proxy.push("web:1.4.0", &third).expect_refused();
    assert!(message.contains(&second.digest()[..19]), "{message}");
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(second.digest()));
    assert_eq!(registry.tag_digest("web:1.4.0"), Some(second.digest()));
}

#[test]
fn a_tag_that_nobody_pushed_while_it_could_move_keeps_its_meaning() {
    let registry = Registry::start();
    let mut proxy = Pushonce::start(&registry);
    let image = Image::random();
    proxy.push("web:1.4.0", &image).expect_created();
    proxy.set_policy(EVERYTHING_MOVES);
    proxy.restart();
    proxy.pull("web:1.4.0").expect_ok();
    proxy.set_policy(POLICY);
    proxy.restart();
    registry.put_tag_behind_the_back("web:1.4.0", &Image::random());
    assert_eq!(proxy.tag_digest("web:1.4.0"), Some(image.digest()));
    proxy.push("web:1.4.0", &Image::random()).expect_refused();
}

#[test]
fn a_digest_that_the_registry_does_not_hold_binds_no_tag() {
    let (claimed, image) = (Image::random().digest(), Image::random());
    let is_wrong = Arc::new(AtomicBool::new(true));
    let wrong = Arc::clone(&is_wrong);
    let upstream = Upstream::start(move |request| {
        let of_tag = request.target().ends_with("/1.4.0");
        match (request.method(), wrong.load(Ordering::Relaxed)) {
            ("PUT", _) => Answer::status(201),
            ("HEAD", true) if of_tag => {
                Answer::Respond { status: 200, headers: vec![("Docker-Content-Digest", claimed.clone())], body: Vec::new() }
            }
            // What was just pushed is there.
            ("HEAD", false) if !of_tag => Answer::status(200),
            _ => Answer::status(404),
        }
    });
    let proxy = Pushonce::in_front_of(&upstream.url()).unready().start();
    proxy.put_manifest("web:1.4.0", &image.manifest).expect_unavailable();
    proxy.pull("web:1.4.0").expect_unavailable();
    assert_eq!(state(&proxy, "web", "1.4.0"), None);
    is_wrong.store(false, Ordering::Relaxed);
    proxy.put_manifest("web:1.4.0", &image.manifest).expect_created();
}
