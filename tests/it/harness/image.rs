//! Images made in memory: small, valid (real clients can pull them) and each
//! different from every other.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use data_encoding::HEXLOWER;
use serde_json::json;

use super::random;

/// A manifest as it is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// An image, or an index over images.
#[derive(Clone)]
pub struct Image {
    pub manifest: Manifest,
    /// The configuration and the layers; none for an index.
    pub blobs: Vec<Vec<u8>>,
    /// What an index lists.
    pub children: Vec<Image>,
}

/// The media types of one of the two families.
struct Family {
    manifest: &'static str,
    config: &'static str,
    layer: &'static str,
    index: &'static str,
}

const OCI: Family = Family {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    layer: "application/vnd.oci.image.layer.v1.tar",
    index: "application/vnd.oci.image.index.v1+json",
};

const DOCKER: Family = Family {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    layer: "application/vnd.docker.image.rootfs.diff.tar",
    index: "application/vnd.docker.distribution.manifest.list.v2+json",
};

impl Image {
    /// An OCI image with one small layer.
    pub fn random() -> Self {
        Self::with_layers(&[64])
    }

    /// An OCI image with one layer for each size; a layer is a tar with one file
    /// of that many random bytes.
    pub fn with_layers(sizes: &[usize]) -> Self {
        Self::of_family(&OCI, sizes)
    }

    /// An image in docker's own format, schema version 2.
    pub fn docker() -> Self {
        Self::of_family(&DOCKER, &[64])
    }

    /// An OCI index over `children`, each for another architecture.
    pub fn index(children: &[&Image]) -> Self {
        Self::index_of_family(&OCI, children)
    }

    /// A manifest list, which is docker's own format of an index.
    pub fn docker_list(children: &[&Image]) -> Self {
        Self::index_of_family(&DOCKER, children)
    }

    fn of_family(family: &Family, sizes: &[usize]) -> Self {
        let layers: Vec<Vec<u8>> = sizes.iter().map(|size| tar("content", &random::bytes(*size))).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "created": "2026-01-01T00:00:00Z",
            "author": format!("{:016x}", random::number()),
            "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| sha256(layer)).collect::<Vec<_>>()},
        });
        let config = config.to_string().into_bytes();
        let describe = |media_type: &str, blob: &[u8]| json!({"mediaType": media_type, "digest": sha256(blob), "size": blob.len()});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": family.manifest,
            "config": describe(family.config, &config),
            "layers": layers.iter().map(|layer| describe(family.layer, layer)).collect::<Vec<_>>(),
        });
        let mut blobs = vec![config];
        blobs.extend(layers);
        Self { manifest: Manifest::new(family.manifest, manifest.to_string().as_bytes()), blobs, children: Vec::new() }
    }

    fn index_of_family(family: &Family, children: &[&Image]) -> Self {
        let architectures = ["amd64", "arm64", "s390x", "ppc64le", "riscv64"];
        let describe = |(child, architecture): (&&Image, &str)| {
            json!({
                "mediaType": child.manifest.media_type, "digest": child.digest(), "size": child.manifest.bytes.len(),
                "platform": {"architecture": architecture, "os": "linux"},
            })
        };
        let manifests: Vec<_> = children.iter().zip(architectures.into_iter().cycle()).map(describe).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": family.index, "manifests": manifests});
        let manifest = Manifest::new(family.index, manifest.to_string().as_bytes());
        Self { manifest, blobs: Vec::new(), children: children.iter().map(|child| (*child).clone()).collect() }
    }

    /// The digest that the tag means once this is pushed.
    pub fn digest(&self) -> String {
        self.manifest.digest()
    }

    /// Writes the image the way skopeo's `dir:` transport reads it. Not for an index.
    pub fn write_dir(&self, directory: &Path) {
        let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).expect("a file of the image");
        std::fs::create_dir_all(directory).expect("a directory for the image");
        write("version", b"Directory Transport Version: 1.1\n");
        write("manifest.json", &self.manifest.bytes);
        for blob in &self.blobs {
            write(sha256(blob).strip_prefix("sha256:").expect("a sha256"), blob);
        }
    }
}

impl Manifest {
    pub fn new(media_type: &str, bytes: &[u8]) -> Self {
        Self { media_type: media_type.to_owned(), bytes: bytes.to_owned() }
    }

    pub fn digest(&self) -> String {
        sha256(&self.bytes)
    }
}

/// Computed apart from the product's own code, which may be wrong.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, bytes).as_ref()))
}

pub fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", HEXLOWER.encode(digest(&SHA512, bytes).as_ref()))
}

/// A tar archive with one file.
pub fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    tar_of(&[(name.to_owned(), content.to_owned())])
}

/// A tar archive (POSIX.1-1988 ustar, dates and owners zero).
pub fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend_from_slice(&tar_header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn tar_header(name: &str, length: usize) -> [u8; 512] {
    let mut header = [0_u8; 512];
    let mut put = |offset: usize, text: &str| header[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{length:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let checksum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());
    header
}
