//! What stands behind the proxies: a real registry, and one that is as fast as can be.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pushonce::oci::{Algorithm, Digest};
use tempfile::TempDir;

use super::client::{Connection, Target, put_blob, request};
use super::peer::{Certificate, answers, filled};
use super::ports::free_port;
use super::process::eventually;
use super::program::Program;
use super::{certificates, client, sink};

pub const MIB: u64 = 1 << 20;
/// How large the blob of the fast registry is.
pub const BLOB: u64 = 256 * MIB;

/// A server that a proxy stands before.
pub struct Server {
    pub address: SocketAddr,
    _process: Program,
}

pub struct World {
    /// On the disk, where ledgers and the real registry live.
    pub place: TempDir,
    pub memory: TempDir,
    pub files: Server,
    pub sink: SocketAddr,
    pub certificate: Certificate,
    /// The digest of the manifest that the fast registry has.
    pub manifest: Digest,
}

impl World {
    pub fn new() -> Self {
        let place = tempfile::Builder::new().prefix("pushonce-bench-").tempdir().expect("a directory");
        let bytes = manifest("nothing");
        let manifest = Digest::of(Algorithm::Sha256, bytes.as_bytes());
        let memory = tempfile::Builder::new().prefix("pushonce-bench-").tempdir_in("/dev/shm").expect("a directory in memory");
        let files = fast_registry(place.path(), memory.path(), &manifest, &bytes);
        let certificate = certificate(place.path());
        Self { files, sink: sink::start(), certificate, manifest, place, memory }
    }
}

/// A docker-registry of its own, empty, with its files below `place`.
pub fn registry(place: &Path) -> Server {
    let port = free_port();
    let directory = place.join(format!("registry-{port}"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let words = HashMap::from([("directory", directory.display().to_string()), ("port", port.to_string())]);
    let config = directory.join("config.yml");
    std::fs::write(&config, filled(include_str!("conf/registry.yml"), &words)).expect("a configuration");
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    started(command, "docker-registry", &directory.join("log"), port)
}

/// nginx with a blob of random bytes and a manifest, in memory.
fn fast_registry(place: &Path, memory: &Path, digest: &Digest, manifest: &str) -> Server {
    let root = memory.join("v2/bench");
    for directory in ["blobs", "manifests"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    let mut blob = vec![0; usize::try_from(BLOB).expect("a size")];
    aws_lc_rs::rand::fill(&mut blob).expect("random bytes");
    std::fs::write(root.join("blobs").join(BLOB_DIGEST), blob).expect("a blob");
    for reference in ["latest", "1.4.0", digest.as_str()] {
        std::fs::write(root.join("manifests").join(reference), manifest).expect("a manifest");
    }
    let directory = place.join("files");
    std::fs::create_dir_all(&directory).expect("a directory");
    let port = free_port();
    let words = HashMap::from([
        ("directory", directory.display().to_string()),
        ("files", memory.display().to_string()),
        ("port", port.to_string()),
        ("digest", digest.to_string()),
    ]);
    let config = directory.join("nginx.conf");
    std::fs::write(&config, filled(include_str!("conf/files.conf"), &words)).expect("a configuration");
    // The workers of a master that root started are nobody's, and must read the files.
    open_to_all(memory);
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-c").arg(config);
    started(command, "nginx", &directory.join("log"), port)
}

/// No digest of the blob; nobody compares.
pub const BLOB_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

fn started(command: Command, package: &str, log: &Path, port: u16) -> Server {
    let mut process = Program::start(command, package, log);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(Duration::from_secs(30), "the registry answers", || {
        assert!(process.ended().is_none(), "{package} ended at once:\n{}", process.output());
        answers(&Target { address, tls: None })
    });
    Server { address, _process: process }
}

/// An image manifest of two blobs; each `note` makes another one.
fn manifest(note: &str) -> String {
    let blob = |kind: &str, digest: &Digest, size: usize| {
        format!("{{\"mediaType\":\"application/vnd.oci.image.{kind}\",\"digest\":\"{digest}\",\"size\":{size}}}")
    };
    let config = blob("config.v1+json", &digest_of(CONFIG), CONFIG.len());
    let layer = blob("layer.v1.tar", &digest_of(LAYER), LAYER.len());
    format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{config},\"layers\":[{layer}],\
         \"annotations\":{{\"org.opencontainers.image.revision\":\"{note}\"}}}}"
    )
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"a layer";

/// Stores the blobs that every manifest names.
pub fn put_blobs(connection: &mut Connection, repository: &str) {
    for blob in [CONFIG, LAYER] {
        put_blob(connection, repository, digest_of(blob).as_str(), blob);
    }
}

/// A push of the manifest with a note to a tag.
pub fn push(repository: &str, tag: &str, note: &str) -> Vec<u8> {
    let path = format!("/v2/{repository}/manifests/{tag}");
    request("PUT", &path, &[("Content-Type", MANIFEST)], manifest(note).as_bytes())
}

pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn certificate(place: &Path) -> Certificate {
    let directory = place.join("certificate");
    std::fs::create_dir_all(&directory).expect("a directory");
    let authority = certificates::write_certificates(&directory);
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("a PEM file");
    std::fs::write(directory.join("both.pem"), read("server.pem") + &read("server.key")).expect("a PEM file");
    Certificate { directory, client: client::trusting(authority) }
}
