//! The same requests to two registries, one of them behind the proxy.

use std::fmt::Write;

use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::{Image, Pushonce, Registry};

/// Headers that say when and by whom, not what.
const PASSING: [&str; 3] = ["date", "x-request-id", "connection"];

/// A step of an upload, given the place that the step before led to.
pub type Step<'a> = dyn Fn(&Api, &str) -> Exchange + 'a;

pub struct Pair {
    pub direct: Registry,
    pub behind: Registry,
    pub proxy: Pushonce,
}

/// The same step at both; they are not alike.
pub struct Differing {
    pub direct: Exchange,
    pub proxied: Exchange,
}

impl Pair {
    pub fn start() -> Self {
        let behind = Registry::start();
        let proxy = Pushonce::start(&behind);
        Self { direct: Registry::start(), behind, proxy }
    }

    /// The policy's rules are for other repositories.
    pub fn with_rules_for_other_repositories() -> Self {
        let behind = Registry::start();
        let policy =
            "[[rule]]\nname = \"releases\"\nrepositories = [\"releases/**\"]\ntags = [\"*\"]\nmutability = \"immutable\"\n";
        let proxy = Pushonce::in_front_of(&behind.url()).policy(policy).start();
        Self { direct: Registry::start(), behind, proxy }
    }

    /// Does something at both whose answer is beside the point.
    pub fn prepare(&self, step: impl Fn(&Api)) {
        step(&self.direct);
        step(&self.proxy);
    }

    /// Pushes an image at both.
    pub fn push(&self, name: &str, image: &Image) {
        self.prepare(|api| {
            api.push(name, image).expect_created();
        });
    }

    /// A step that has the same outcome at both. Returns that of the registry.
    #[track_caller]
    pub fn same(&self, step: impl Fn(&Api) -> Exchange) -> Exchange {
        let (direct, proxied) = (step(&self.direct), step(&self.proxy));
        let both = [outcome(&self.direct, &direct), outcome(&self.proxy, &proxied)];
        assert!(both[0] == both[1], "directly:\n{}\nthrough the proxy:\n{}", both[0], both[1]);
        direct
    }

    /// A step of which the proxy makes something else, on purpose.
    #[track_caller]
    pub fn differs(&self, step: impl Fn(&Api) -> Exchange) -> Differing {
        let (direct, proxied) = (step(&self.direct), step(&self.proxy));
        let both = [outcome(&self.direct, &direct), outcome(&self.proxy, &proxied)];
        assert!(both[0] != both[1], "both are alike, and need not differ:\n{}", both[0]);
        Differing { direct, proxied }
    }

    /// The same upload, step by step: every answer is compared, and the next step
    /// goes where the one before led.
    #[track_caller]
    pub fn same_steps(&self, steps: &[&Step<'_>]) -> Exchange {
        let mut places = [String::new(), String::new()];
        let mut last = None;
        for step in steps {
            let apis: [&Api; 2] = [&self.direct, &self.proxy];
            let answers = [0, 1].map(|index| step(apis[index], &places[index]));
            let both = [0, 1].map(|index| outcome(apis[index], &answers[index]));
            assert!(both[0] == both[1], "directly:\n{}\nthrough the proxy:\n{}", both[0], both[1]);
            if answers[0].header("location").is_some() {
                places = [0, 1].map(|index| apis[index].location(&answers[index]));
            }
            let [direct, _] = answers;
            last = Some(direct);
        }
        last.expect("a step")
    }
}

/// Status, headers and body, free of what differs from server to server and from
/// upload to upload.
pub fn outcome(api: &Api, answer: &Exchange) -> String {
    let mut lines: Vec<String> = Vec::new();
    let upload = answer.header("docker-upload-uuid").unwrap_or("no upload");
    for (name, value) in &answer.headers.0 {
        let name = name.to_lowercase();
        if !PASSING.contains(&name.as_str()) {
            let value = value.replace(&api.url(), "").replace(upload, "UPLOAD");
            lines.push(format!("{name}: {}", without_state(&value)));
        }
    }
    lines.sort();
    let mut text = format!("{} {}\n{}\n", answer.request.method, answer.status, lines.join("\n"));
    let _ = write!(text, "({} bytes) {}", answer.body.len(), answer.text());
    text
}

/// docker-registry signs the state of an upload, the time included.
fn without_state(value: &str) -> String {
    let Some((before, state)) = value.split_once("_state=") else { return value.to_owned() };
    let after = state.find('&').map_or("", |end| &state[end..]);
    format!("{before}_state=STATE{after}")
}
