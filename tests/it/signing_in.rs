//! Signing in: with nothing, with a password, with tokens. The registry judges; the
//! proxy passes its questions on, and asks by itself only where it has an account.

mod challenges;
mod clients;
mod elsewhere;
mod finishing;
mod repairs;
mod service;

use std::sync::Arc;

use crate::harness::api::Api;
use crate::harness::{Denial, Granting, Pushonce, TokenServer};

/// The proxy's own account, which may read, and more where a test says so.
const GATE: (&str, &str) = ("gate", "gate-password");

/// What a client reads who may push, and not see what is there.
const HIDDEN: &str = "tag web:1.4.0 is immutable (rule \"releases\"): it was pushed before; push a new tag, such as 1.4.1";

/// A token service, and a registry that believes it and tells every right apart.
struct Stage {
    tokens: Arc<TokenServer>,
    granting: Granting,
}

impl Stage {
    fn set() -> Self {
        Self::with_account(&["pull"])
    }

    /// The proxy's own account may do `actions`.
    fn with_account(actions: &[&str]) -> Self {
        let tokens = Arc::new(TokenServer::start());
        tokens.user(GATE.0, GATE.1, actions);
        let granting = Granting::start(&tokens, Denial::Challenges);
        Self { tokens, granting }
    }

    /// A proxy that has an account of its own.
    fn proxy_with_account(&self) -> Pushonce {
        let (name, password) = GATE;
        Pushonce::in_front_of(&self.granting.url())
            .setting(&format!("upstream.username = \"{name}\"\nupstream.password = \"{password}\""))
            .start()
    }

    fn proxy(&self) -> Pushonce {
        Pushonce::in_front_of(&self.granting.url()).start()
    }

    /// A client whose token lets it do `actions` in the repository `web`, and no more.
    fn client(&self, proxy: &Pushonce, actions: &[&str]) -> Api {
        proxy.with_token(&self.tokens.issue("client", "web", actions))
    }
}
