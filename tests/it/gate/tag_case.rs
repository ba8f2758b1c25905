//! A registry that folds the case of tags: there `V1.4.0` and `v1.4.0` are one tag.

mod clients;
mod finding_out;
mod operators;

use crate::harness::exchange::Exchange;
use crate::harness::{Faults, Image, Pushonce, Registry};

use super::{DELETABLE, state, store};

const FOLD: &str = "upstream.tag_case = \"fold\"";

/// A registry that folds, and pushonce in front of it with `tag_case` as it is set.
struct Stage {
    proxy: Pushonce,
    front: Faults,
    registry: Registry,
}

impl Stage {
    fn with(settings: &str) -> Self {
        Self::with_policy(settings, crate::harness::pushonce::POLICY)
    }

    fn with_policy(settings: &str, policy: &str) -> Self {
        let registry = Registry::start();
        let front = Faults::folding_in_front_of(registry.address());
        let proxy = Pushonce::in_front_of(&front.url()).policy(policy).setting(settings).start();
        Self { proxy, front, registry }
    }

    fn push_tags(&self, image: &Image, query: &str) -> Exchange {
        let target = format!("/v2/web/manifests/{}{query}", image.digest());
        let draft = self.proxy.request("PUT", &target).header("Content-Type", &image.manifest.media_type);
        draft.body(&image.manifest.bytes).send()
    }

    /// No request for a manifest that pushonce sent has an upper-case letter.
    #[track_caller]
    fn expect_only_folded_names(&self) {
        let targets: Vec<String> = self.front.requests().iter().map(|request| request.target().to_owned()).collect();
        let manifests: Vec<&String> = targets.iter().filter(|target| target.contains("/manifests/")).collect();
        assert!(!manifests.is_empty());
        assert!(manifests.iter().all(|target| **target == target.to_lowercase()), "{manifests:?}");
    }
}

#[test]
fn a_registry_that_folds_unknown_to_pushonce_lets_the_other_case_around_a_rule() {
    let stage = Stage::with("");
    let (first, second) = (Image::random(), Image::random());
    stage.proxy.push("web:v1.4.0", &first).expect_created();
    // No rule is about `V1.4.0`, and the registry takes it for `v1.4.0`.
    stage.proxy.push("web:V1.4.0", &second).expect_created();
    assert_eq!(stage.registry.tags("web"), ["v1.4.0"]);
    assert_eq!(stage.registry.tag_digest("web:v1.4.0"), Some(second.digest()), "the release was overwritten");
    // By its own name it is still pinned; by the other it is not.
    stage.proxy.pull("web:v1.4.0").expect_ok().expect_digest(&first.digest());
    stage.proxy.pull("web:V1.4.0").expect_ok().expect_digest(&second.digest());
}

#[test]
fn a_release_is_pushed_once_by_whatever_name() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    for (name, other) in [("web:v1.4.0", "web:V1.4.0"), ("web:V2.0.0-RC.1", "web:v2.0.0-rc.1")] {
        let folded = name.to_lowercase();
        stage.proxy.push(name, &first).expect_created();
        for name in [name, other] {
            stage.proxy.push(name, &first).expect_created();
            let message = stage.proxy.push(name, &second).expect_refused();
            assert!(message.starts_with(&format!("tag {folded} is immutable (rule \"releases\")")), "{message}");
        }
        assert_eq!(stage.registry.tag_digest(&folded), Some(first.digest()));
    }
    assert_eq!(stage.registry.tags("web"), ["v1.4.0", "v2.0.0-rc.1"]);
    assert_eq!(state(&stage.proxy, "web", "v1.4.0").as_deref(), Some("sealed"));
    assert_eq!(state(&stage.proxy, "web", "V1.4.0"), None);
    stage.expect_only_folded_names();
}

#[test]
fn two_names_at_the_same_moment_are_pushes_of_one_tag() {
    let stage = Stage::with(FOLD);
    let images: Vec<Image> = (0..8).map(|_| Image::random()).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let pushes = images.iter().enumerate().map(|(number, image)| {
            let name = if number % 2 == 0 { "web:v1.4.0" } else { "web:V1.4.0" };
            let proxy = &stage.proxy;
            scope.spawn(move || proxy.push(name, image).status)
        });
        let pushes: Vec<_> = pushes.collect();
        pushes.into_iter().map(|push| push.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 201).expect("one");
    assert_eq!(stage.registry.tag_digest("web:v1.4.0"), Some(images[winner].digest()));
}

