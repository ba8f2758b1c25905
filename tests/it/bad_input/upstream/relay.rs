//! A stand-in that passes everything on to a real registry until it breaks.

use std::sync::{Arc, Mutex};

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::wire::Recorded;
use crate::harness::{Answer, Upstream};

/// The headers of a registry's answer that a client needs.
const PASSED: [&str; 6] = ["Content-Type", "Docker-Content-Digest", "Docker-Upload-UUID", "Location", "Range", "WWW-Authenticate"];

/// How the relay misbehaves now.
enum Play {
    Honest,
    /// Requests like these meet this.
    Broken(fn(&Recorded) -> bool, fn() -> Answer),
    /// Answers with a manifest are changed.
    Changed(fn(&mut Exchange)),
}

/// A registry that can be made to misbehave.
pub struct Relay {
    upstream: Upstream,
    play: Arc<Mutex<Play>>,
}

impl Relay {
    pub fn to(registry: &Api) -> Self {
        let play = Arc::new(Mutex::new(Play::Honest));
        let (api, played) = (registry.clone(), Arc::clone(&play));
        let upstream = Upstream::start(move |request| {
            let play = played.lock().expect("the play");
            match *play {
                Play::Broken(matches, fault) if matches(request) => fault(),
                Play::Changed(change) if request.target().contains("/manifests/") => ask(&api, request, change),
                _ => {
                    drop(play);
                    ask(&api, request, |_| {})
                }
            }
        });
        Self { upstream, play }
    }

    pub fn url(&self) -> String {
        self.upstream.url()
    }

    pub fn breaks(&self, matches: fn(&Recorded) -> bool, fault: fn() -> Answer) {
        *self.play.lock().expect("the play") = Play::Broken(matches, fault);
    }

    /// Changes every answer with a manifest.
    pub fn changes(&self, change: fn(&mut Exchange)) {
        *self.play.lock().expect("the play") = Play::Changed(change);
    }

    pub fn heals(&self) {
        *self.play.lock().expect("the play") = Play::Honest;
    }
}

/// Asks the registry and gives its answer, changed, as that of the stand-in.
pub fn ask(registry: &Api, request: &Recorded, change: fn(&mut Exchange)) -> Answer {
    let mut draft = registry.request(request.method(), request.target()).body(&request.body);
    for name in ["Accept", "Content-Type", "Content-Range"] {
        for value in request.headers(name) {
            draft = draft.header(name, value);
        }
    }
    let mut answer = draft.send();
    change(&mut answer);
    // Without the registry's own address, which the proxy does not know.
    let origin = registry.url();
    let passed = |name| answer.header(name).map(|value| (name, value.replace(&origin, "")));
    let mut headers: Vec<_> = PASSED.into_iter().filter_map(passed).collect();
    // That of a HEAD stands for a body that does not come.
    if request.method() == "HEAD"
        && let Some(length) = answer.header("content-length")
    {
        headers.push(("Content-Length", length.to_owned()));
    }
    Answer::Respond { status: answer.status, headers, body: answer.body }
}

pub fn set_digest(answer: &mut Exchange, digest: &str) {
    for (name, value) in &mut answer.headers.0 {
        if name.eq_ignore_ascii_case("docker-content-digest") {
            *value = digest.to_owned();
        }
    }
}
