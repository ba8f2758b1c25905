//! A request and its answer, with the checks that tests make on it. A check that
//! fails prints the whole exchange.

use std::fmt;

use serde_json::Value;

use super::http::Request;

/// Headers as they came.
#[derive(Clone, Debug)]
pub struct Headers(pub Vec<(String, String)>);

#[derive(Clone)]
pub struct Exchange {
    pub request: Request,
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// The first error of an OCI error body.
#[derive(Debug)]
pub struct OciError {
    pub code: String,
    pub message: String,
}

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let wanted = name.to_owned();
        self.0.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(&wanted)).map(|(_, value)| value.as_str())
    }
}

impl Exchange {
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert!(self.status == status, "expected status {status}\n{self}");
        self
    }

    /// 201, for a push or an upload.
    #[track_caller]
    pub fn expect_created(&self) -> &Self {
        self.expect(201)
    }

    #[track_caller]
    pub fn expect_ok(&self) -> &Self {
        self.expect(200)
    }

    /// The refusal of a push: `409 DENIED`, one line, no `detail`. Returns the line.
    #[track_caller]
    pub fn expect_refused(&self) -> String {
        let message = self.expect(409).expect_code("DENIED");
        assert!(!message.contains('\n'), "the refusal has more than one line\n{self}");
        assert!(!self.text().contains("\"detail\""), "the refusal has a detail, which docker prints too\n{self}");
        message
    }

    /// The refusal of a delete: `405 DENIED` with `Allow`. Returns the line.
    #[track_caller]
    pub fn expect_delete_refused(&self) -> String {
        assert!(self.header("allow").is_some(), "a 405 names the allowed methods\n{self}");
        self.expect(405).expect_code("DENIED")
    }

    /// `503 UNAVAILABLE` with `Retry-After`. Returns the line.
    #[track_caller]
    pub fn expect_unavailable(&self) -> String {
        assert!(self.header("retry-after").is_some(), "a 503 says when to try again\n{self}");
        self.expect(503).expect_code("UNAVAILABLE")
    }

    #[track_caller]
    pub fn expect_not_found(&self) -> &Self {
        self.expect(404)
    }

    /// Checks the code of the error body and returns the message.
    #[track_caller]
    pub fn expect_code(&self, code: &str) -> String {
        let error = self.error();
        assert!(error.code == code, "expected the code {code}\n{self}");
        error.message
    }

    #[track_caller]
    pub fn expect_digest(&self, digest: &str) -> &Self {
        assert!(self.header("docker-content-digest") == Some(digest), "expected the digest {digest}\n{self}");
        self
    }

    /// The first error of the body, which must be an OCI error body.
    #[track_caller]
    pub fn error(&self) -> OciError {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON body: {error}\n{self}"));
        let field = |name: &str| body["errors"][0][name].as_str().unwrap_or_else(|| panic!("no error {name}\n{self}")).to_owned();
        OciError { code: field("code"), message: field("message") }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "> {} {}", self.request.method, self.request.target)?;
        for (name, value) in &self.request.headers {
            writeln!(f, "> {name}: {value}")?;
        }
        writeln!(f, "> ({} bytes) {}", self.request.body.len(), start_of(&self.request.body))?;
        writeln!(f, "< {}", self.status)?;
        for (name, value) in &self.headers.0 {
            writeln!(f, "< {name}: {value}")?;
        }
        writeln!(f, "< ({} bytes) {}", self.body.len(), start_of(&self.body))
    }
}

fn start_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned()
}
