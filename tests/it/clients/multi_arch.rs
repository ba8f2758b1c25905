//! Images for several architectures: an index and what it lists.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{REPOSITORY, Stage};
use crate::harness::image::{Manifest, sha256};
use crate::harness::run::Run;
use crate::harness::{Buildah, Client, Image, Podman, Pushonce, Registry, Skopeo};

/// An OCI image layout (image-spec, "Image Layout") in a directory of its own.
struct Layout(TempDir);

impl Layout {
    fn of(index: &Image) -> Self {
        let layout = Self(tempfile::Builder::new().prefix("pushonce-it-layout-").tempdir().expect("a temporary directory"));
        let root = layout.0.path();
        let Manifest { media_type, bytes } = &index.manifest;
        let described = json!({"mediaType": media_type, "digest": index.digest(), "size": bytes.len()});
        fs::create_dir_all(root.join("blobs/sha256")).expect("a directory for the blobs");
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("the marker of a layout");
        fs::write(root.join("index.json"), json!({"schemaVersion": 2, "manifests": [described]}).to_string()).expect("an index");
        write_blobs(root, index);
        layout
    }

    /// Byte for byte.
    fn push(&self, skopeo: &Skopeo, name: &str) -> Run {
        self.copy(skopeo, name, &["--preserve-digests"])
    }

    /// The way most people call it: layers are compressed and digests change.
    fn push_compressed(&self, skopeo: &Skopeo, name: &str) -> Run {
        self.copy(skopeo, name, &[])
    }

    fn copy(&self, skopeo: &Skopeo, name: &str, options: &[&str]) -> Run {
        let (source, target) = (format!("oci:{}", self.0.path().display()), format!("docker://{name}"));
        let copy = ["--insecure-policy", "copy", "--all", "--dest-tls-verify=false"];
        skopeo.run(&[&copy, options, &[&source, &target]].concat())
    }
}

fn write_blobs(root: &Path, image: &Image) {
    for blob in image.blobs.iter().chain([&image.manifest.bytes]) {
        let name = sha256(blob).replace(':', "/");
        fs::write(root.join("blobs").join(name), blob).expect("a blob");
    }
    image.children.iter().for_each(|child| write_blobs(root, child));
}

/// Pulls every architecture and returns the digest of the index.
fn pulled_index(skopeo: &Skopeo, name: &str) -> String {
    let directory = tempfile::Builder::new().prefix("pushonce-it-pulled-").tempdir().expect("a temporary directory");
    let (source, target) = (format!("docker://{name}"), format!("dir:{}", directory.path().display()));
    skopeo.run(&["--insecure-policy", "copy", "--all", "--src-tls-verify=false", &source, &target]).expect_success();
    sha256(&fs::read(directory.path().join("manifest.json")).expect("the pulled index"))
}

#[test]
fn an_index_of_several_architectures_is_pushed_once() {
    let (stage, skopeo) = (Stage::set(), Skopeo::new());
    let [first, second] = [(); 2].map(|()| Image::index(&[&Image::random(), &Image::random()]));
    for _ in 0..2 {
        for tag in ["1.4", "1.4.0"] {
            Layout::of(&first).push(&skopeo, &stage.name(tag)).expect_success();
        }
    }
    assert_eq!(stage.digest("1.4.0"), first.digest());

    let changed = Layout::of(&second);
    let name = stage.name("1.4.0");
    stage.expect_refused("skopeo copy --all", "push", || changed.push_compressed(&skopeo, &name));
    stage.expect_refused("skopeo copy --all --preserve-digests", "push", || changed.push(&skopeo, &name));
    changed.push(&skopeo, &stage.name("1.4")).expect_success();
    assert_eq!(pulled_index(&skopeo, &stage.name("1.4.0")), first.digest());
    assert_eq!(pulled_index(&skopeo, &stage.name("1.4")), second.digest());
}

#[test]
fn an_image_that_an_index_lists_is_not_deleted() {
    let (stage, skopeo) = (Stage::set(), Skopeo::new());
    let index = Image::index(&[&Image::random(), &Image::random()]);
    Layout::of(&index).push(&skopeo, &stage.name("1.4.0")).expect_success();
    let child = format!("{}/{REPOSITORY}@{}", stage.proxy.address(), index.children[1].digest());
    skopeo.delete(&child).expect_failure().expect_said("is needed by tag driftwood/web:1.4.0");
    assert_eq!(pulled_index(&skopeo, &stage.name("1.4.0")), index.digest());
}

/// Podman and buildah make an index of local images with the same commands.
fn tell_a_list(client: &dyn Client, command: &str, run: &dyn Fn(&[&str]) -> Run) {
    let stage = Stage::set();
    let list = |name: &str| {
        run(&["manifest", "create", name]).expect_success();
        for architecture in ["amd64", "arm64"] {
            let image = format!("localhost/{name}-{architecture}:latest");
            client.build(&image, &image);
            run(&["manifest", "add", "--arch", architecture, name, &format!("containers-storage:{image}")]).expect_success();
        }
    };
    let push = |list: &str, tag: &str| {
        let target = format!("docker://{}", stage.name(tag));
        run(&["manifest", "push", "--all", "--tls-verify=false", list, &target])
    };
    list("first");
    for _ in 0..2 {
        for tag in ["1.4", "1.4.0"] {
            push("first", tag).expect_success();
        }
    }
    let first = stage.digest("1.4.0");
    assert_eq!(stage.digest("1.4"), first);
    list("second");
    stage.expect_refused(command, "push", || push("second", "1.4.0"));
    push("second", "1.4").expect_success();
    assert_ne!(stage.digest("1.4"), first);
    assert_eq!(pulled_index(&Skopeo::new(), &stage.name("1.4.0")), first);
    client.pull(&stage.name("1.4.0")).expect_success();
}

#[test]
fn podman_pushes_a_manifest_list_once() {
    let podman = Podman::new();
    tell_a_list(&podman, "podman manifest push --all", &|arguments| podman.run(arguments));
}

#[test]
fn buildah_pushes_a_manifest_list_once() {
    let buildah = Buildah::new();
    tell_a_list(&buildah, "buildah manifest push --all", &|arguments| buildah.run(arguments));
}

#[test]
fn skopeo_assembles_an_image_on_its_tag() {
    let policy = "[[rule]]\nname = \"releases\"\ntags = [\"semver:x.y.z\"]\nmutability = \"immutable\"\nmulti_arch = \"settle\"\n";
    let registry = Registry::start();
    let proxy = Pushonce::in_front_of(&registry.url()).policy(policy).start();
    let (stage, skopeo) = (Stage { registry, proxy }, Skopeo::new());
    let platforms = [(); 2].map(|()| Image::random());
    let index = Image::index(&[&platforms[0], &platforms[1]]);
    let name = stage.name("1.4.0");
    for platform in &platforms {
        skopeo.push_image(platform, &name).expect_success();
    }
    assert_eq!(skopeo.pulled_digest(&name), platforms[0].digest());
    Layout::of(&index).copy(&skopeo, &name, &["--preserve-digests"]).expect_success();
    assert_eq!(stage.digest("1.4.0"), index.digest());
    assert_eq!(pulled_index(&skopeo, &name), index.digest());
    skopeo.push_image(&platforms[0], &name).expect_failure().expect_said("driftwood/web:1.4.0 is immutable");
}
