//! A cell: one request of one client, on a repository of its own.

use super::request::Row;
use super::table::Outcome;
use super::world::{ALL, Credential, World};
use crate::harness::api::Api;
use crate::harness::exchange::Exchange;
use crate::harness::image::{Manifest, sha256};
use crate::harness::random;

/// What a tag can be, each with a name of its own that occurs nowhere by chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    Known,
    Unmet,
    Open,
    Gone,
    Burnt,
    Loose,
    Moving,
    Audited,
    Untagged,
    Fresh,
    Second,
}

const THINGS: [Thing; 11] = [
    Thing::Known,
    Thing::Unmet,
    Thing::Open,
    Thing::Gone,
    Thing::Burnt,
    Thing::Loose,
    Thing::Moving,
    Thing::Audited,
    Thing::Untagged,
    Thing::Fresh,
    Thing::Second,
];

impl Thing {
    pub fn tag(self) -> &'static str {
        match self {
            Self::Known => "77410.0.0",
            Self::Unmet => "77420.0.0",
            Self::Open => "77430.0.0",
            Self::Gone => "77440.0.0",
            Self::Burnt => "77450.0.0-rc.1",
            Self::Loose => "77460.0.0-rc.1",
            Self::Moving => "moving-7747",
            Self::Audited => "audited-7748",
            Self::Untagged => "untagged-7749",
            Self::Fresh => "77500.0.0",
            Self::Second => "77510.0.0",
        }
    }
}

pub struct Cell<'a> {
    world: &'a World,
    pub repository: String,
    manifests: Vec<Manifest>,
}

impl<'a> Cell<'a> {
    pub fn new(world: &'a World, repository: String) -> Self {
        let manifests = THINGS.iter().map(|_| manifest()).collect();
        Self { world, repository, manifests }
    }

    pub fn tag(&self, thing: Thing) -> String {
        format!("{}:{}", self.repository, thing.tag())
    }

    pub fn digest(&self, thing: Thing) -> String {
        format!("{}@{}", self.repository, self.manifest(thing).digest())
    }

    pub fn manifest(&self, thing: Thing) -> &Manifest {
        let index = THINGS.iter().position(|other| *other == thing).expect("a thing");
        &self.manifests[index]
    }

    /// Somebody who may do everything here, through the proxy.
    pub fn owner(&self) -> Api {
        self.world.proxy.with_token(&self.world.tokens.issue("owner", &self.repository, ALL))
    }

    pub fn put(&self, api: &Api, tag: Thing, content: Thing) -> Exchange {
        api.put_manifest(&self.tag(tag), self.manifest(content))
    }

    /// One push by digest that names several tags.
    pub fn put_all(&self, api: &Api, tags: &[Thing]) -> Exchange {
        let query: Vec<String> = tags.iter().map(|tag| format!("tag={}", tag.tag())).collect();
        let manifest = self.manifest(Thing::Fresh);
        let target = format!("/v2/{}/manifests/{}?{}", self.repository, manifest.digest(), query.join("&"));
        api.request("PUT", &target).header("Content-Type", &manifest.media_type).body(&manifest.bytes).send()
    }

    /// Asks both registries the same, and looks at what came of it.
    pub fn try_out(&self, row: &Row, credential: &Credential) -> Outcome {
        let seen = |api: &Api| self.world.seen_by(api, credential, &self.repository);
        let alone_api = seen(&self.world.alone.api());
        let before = self.readable(&alone_api, row, credential);
        let alone = (row.send)(&alone_api, self);
        let proxied = (row.send)(&seen(&self.world.proxy), self);
        let told = [before, text(&alone), format!("{} {}", proxied.request.target, sha256(&proxied.request.body))].concat();

        let mut faults = self.leaks(&text(&proxied), &told);
        faults.extend(difference(row, credential, &alone, &proxied));
        faults.extend(self.damage(row, credential));
        Outcome { alone: alone.status, proxied: proxied.status, exchange: proxied.to_string(), faults }
    }

