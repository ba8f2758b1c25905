//! The columns: who asks. And the two registries that they ask, which hold the same.

use std::sync::Arc;

use super::cell::{Cell, Thing};
use super::request::Row;
use crate::harness::api::Api;
use crate::harness::{Denial, Granting, Pushonce, TokenServer};

pub struct Credential {
    pub name: &'static str,
    /// What its token lets it do; `None` without a token.
    pub actions: Option<&'static [&'static str]>,
    pub trust: Trust,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A token of the registry's own service.
    Own,
    /// One for another repository.
    Elsewhere,
    /// One that somebody else signed.
    Forged,
}

pub const CREDENTIALS: &[Credential] = &[
    Credential { name: "none", actions: None, trust: Trust::Own },
    Credential { name: "wrong", actions: Some(ALL), trust: Trust::Forged },
    Credential { name: "other repository", actions: Some(ALL), trust: Trust::Elsewhere },
    Credential { name: "pull", actions: Some(&["pull"]), trust: Trust::Own },
    Credential { name: "push", actions: Some(&["push"]), trust: Trust::Own },
    Credential { name: "delete", actions: Some(&["delete"]), trust: Trust::Own },
    Credential { name: "full", actions: Some(ALL), trust: Trust::Own },
];

pub const ALL: &[&str] = &["pull", "push", "delete"];

const POLICY: &str = r#"
[[rule]]
name = "releases"
tags = ["semver:x.y.z"]
mutability = "immutable"

[[rule]]
name = "candidates"
tags = ["semver:x.y.z-*"]
mutability = "immutable"
delete = "allow"

[[rule]]
name = "audited"
tags = ["audited-*"]
mutability = "immutable"
enforcement = "audit"
"#;

impl Credential {
    /// Whether it may do so in the repository at hand.
    pub fn may(&self, action: &str) -> bool {
        self.trust == Trust::Own && self.actions.is_some_and(|actions| actions.contains(&action))
    }
}

pub struct World {
    pub tokens: Arc<TokenServer>,
    forger: TokenServer,
    /// The registry without a proxy.
    pub alone: Granting,
    /// The registry behind the proxy.
    pub behind: Granting,
    pub proxy: Pushonce,
}

impl World {
    pub fn start(denial: Denial, has_account: bool) -> Self {
        let tokens = Arc::new(TokenServer::start());
        tokens.user("gate", "gate-password", &["pull"]);
        let (alone, behind) = (Granting::start(&tokens, denial), Granting::start(&tokens, denial));
        let mut proxy = Pushonce::in_front_of(&behind.url()).policy(POLICY);
        if has_account {
            proxy = proxy.setting("upstream.username = \"gate\"\nupstream.password = \"gate-password\"");
        }
        Self { tokens, forger: TokenServer::start(), alone, behind, proxy: proxy.start() }
    }

    /// One of the two as `credential` sees it.
    pub fn seen_by(&self, api: &Api, credential: &Credential, repository: &str) -> Api {
        let Some(actions) = credential.actions else { return api.clone() };
        api.with_token(&match credential.trust {
            Trust::Own => self.tokens.issue("client", repository, actions),
            Trust::Elsewhere => self.tokens.issue("client", "elsewhere", actions),
            Trust::Forged => self.forger.issue("client", repository, actions),
        })
    }

    /// A repository of its own on both registries, with what the request is about.
    pub fn seed(&self, repository: String, row: &Row) -> Cell<'_> {
        let cell = Cell::new(self, repository);
        for thing in row.about {
            self.put(&cell, *thing);
        }
        cell
    }

    fn put(&self, cell: &Cell<'_>, thing: Thing) {
        let (tag, manifest) = (cell.tag(thing), cell.manifest(thing));
        let (alone, behind) = (&self.alone.registry, &self.behind.registry);
        let owner = cell.owner();
        match thing {
            Thing::Known | Thing::Loose => {
                alone.put_manifest(&tag, manifest).expect_created();
                owner.put_manifest(&tag, manifest).expect_created();
            }
            Thing::Unmet | Thing::Moving | Thing::Audited => {
                alone.put_manifest(&tag, manifest).expect_created();
                behind.put_manifest(&tag, manifest).expect_created();
            }
            Thing::Untagged => {
                alone.put_manifest(&cell.digest(thing), manifest).expect_created();
                behind.put_manifest(&cell.digest(thing), manifest).expect_created();
            }
            Thing::Open => {
                self.behind.break_once("PUT", &format!("{}/manifests/{}", cell.repository, thing.tag()));
                owner.put_manifest(&tag, manifest).expect_unavailable();
                alone.put_manifest(&cell.digest(thing), manifest).expect_created();
            }
            Thing::Gone => {
                owner.put_manifest(&tag, manifest).expect_created();
                behind.delete(&cell.digest(thing)).expect(202);
                alone.put_manifest(&tag, manifest).expect_created();
                alone.delete(&cell.digest(thing)).expect(202);
            }
            Thing::Burnt => {
                owner.put_manifest(&tag, manifest).expect_created();
                owner.delete(&cell.digest(thing)).expect(202);
                alone.put_manifest(&tag, manifest).expect_created();
                alone.delete(&cell.digest(thing)).expect(202);
            }
            Thing::Fresh | Thing::Second => {}
        }
    }
}
