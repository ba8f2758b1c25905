//! A registry that grants pull, push and delete one by one to the bearers of tokens,
//! as many do. docker-registry by itself takes no push from who may not pull.

use std::sync::{Arc, Mutex};

use super::api::Api;
use super::http::{Endpoint, Request};
use super::registry::Registry;
use super::token_server::{SERVICE, TokenServer};
use super::upstream::{Answer, Upstream};
use super::wire::Recorded;

/// How a request without the right is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    /// 401 with a challenge that names what is wanted, as docker-registry does.
    Challenges,
    /// 403, once there is a token at all.
    Forbids,
    /// 404, as if there were nothing, once there is a token at all.
    Hides,
}

/// A real registry behind a judge of rights.
pub struct Granting {
    front: Upstream,
    /// Methods and ends of paths of requests that are to break.
    broken: Arc<Mutex<Vec<(String, String)>>>,
    /// The registry as somebody sees it who needs no rights.
    pub registry: Registry,
}

impl Granting {
    pub fn start(tokens: &Arc<TokenServer>, denial: Denial) -> Self {
        let registry = Registry::start();
        let (behind, tokens) = (registry.endpoint.clone(), Arc::clone(tokens));
        let broken = Arc::<Mutex<Vec<(String, String)>>>::default();
        let breaking = Arc::clone(&broken);
        let front = Upstream::start(move |request| {
            let mut breaking = breaking.lock().expect("what is to break");
            if let Some(index) = breaking.iter().position(|(method, end)| request.is(method, end)) {
                breaking.remove(index);
                return Answer::Reset(Vec::new());
            }
            drop(breaking);
            refusal(request, &tokens, denial).unwrap_or_else(|| pass(request, &behind))
        });
        Self { front, broken, registry }
    }

    /// Resets the connection of the next such request, which the registry never sees.
    pub fn break_once(&self, method: &str, end_of_path: &str) {
        self.broken.lock().expect("what is to break").push((method.to_owned(), end_of_path.to_owned()));
    }

    /// The registry as clients see it.
    pub fn api(&self) -> Api {
        Api::new(Endpoint::plain(&self.front.address()), "")
    }

    pub fn url(&self) -> String {
        self.front.url()
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.front.requests()
    }
}

/// The repository, and the right that the method needs there.
fn wanted(request: &Recorded) -> Option<(String, &'static str)> {
    let path = request.target().split('?').next().unwrap_or_default().strip_prefix("/v2/")?;
    let ends = ["/manifests/", "/blobs/", "/tags/list", "/referrers/"].iter().filter_map(|keyword| path.find(keyword));
    let repository = &path[..ends.min()?];
    let action = match request.method() {
        "DELETE" => "delete",
        "GET" | "HEAD" if !path.contains("/blobs/uploads/") => "pull",
        _ => "push",
    };
    Some((repository.to_owned(), action))
}

fn refusal(request: &Recorded, tokens: &TokenServer, denial: Denial) -> Option<Answer> {
    let wanted = wanted(request);
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let repository = wanted.as_ref().map_or("", |(repository, _)| repository);
    let actions = tokens.actions_of(token, repository);
    let may = match (&actions, &wanted) {
        (Some(actions), Some((_, action))) => actions.iter().any(|granted| granted == action),
        (Some(_), None) => true,
        (None, _) => false,
    };
    if may {
        return None;
    }
    let mut challenge = format!("Bearer realm=\"{}\",service=\"{SERVICE}\"", tokens.realm());
    if let Some((repository, action)) = &wanted {
        challenge += &format!(",scope=\"repository:{repository}:{action}\"");
    }
    // Some servers name the path in their errors, and with it whatever stands there.
    let body = |code: &str| {
        let path = request.target();
        format!(r#"{{"errors":[{{"code":"{code}","message":"not for you","detail":{{"path":"{path}"}}}}]}}"#).into_bytes()
    };
    let json = ("Content-Type", "application/json".to_owned());
    // No connection is kept, so that a broken one is never tried again on another.
    let close = ("Connection", "close".to_owned());
    Some(match (denial, actions) {
        (Denial::Forbids, Some(_)) => Answer::Respond { status: 403, headers: vec![json, close], body: body("DENIED") },
        (Denial::Hides, Some(_)) => Answer::Respond { status: 404, headers: vec![json, close], body: body("NAME_UNKNOWN") },
        _ => {
            let headers = vec![json, close, ("WWW-Authenticate", challenge)];
            Answer::Respond { status: 401, headers, body: body("UNAUTHORIZED") }
        }
    })
}

/// Asks the registry behind, and gives its answer as it is.
fn pass(request: &Recorded, registry: &Endpoint) -> Answer {
    let replaced = ["host", "connection", "content-length", "transfer-encoding", "authorization"];
    let lines = request.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let kept = lines.filter(|(name, _)| !replaced.iter().any(|other| name.eq_ignore_ascii_case(other)));
    let mut headers: Vec<(String, String)> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // From which docker-registry makes its URLs, before `Host`.
    if request.header("x-forwarded-host").is_none() {
        headers.push(("X-Forwarded-Host".to_owned(), request.header("host").unwrap_or_default().to_owned()));
    }
    let (method, target) = (request.method().to_owned(), request.target().to_owned());
    let forwarded = Request { method, target, headers, body: request.body.clone() };
    let Ok(exchange) = registry.send(&forwarded) else { return Answer::Reset(Vec::new()) };
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", exchange.status);
    let mut has_length = false;
    for (name, value) in exchange.headers.0.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection")) {
        if !name.eq_ignore_ascii_case("transfer-encoding") {
            has_length |= name.eq_ignore_ascii_case("content-length");
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if !has_length && exchange.status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", exchange.body.len()));
    }
    Answer::Bytes([head.as_bytes(), b"\r\n", &exchange.body].concat())
}
