//! What people read when something is wrong, and that the documents are true.

pub(super) mod documents;
mod lints;
mod policy;
mod pulls;
mod server;
mod webhooks;

use super::*;

fn policy_mistakes(text: &str) -> String {
    parse_policy("policy.toml", text).map(|_| ()).expect_err("mistakes").render(false)
}
