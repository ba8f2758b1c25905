//! The blob half of [`Api`]: the ways in which clients upload.

use std::io::{self, Read, Write};

use super::api::Api;
use super::exchange::Exchange;
use super::image::sha256;

impl Api {
    pub fn get_blob(&self, repository: &str, digest: &str) -> Exchange {
        self.request("GET", &self.blob_path(repository, digest)).send()
    }

    pub fn delete_blob(&self, repository: &str, digest: &str) -> Exchange {
        self.request("DELETE", &self.blob_path(repository, digest)).send()
    }

    /// Writes a blob to `sink` as it comes.
    pub fn download_blob(&self, repository: &str, digest: &str, sink: &mut dyn Write) -> io::Result<Exchange> {
        self.request("GET", &self.blob_path(repository, digest)).stream(&mut io::empty(), 0, sink)
    }

    /// POST, then one PUT with all bytes.
    pub fn upload_blob(&self, repository: &str, bytes: &[u8]) -> Exchange {
        self.try_upload_blob(repository, bytes).expect("an answer to an upload")
    }

    pub fn try_upload_blob(&self, repository: &str, bytes: &[u8]) -> io::Result<Exchange> {
        let begun = self.begin_upload(repository, "")?;
        if begun.status != 202 {
            return Ok(begun);
        }
        let target = with_query(&self.location(&begun), "digest", &sha256(bytes));
        self.request("PUT", &target).header("Content-Type", "application/octet-stream").body(bytes).try_send()
    }

    /// POST, a PATCH for every `chunk` bytes, and a PUT without a body.
    pub fn upload_blob_in_chunks(&self, repository: &str, bytes: &[u8], chunk: usize) -> Exchange {
        let mut answer = self.begin_upload(repository, "").expect("an answer to the start of an upload");
        answer.expect(202);
        let mut sent = 0;
        for part in bytes.chunks(chunk) {
            let range = format!("{sent}-{}", sent + part.len() - 1);
            let patch = self.request("PATCH", &self.location(&answer)).header("Content-Range", &range);
            answer = patch.header("Content-Type", "application/octet-stream").body(part).send();
            answer.expect(202);
            sent += part.len();
        }
        self.request("PUT", &with_query(&self.location(&answer), "digest", &sha256(bytes))).send()
    }

    /// POST, one PATCH with a body that is never in memory, PUT.
    pub fn upload_blob_from(&self, repository: &str, digest: &str, bytes: &mut dyn Read, length: u64) -> io::Result<Exchange> {
        let begun = self.begin_upload(repository, "")?;
        let patch = self.request("PATCH", &self.location(&begun)).header("Content-Type", "application/octet-stream");
        let sent = patch.stream(bytes, length, &mut io::sink())?;
        self.request("PUT", &with_query(&self.location(&sent), "digest", digest)).try_send()
    }

    /// Asks for a blob of another repository without sending it: 201 if it could
    /// be mounted, 202 if it must be uploaded.
    pub fn mount_blob(&self, repository: &str, digest: &str, from: &str) -> Exchange {
        self.begin_upload(repository, &format!("?mount={digest}&from={from}")).expect("an answer to a mount")
    }

    pub fn begin_upload(&self, repository: &str, query: &str) -> io::Result<Exchange> {
        self.request("POST", &format!("{}/v2/{repository}/blobs/uploads/{query}", self.prefix)).try_send()
    }

    fn blob_path(&self, repository: &str, digest: &str) -> String {
        format!("{}/v2/{repository}/blobs/{digest}", self.prefix)
    }

    /// The `Location` of an upload as a target for this server. One that leads
    /// anywhere else fails the test: the client would leave the proxy.
    #[track_caller]
    pub fn location(&self, answer: &Exchange) -> String {
        let location = answer.header("location").unwrap_or_else(|| panic!("no Location\n{answer}"));
        let origin = self.url();
        let origin = origin.strip_suffix(self.prefix.as_str()).unwrap_or(&origin);
        let target = location.strip_prefix(origin).unwrap_or(location);
        assert!(target.starts_with('/'), "the Location leads away from {origin}\n{answer}");
        target.to_owned()
    }
}

pub fn with_query(target: &str, name: &str, value: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{name}={value}")
}