    /// All that the registry alone shows this client of the repository.
    fn readable(&self, api: &Api, row: &Row, credential: &Credential) -> String {
        if !credential.may("pull") {
            return String::new();
        }
        let list = api.request("GET", &format!("/v2/{}/tags/list", self.repository)).send();
        let tags = row.about.iter().map(|thing| text(&api.pull(&self.tag(*thing))));
        let digests = row.about.iter().map(|thing| text(&api.pull(&self.digest(*thing))));
        // What is asked for is echoed, so only what is shown counts.
        std::iter::once(text(&list)).chain(tags).chain(digests).filter(|text| text.starts_with("200")).collect()
    }

    /// The names in an answer that its reader did not have.
    fn leaks(&self, answer: &str, told: &str) -> Vec<String> {
        let short = |manifest: &Manifest| manifest.digest()["sha256:".len()..][..12].to_owned();
        let digests = THINGS.iter().map(|thing| (format!("the digest of {thing:?}"), short(self.manifest(*thing))));
        let tags = THINGS.iter().map(|thing| (format!("the tag of {thing:?}"), thing.tag().to_owned()));
        let repository = ("the repository".to_owned(), self.repository.clone());
        let names = digests.chain(tags).chain([repository]);
        names.filter(|(_, name)| answer.contains(name) && !told.contains(name)).map(|(what, _)| format!("tells {what}")).collect()
    }

    /// What somebody with all rights can no longer do.
    fn damage(&self, row: &Row, credential: &Credential) -> Vec<String> {
        let owner = self.owner();
        let mut faults = Vec::new();
        let mut check = |what: &str, holds: bool| {
            if !holds {
                faults.push(what.to_owned());
            }
        };
        for thing in row.about.iter().copied() {
            let own = self.manifest(thing).digest();
            let means = |tag: &str| owner.pull(tag).header("docker-content-digest").map(str::to_owned);
            match thing {
                Thing::Known | Thing::Unmet => {
                    check("an immutable tag means other bytes", means(&self.tag(thing)) == Some(own));
                    check("its bytes cannot be pushed again", self.put(&owner, thing, thing).status == 201);
                    check("it took other bytes", self.put(&owner, thing, Thing::Second).status == 409);
                }
                Thing::Open => check("a claim cannot be finished", self.put(&owner, thing, thing).status == 201),
                Thing::Loose if !credential.may("delete") => {
                    check("a tag was deleted", means(&self.tag(thing)) == Some(own));
                    check("a tag was burnt", self.put(&owner, thing, thing).status == 201);
                }
                Thing::Moving | Thing::Audited if !credential.may("push") && !credential.may("delete") => {
                    check("a tag moved", means(&self.tag(thing)) == Some(own));
                }
                Thing::Fresh | Thing::Second if !credential.may("push") => {
                    check("a tag that nobody pushed is taken", self.put(&owner, thing, Thing::Known).status == 201);
                }
                Thing::Burnt => check("a deleted tag came back", self.put(&owner, thing, Thing::Second).status == 409),
                _ => {}
            }
        }
        faults
    }
}

/// Where the registry alone would have said no, the proxy says no in the same words.
/// Only to whom the registry shows a tag may it say first that it is immutable.
fn difference(row: &Row, credential: &Credential, alone: &Exchange, proxied: &Exchange) -> Option<String> {
    let is_denied = |answer: &Exchange| matches!(answer.status, 401 | 403) || answer.text().contains("not for you");
    let is_told = credential.may("pull") && matches!(proxied.status, 405 | 409);
    if row.refused == Some(proxied.status) || is_told || !is_denied(alone) {
        return None;
    }
    let challenge = |answer: &Exchange| answer.header("www-authenticate").map(str::to_owned);
    let (own, ours) = ((alone.status, challenge(alone)), (proxied.status, challenge(proxied)));
    (own != ours).then(|| format!("the registry says {own:?}, the proxy {ours:?}"))
}

/// A whole answer in one text.
fn text(answer: &Exchange) -> String {
    let headers = answer.headers.0.iter().map(|(name, value)| format!("{name}: {value}\n"));
    format!("{}\n{}\n{}\n", answer.status, headers.collect::<String>(), answer.text())
}

/// Needs no blobs, and is like no other.
fn manifest() -> Manifest {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let number = random::number();
    let text =
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[],"annotations":{{"number":"{number:x}"}}}}"#);
    Manifest::new(media_type, text.as_bytes())
}
