//! A blob that is larger than the memory that the proxy may use.

use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

use crate::harness::api::Api;
use crate::harness::{Pushonce, Registry, random};

const GIB: u64 = 1 << 30;
const LARGE: u64 = 2 * GIB;
/// As large as the chunks of clients get.
const CHUNK: u64 = 512 << 20;
/// The most memory that the proxy may ever have had resident.
const LIMIT_MIB: u64 = 64;

/// Bytes without end, the same ones for the same start and different everywhere;
/// hashed as they pass.
struct Content {
    block: Vec<u8>,
    position: u64,
    hash: Context,
}

impl Content {
    fn new() -> Self {
        Self { block: random::bytes(1 << 20), position: 0, hash: Context::new(&SHA256) }
    }

    /// The digest of what was read so far.
    fn digest(&self) -> String {
        format!("sha256:{}", HEXLOWER.encode(self.hash.clone().finish().as_ref()))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.block.len() as u64;
        let (number, start) = (self.position / size, (self.position % size) as usize);
        if start == 0 {
            self.block[..8].copy_from_slice(&number.to_le_bytes());
        }
        let count = buffer.len().min(self.block.len() - start);
        buffer[..count].copy_from_slice(&self.block[start..start + count]);
        self.hash.update(&buffer[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

/// Takes bytes and keeps nothing but their hash.
struct Received {
    length: u64,
    hash: Context,
}

impl Write for Received {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of a blob as it is downloaded.
fn download(api: &Api, digest: &str) -> (u64, String) {
    let mut received = Received { length: 0, hash: Context::new(&SHA256) };
    api.download_blob("driftwood/web", digest, &mut received).expect("a whole answer").expect_ok();
    (received.length, format!("sha256:{}", HEXLOWER.encode(received.hash.finish().as_ref())))
}

#[test]
fn two_gibibytes_go_up_in_chunks_and_down_again_in_little_memory() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let mut content = Content::new();
    let digest = upload_in_chunks(&proxy, &mut content, LARGE);
    assert_eq!(download(&proxy, &digest), (LARGE, digest));
    expect_little_memory(&proxy);
}

#[test]
fn half_a_gibibyte_goes_up_in_one_piece_and_down_again_in_little_memory() {
    let registry = Registry::start();
    let proxy = Pushonce::start(&registry);
    let length = GIB / 2;
    let mut content = Content::new();
    let block = content.block.clone();
    io::copy(&mut (&mut content).take(length), &mut io::sink()).expect("bytes");
    let digest = content.digest();

    let mut again = Content { block, ..Content::new() };
    let begun = proxy.request("POST", "/v2/driftwood/web/blobs/uploads/").send();
    let target = format!("{}&digest={digest}", proxy.location(begun.expect(202)));
    let put = proxy.request("PUT", &target).header("Content-Type", "application/octet-stream");
    put.stream(&mut again, length, &mut io::sink()).expect("an answer").expect_created().expect_digest(&digest);
    assert_eq!(download(&proxy, &digest), (length, digest));
    expect_little_memory(&proxy);
}

/// POST, PATCHes one after the other, PUT. Returns the digest.
fn upload_in_chunks(api: &Api, content: &mut Content, length: u64) -> String {
    let mut answer = api.request("POST", "/v2/driftwood/web/blobs/uploads/").send();
    answer.expect(202);
    while content.position < length {
        let (start, end) = (content.position, (content.position + CHUNK).min(length));
        let patch = api.request("PATCH", &api.location(&answer)).header("Content-Range", &format!("{start}-{}", end - 1));
        let patch = patch.header("Content-Type", "application/octet-stream");
        answer = patch.stream(content, end - start, &mut io::sink()).expect("an answer");
        answer.expect(202);
    }
    let digest = content.digest();
    let put = api.request("PUT", &format!("{}&digest={digest}", api.location(&answer)));
    put.send().expect_created().expect_digest(&digest);
    digest
}

#[track_caller]
fn expect_little_memory(proxy: &Pushonce) {
    let peak = proxy.peak_rss_mib();
    println!("at most {peak} MiB were resident");
    assert!(peak < LIMIT_MIB, "{peak} MiB were resident, {LIMIT_MIB} MiB are allowed");
}
