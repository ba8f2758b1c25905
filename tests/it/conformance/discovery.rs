//! end-8 and end-12: what there is.

use super::pair::Pair;
use crate::harness::Image;

#[test]
fn end_8a_tags_are_listed() {
    let (pair, image) = (Pair::start(), Image::random());
    for tag in ["1.4.0", "1.5.0", "latest", "git-9f3c2a1"] {
        pair.push(&format!("web:{tag}"), &image);
    }
    let listed = pair.same(|api| api.request("GET", "/v2/web/tags/list").send());
    assert!(listed.expect_ok().text().contains("git-9f3c2a1"));
    pair.same(|api| api.request("HEAD", "/v2/web/tags/list").send());
    pair.same(|api| api.request("GET", "/v2/none/tags/list").send()).expect_not_found().expect_code("NAME_UNKNOWN");
}

#[test]
fn end_8b_tags_are_listed_page_by_page() {
    let (pair, image) = (Pair::start(), Image::random());
    for tag in ["1.4.0", "1.5.0", "latest"] {
        pair.push(&format!("web:{tag}"), &image);
    }
    for query in ["n=1", "n=2&last=1.4.0", "last=1.4.0", "n=0", "n=-1", "n=x", "n=100", "last=none", "n=", "n=1&n=2"] {
        pair.same(|api| api.request("GET", &format!("/v2/web/tags/list?{query}")).send());
    }
    for query in ["", "?n=1", "?n=1&last=web"] {
        pair.same(|api| api.request("GET", &format!("/v2/_catalog{query}")).send()).expect_ok();
    }
}

/// docker-registry 2.8 has no referrers: clients fall back to tags on this 404.
#[test]
fn end_12a_referrers_are_asked_for() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("web:1.4.0", &image);
    pair.same(|api| api.request("GET", &format!("/v2/web/referrers/{}", image.digest())).send()).expect_not_found();
}

#[test]
fn end_12b_referrers_of_one_kind_are_asked_for() {
    let (pair, image) = (Pair::start(), Image::random());
    pair.push("web:1.4.0", &image);
    let target = format!("/v2/web/referrers/{}?artifactType=application%2Fspdx%2Bjson", image.digest());
    pair.same(|api| api.request("GET", &target).send()).expect_not_found();
    // Fallback tags move freely, as clients need them to.
    let tag = image.digest().replace(':', "-");
    for _ in 0..2 {
        let referrers = Image::index(&[&Image::random()]);
        pair.push(&format!("web:{tag}"), &referrers);
        pair.same(|api| api.pull(&format!("web:{tag}"))).expect_digest(&referrers.digest());
    }
}
