//! The policy file, as editors are told of it.
#![expect(dead_code, reason = "the schema is made from the types; nobody makes a value")]

use schemars::JsonSchema;

/// Which tags mean the same bytes forever. Rules are asked from top to bottom; the first
/// that matches decides.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Tag policy of pushonce")]
pub struct PolicyFile {
    /// For tags that no rule matches. Without it, mutable.
    default: Option<Mutability>,
    /// "audit" for the whole policy, as if every rule said so.
    enforcement: Option<Enforcement>,
    /// Tags of signatures and referrers that no rule names. Without it, mutable.
    referrers: Option<Referrers>,
    /// The rules, in the order in which they are asked.
    #[serde(default)]
    rule: Vec<Rule>,
    /// Who has to pull by digest.
    #[serde(default)]
    pull: Vec<Pull>,
}

/// Which tags of which repositories change how.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Rule {
    /// Shown to whoever is refused.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,64}$"))]
    name: String,
    /// Globs; without the key, every repository. `*` stays within a component, `**` crosses.
    #[schemars(length(min = 1))]
    repositories: Option<Vec<String>>,
    /// Globs, `semver:` templates (x.y.z, x.y.z-*, x.y, x) or `regex:`. One has to match.
    #[schemars(length(min = 1))]
    tags: Vec<String>,
    mutability: Mutability,
    enforcement: Option<Enforcement>,
    delete: Option<Delete>,
    multi_arch: Option<MultiArch>,
    channel: Option<Channel>,
    unreleased: Option<Unreleased>,
    /// A link that is added to a refusal.
    #[schemars(regex(pattern = "^https?://"))]
    help_url: Option<String>,
}

/// Who has to pull tags that move by digest.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pull {
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,64}$"))]
    name: String,
    /// Globs; without the key, every repository.
    #[schemars(length(min = 1))]
    repositories: Option<Vec<String>>,
    /// Globs over the host that was asked, without port; without the key, any.
    #[schemars(length(min = 1))]
    hosts: Option<Vec<String>>,
    /// Globs over the user; without the key, anybody.
    #[schemars(length(min = 1))]
    users: Option<Vec<String>>,
    action: PullAction,
    /// A link that is added to the advice.
    #[schemars(regex(pattern = "^https?://"))]
    help_url: Option<String>,
}

/// How a tag may change after its first push.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Mutability {
    /// One digest ever.
    Immutable,
    /// To a newer release, never back.
    ForwardOnly,
    /// Keeps every entry.
    AppendOnly,
    /// Moves freely; every move is recorded.
    Mutable,
}

/// What becomes of a push that the mutability does not allow.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Enforcement {
    /// It is refused. The default.
    Enforce,
    /// It passes, with a warning and a record.
    Audit,
}

/// What tags of signatures and referrers are.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Referrers {
    Mutable,
    AppendOnly,
    /// Tags like all others.
    Off,
}

/// Whether the tag may be deleted.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Delete {
    /// The default.
    Deny,
    /// An immutable one never takes other bytes afterwards.
    Allow,
}

/// What becomes of the index of an image after the manifest of one platform.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum MultiArch {
    /// It is refused. The default.
    Refuse,
    /// The tag goes to the index, once and soon.
    Settle,
}

/// Which releases a forward-only tag follows.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Channel {
    /// The default.
    All,
    /// Those that are no pre-release.
    Stable,
}

/// What becomes of bytes that are no known release.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Unreleased {
    /// The default.
    Allow,
    Warn,
    Refuse,
}

/// What becomes of the pull.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum PullAction {
    Refuse,
    Warn,
    Allow,
}
