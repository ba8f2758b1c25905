//! docs/MOVING_TAGS.md and docs/INCIDENTS.md: every example, in front of a real registry,
//! with the real program.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::harness::exchange::Exchange;
use crate::harness::folding::folding;
use crate::harness::image::Manifest;
use crate::harness::{Image, Pushonce, Registry, Upstream};
use crate::operator::ledger_commands::operate;

/// How long a decision may take to arrive, and a little more.
const ARRIVED: Duration = Duration::from_secs(3);

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Each policy of a document with what happens under it.
fn examples(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        // Those inside a list are indented, and tell no story.
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            // Commands alone are run by the tests of the documents.
            if matches!(language, "toml" | "text") {
                blocks.push((language, text.join("\n")));
            }
        }
    }
    let pairs = blocks.chunks(2).map(|pair| match pair {
        [("toml", policy), ("text", story)] => (policy.clone(), story.clone()),
        other => panic!("a policy without a story: {other:?}"),
    });
    pairs.collect()
}

/// A registry, the program in front of it, and what the names of a story stand for.
struct Stage {
    registry: Registry,
    proxy: Pushonce,
    images: BTreeMap<String, Image>,
    _front: Option<Upstream>,
}

impl Stage {
    fn set(policy: &str) -> Self {
        let registry = Registry::start();
        let front = policy.contains("upstream.tag_case").then(|| folding(&registry));
        let url = front.as_ref().map_or_else(|| registry.url(), Upstream::url);
        let proxy = Pushonce::in_front_of(&url).policy(policy);
        let proxy = if front.is_some() { proxy.setting("upstream.tag_case = \"fold\"") } else { proxy };
        Self { proxy: proxy.start(), registry, images: BTreeMap::new(), _front: front }
    }

    /// The image of a name, which the registry has by its digest.
    fn image(&mut self, name: &str) -> Image {
        if let Some(image) = self.images.get(name) {
            return image.clone();
        }
        let image = match inner(name, "index") {
            Some(names) => {
                let children: Vec<Image> = names.split(',').map(|name| self.image(name)).collect();
                Image::index(&children.iter().collect::<Vec<_>>())
            }
            None => Image::random(),
        };
        self.registry.push(&format!("web@{}", image.digest()), &image).expect_created();
        self.images.insert(name.to_owned(), image.clone());
        image
    }

    /// The manifest of a name: of an image, or of a list that tools add to.
    fn manifest(&mut self, name: &str) -> Manifest {
        let Some(names) = inner(name, "list") else { return self.image(name).manifest };
        let entry = |image: Image| json!({"mediaType": image.manifest.media_type, "digest": image.digest(), "size": image.manifest.bytes.len()});
        let entries: Vec<_> = names.split(',').map(|name| entry(self.image(name))).collect();
        Manifest::new(INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().as_bytes())
    }

    /// `web:1.4`, `web:referrers(one)`, `web@one` as the registry's path and reference.
    fn reference(&mut self, text: &str) -> String {
        match text.split_once('@') {
            Some((_, name)) => self.image(name).digest(),
            None => match inner(text, "web:referrers") {
                Some(name) => self.image(name).digest().replace(':', "-"),
                None => text.split_once(':').expect("a tag").1.to_owned(),
            },
        }
    }

    fn push(&mut self, reference: &str, name: &str) -> Exchange {
        let (reference, manifest) = (self.reference(reference), self.manifest(name));
        let target = match reference.contains(',') {
            true => format!("{}?tag={}", manifest.digest(), reference.replace(',', "&tag=")),
            false => reference,
        };
        let draft = self.proxy.request("PUT", &format!("/v2/web/manifests/{target}")).header("User-Agent", "docker/29.1.0");
        draft.header("Content-Type", &manifest.media_type).body(&manifest.bytes).send()
    }

    fn run(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let status = words.iter().position(|word| word.len() == 3 && word.parse::<u16>().is_ok()).expect(line);
        let said = line.split_once(&format!("  {}", words[status])).expect(line).1.trim();
        let name = (status == 3).then(|| words[2]);
        let answer = match words[0] {
            "push" => self.push(words[1], name.expect(line)),
            "pull" => {
                let reference = self.reference(words[1]);
                self.proxy.request("GET", &format!("/v2/web/manifests/{reference}")).accept_manifests().send()
            }
            "delete" => {
                let reference = self.reference(words[1]);
                self.proxy.request("DELETE", &format!("/v2/web/manifests/{reference}")).send()
            }
            other => panic!("{other} is nothing that happens: {line}"),
        };
        assert_eq!(answer.status.to_string(), words[status], "{line}\n{answer}");
        match said.strip_prefix("warning: ") {
            Some(warning) => {
                let found = answer.header("warning").unwrap_or_else(|| panic!("no warning: {line}\n{answer}"));
                let found = found.trim_start_matches("299 - \"").trim_end_matches('"').replace("\\\"", "\"");
                assert!(fits(&found, warning), "{line}\n{found}");
            }
            None if said.is_empty() => assert_eq!(answer.header("warning"), None, "{line}"),
            None => assert!(fits(&answer.error().message, said), "{line}\n{answer}"),
        }
        if let ("pull", Some(name), 200) = (words[0], name, answer.status) {
            assert_eq!(answer.header("docker-content-digest"), Some(&*self.manifest(name).digest()), "{line}");
        }
    }

    /// A command, and what it says.
    fn command(&mut self, command: &str, shown: &str) {
        // Every second part stands in quotes.
        let parts = command.split('"').enumerate();
        let arguments = parts.flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        let said = operate(&self.proxy, &arguments.collect::<Vec<_>>()).expect_success().stdout;
        assert!(fits(said.trim_end(), shown), "{command}\n{said}");
        sleep(ARRIVED);
    }
}

/// What stands in `name(…)`.
fn inner<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

/// Whether `text` is what is shown, where `…` is anything.
fn fits(text: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        match parts.peek() {
            None => return rest.ends_with(part),
            Some(_) => match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            },
        }
    }
    true
}

#[test]
fn every_example_of_moving_tags_is_true() {
    let examples = examples(include_str!("../../docs/MOVING_TAGS.md"));
    assert_eq!(examples.len(), 10);
    happen(&examples);
}

#[test]
fn every_example_of_incidents_is_true() {
    let examples = examples(include_str!("../../docs/INCIDENTS.md"));
    assert_eq!(examples.len(), 2);
    happen(&examples);
}

/// All of them at once, each with a registry of its own.
fn happen(examples: &[(String, String)]) {
    std::thread::scope(|scope| {
        for (policy, story) in examples {
            scope.spawn(move || {
                let mut stage = Stage::set(policy);
                let mut lines = story.lines().peekable();
                while let Some(line) = lines.next() {
                    let Some(command) = line.strip_prefix("$ pushonce ") else {
                        stage.run(line);
                        continue;
                    };
                    let mut shown = Vec::new();
                    let happens = |line: &str| ["push ", "pull ", "delete ", "$ "].iter().any(|word| line.starts_with(word));
                    while let Some(line) = lines.next_if(|line| !happens(line)) {
                        shown.push(line);
                    }
                    stage.command(command, &shown.join("\n"));
                }
            });
        }
    });
}
