//! One push by digest that names tags: all of them, or none.

use crate::harness::exchange::Exchange;
use crate::harness::{Fault, Image, Pushonce, Registry};

use super::{Chain, state, store};

fn push(proxy: &Pushonce, image: &Image, query: &str) -> Exchange {
    let target = format!("/v2/web/manifests/{}{query}", image.digest());
    proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type).body(&image.manifest.bytes).send()
}

fn named(answer: &Exchange) -> Vec<&str> {
    answer.headers.all("oci-tag").collect()
}

#[test]
fn every_tag_is_set_on_a_registry_that_ignores_the_parameter() {
    let chain = Chain::start();
    let image = Image::index(&[&Image::random(), &Image::random()]);
    store(&chain.registry, "web", &image);
    let pushed = push(&chain.proxy, &image, "?tag=1.4.0&tag=1.4&tag=latest");
    pushed.expect_created().expect_digest(&image.digest());
    assert_eq!(named(&pushed), ["1.4.0", "1.4", "latest"]);
    assert_eq!(chain.registry.tags("web"), ["1.4", "1.4.0", "latest"]);
    for tag in ["1.4", "1.4.0", "latest"] {
        assert_eq!(chain.registry.tag_digest(&format!("web:{tag}")), Some(image.digest()));
    }
    assert_eq!(chain.manifest_requests()[0], format!("PUT {}", image.digest()), "the registry saw the parameter");
    push(&chain.proxy, &image, "?tag=1.4.0").expect_created();
}

#[test]
fn what_is_the_same_for_all_tags_is_asked_once() {
    let chain = Chain::start();
    let image = Image::random();
    store(&chain.registry, "web", &image);
    push(&chain.proxy, &image, "?tag=1.4.0&tag=1.4.1&tag=1.4.2").expect_created();
    let requests = chain.manifest_requests();
    let count = |request: String| requests.iter().filter(|seen| **seen == request).count();
    for of_all in ["PUT", "HEAD"] {
        assert_eq!(count(format!("{of_all} {}", image.digest())), 1, "{requests:?}");
    }
    for tag in ["1.4.0", "1.4.1", "1.4.2"] {
        assert_eq!((count(format!("HEAD {tag}")), count(format!("PUT {tag}"))), (1, 1), "{requests:?}");
    }
    assert_eq!(requests.len(), 8, "{requests:?}");
}

#[test]
fn one_immutable_tag_that_is_taken_refuses_all() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (first, second) = (Image::random(), Image::random());
    proxy.push("web:1.4.0", &first).expect_created();
    proxy.push("web:latest", &first).expect_created();
    store(&registry, "web", &second);
    for query in ["?tag=latest&tag=1.5.0&tag=1.4.0", "?tag=1.4.0&tag=1.5.0&tag=latest"] {
        let refused = push(&proxy, &second, query);
        let message = refused.expect_refused();
        assert!(message.starts_with("tag web:1.4.0 is immutable"), "{message}");
        assert!(named(&refused).is_empty(), "{refused}");
        assert_eq!(registry.tags("web"), ["1.4.0", "latest"]);
        assert_eq!(registry.tag_digest("web:latest"), Some(first.digest()));
        assert_eq!(state(&proxy, "web", "1.5.0"), None, "the refused push claimed a tag");
    }
}

#[test]
fn one_tag_that_the_ledger_has_not_met_refuses_all() {
    let registry = Registry::start();
    let there = Image::random();
    registry.put_tag_behind_the_back("web:1.4.1", &there);
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    store(&registry, "web", &image);
    let message = push(&proxy, &image, "?tag=1.4.0&tag=1.4.1&tag=1.4.2&tag=latest").expect_refused();
    assert!(message.starts_with("tag web:1.4.1 is immutable"), "{message}");
    assert_eq!(registry.tags("web"), ["1.4.1"]);
    for free in ["1.4.0", "1.4.2"] {
        assert_eq!(state(&proxy, "web", free), None, "{free}");
        proxy.push(&format!("web:{free}"), &Image::random()).expect_created();
    }
}

#[test]
fn a_push_that_broke_half_way_is_finished_by_the_next() {
    let chain = Chain::start();
    let image = Image::random();
    store(&chain.registry, "web", &image);
    chain.faults.when(|request| request.is("PUT", "/manifests/1.4.1"), Fault::Cut);
    let broken = push(&chain.proxy, &image, "?tag=1.4.0&tag=1.4.1&tag=1.4.2");
    broken.expect_unavailable();
    assert!(named(&broken).is_empty(), "{broken}");
    let states = ["1.4.0", "1.4.1", "1.4.2"].map(|tag| state(&chain.proxy, "web", tag));
    assert_eq!(states, [Some("sealed".to_owned()), Some("open".to_owned()), None]);
    chain.faults.heal();
    push(&chain.proxy, &image, "?tag=1.4.0&tag=1.4.1&tag=1.4.2").expect_created();
    assert_eq!(chain.registry.tags("web"), ["1.4.0", "1.4.1", "1.4.2"]);
}

#[test]
fn a_tag_named_twice_is_set_once() {
    let chain = Chain::start();
    let image = Image::random();
    store(&chain.registry, "web", &image);
    let pushed = push(&chain.proxy, &image, "?tag=1.4.0&tag=1.4.0&tag=%31.4.0");
    assert_eq!(named(pushed.expect_created()), ["1.4.0"]);
    assert_eq!(chain.faults.count("PUT", "/manifests/1.4.0"), 1);
}

#[test]
fn a_body_that_is_not_the_digest_is_refused() {
    let chain = Chain::start();
    let (named, sent) = (Image::random(), Image::random());
    for query in ["", "?tag=1.4.0", "?tag=latest"] {
        let target = format!("/v2/web/manifests/{}{query}", named.digest());
        let refused =
            chain.proxy.request("PUT", &target).header("Content-Type", &sent.manifest.media_type).body(&sent.manifest.bytes).send();
        let message = refused.expect(400).expect_code("DIGEST_INVALID");
        assert_eq!(message, format!("the request names {}, but its body is {}", named.digest(), sent.digest()));
    }
    assert!(chain.manifest_requests().is_empty(), "{:?}", chain.manifest_requests());
}

#[test]
fn what_is_no_tag_is_refused_with_all_others() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let image = Image::random();
    store(&registry, "web", &image);
    for query in [
        "?tag=1.4.0&tag=",
        "?tag=1.4.0&tag",
        "?tag=1.4.0&tag=-x",
        "?tag=1.4.0&tag=a%2Fb",
        "?tag=1.4.0&Tag=1.4.1",
        "?%74ag=1.4.0",
        "?tag=1.4.0;tag=2",
    ] {
        let refused = push(&proxy, &image, query);
        refused.expect(400);
    }
    let many: Vec<String> = (0..33).map(|number| format!("tag=1.0.{number}")).collect();
    push(&proxy, &image, &format!("?{}", many.join("&"))).expect(414).expect_code("TAG_INVALID");
    assert!(registry.tags("web").is_empty());
    push(&proxy, &image, &format!("?{}", many[..32].join("&"))).expect_created();
    assert_eq!(registry.tags("web").len(), 32);
}