#[test]
fn a_pull_by_either_name_is_pinned() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    stage.proxy.push("web:V1.4.0", &first).expect_created();
    stage.registry.put_tag_behind_the_back("web:v1.4.0", &second);
    for name in ["web:v1.4.0", "web:V1.4.0"] {
        let pulled = stage.proxy.pull(name);
        assert_eq!(pulled.expect_ok().expect_digest(&first.digest()).body, first.manifest.bytes);
        stage.proxy.head(name).expect_ok().expect_digest(&first.digest());
    }
    // One that was there before is adopted by the one name.
    stage.registry.put_tag_behind_the_back("web:v1.5.0", &second);
    stage.proxy.pull("web:V1.5.0").expect_ok().expect_digest(&second.digest());
    assert_eq!(state(&stage.proxy, "web", "v1.5.0").as_deref(), Some("sealed"));
    stage.proxy.push("web:V1.5.0", &first).expect_refused();
    stage.expect_only_folded_names();
}

#[test]
fn a_delete_by_either_name_is_refused_or_burns_the_tag() {
    let stage = Stage::with(FOLD);
    let image = Image::random();
    stage.proxy.push("web:v1.4.0", &image).expect_created();
    for name in ["web:V1.4.0", "web:v1.4.0"] {
        let message = stage.proxy.delete(name).expect_delete_refused();
        assert_eq!(message, "tag web:v1.4.0 is immutable (rule \"releases\") and cannot be deleted");
    }
    stage.proxy.delete(&format!("web@{}", image.digest())).expect_delete_refused();
    assert_eq!(stage.registry.tag_digest("web:v1.4.0"), Some(image.digest()));

    let stage = Stage::with_policy(FOLD, DELETABLE);
    stage.proxy.push("web:V1.4.0", &image).expect_created();
    // This registry deletes by digest alone.
    stage.proxy.delete(&format!("web@{}", image.digest())).expect(202);
    for name in ["web:V1.4.0", "web:v1.4.0"] {
        stage.proxy.pull(name).expect_not_found();
        stage.proxy.push(name, &Image::random()).expect_refused();
    }
    assert_eq!(state(&stage.proxy, "web", "v1.4.0").as_deref(), Some("burnt"));
}

#[test]
fn two_names_of_one_tag_in_one_push_count_once() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    store(&stage.registry, "web", &first);
    store(&stage.registry, "web", &second);
    let pushed = stage.push_tags(&first, "?tag=V1.4.0&tag=v1.4.0&tag=LATEST");
    assert_eq!(pushed.expect_created().headers.all("oci-tag").collect::<Vec<_>>(), ["v1.4.0", "latest"]);
    assert_eq!(stage.front.count("PUT", "/manifests/v1.4.0"), 1);
    assert_eq!(stage.registry.tags("web"), ["latest", "v1.4.0"]);
    for query in ["?tag=latest&tag=V1.4.0", "?tag=v1.4.0&tag=V1.4.0", "?tag=V1.5.0&tag=V1.4.0"] {
        let message = stage.push_tags(&second, query).expect_refused();
        assert!(message.starts_with("tag web:v1.4.0 is immutable"), "{message}");
    }
    assert_eq!(stage.registry.tag_digest("web:latest"), Some(first.digest()), "some of a refused push was set");
    stage.expect_only_folded_names();
}

#[test]
fn a_tag_that_moves_is_one_in_the_log() {
    let stage = Stage::with(FOLD);
    let (first, second) = (Image::random(), Image::random());
    stage.proxy.push("web:LATEST", &first).expect_created();
    stage.proxy.push("web:latest", &second).expect_created();
    assert_eq!(stage.registry.tag_digest("web:latest"), Some(second.digest()));
    let sql = "SELECT DISTINCT tag FROM events WHERE repository = 'web'";
    let tags: String = super::ledger(&stage.proxy).query_row(sql, [], |row| row.get(0)).expect("one tag");
    assert_eq!(tags, "latest");
    stage.proxy.pull("web:Latest").expect_ok().expect_digest(&second.digest());
}

#[test]
fn a_registry_that_keeps_the_case_has_two_tags() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let (lower, upper) = (Image::random(), Image::random());
    proxy.push("web:v1.4.0", &lower).expect_created();
    proxy.push("web:V1.4.0", &upper).expect_created();
    assert_eq!(registry.tags("web"), ["V1.4.0", "v1.4.0"]);
    proxy.pull("web:v1.4.0").expect_ok().expect_digest(&lower.digest());
    proxy.pull("web:V1.4.0").expect_ok().expect_digest(&upper.digest());
}
