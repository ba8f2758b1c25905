//! The rules, how many tags each decides over, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{Place, none, table, tag_link, time};
use super::{Admin, Answer, said, shown};
use crate::admin::asked::Refused;
use crate::oci::{RepositoryName, Tag};
use crate::policy::{DEFAULT_RULE, Delete, Enforcement, Mutability, NamePattern, Policy, PullRule, REFERRERS_RULE, Rule, Verdict};
use crate::questions::reference;
use crate::reload::{self, Rejected};

/// The most tags that are counted, so that a page takes no longer than anybody waits.
const MOST: u64 = 50_000;
const PAGE: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    reference: Option<String>,
}

pub(super) async fn policy(State(admin): State<Arc<Admin>>, asked: Result<Query<Asked>, QueryRejection>) -> Answer {
    let reference = said(asked?.0.reference);
    let in_case = |(repository, tag)| (repository, admin.tag_case.of(tag));
    let explained = reference.as_deref().map(|text| reference::parse(text).map(in_case));
    let (held, is_all) = count(&admin).await?;
    let policy = &*admin.policy();
    let rows: Vec<Markup> = policy
        .rules()
        .iter()
        .enumerate()
        .map(|(number, rule)| row(number + 1, rule, policy.general().enforcement, &held))
        .collect();
    let referrers = policy.general().referrers.map_or("as all other tags".to_owned(), |mutability| mutability.to_string());
    let built_in = [
        (REFERRERS_RULE, "tags for referrers and signatures that no rule names", referrers),
        (DEFAULT_RULE, "all other tags", policy.general().default.to_string()),
    ];
    let built_in = built_in.iter().map(|(name, what, mutability)| {
        html! {
            tr {
                td { (none("built in")) }
                th scope="row" { (name) }
                td colspan="2" { (what) }
                td { (mutability) }
                td { (none("by the registry")) }
                td.number { (held.get(*name).copied().unwrap_or(0)) }
            }
        }
    });
    let rows: Vec<Markup> = rows.into_iter().chain(built_in).collect();
    let head = ["#", "Rule", "Repositories", "Tags", "Mutability", "Delete", "Tags now"];
    let body = html! {
        (reloads(&admin.reloads))
        section.card aria-labelledby="explain" {
            h2 #explain { "Which rule decides?" }
            form.fields action="/policy" {
                div {
                    label for="reference" { "Tag" }
                    input #reference name="reference" required value=[reference.as_deref()] placeholder="driftwood/web:1.4.0"
                        autocomplete="off" spellcheck="false" aria-invalid=[matches!(explained, Some(Err(_))).then_some("true")]
                        aria-describedby=[matches!(explained, Some(Err(_))).then_some("mistake")];
                }
                button { "Explain" }
            }
            @match &explained {
                None => {}
                Some(Err(words)) => { p.mistake #mistake role="alert" { (words) } }
                Some(Ok((repository, tag))) => { div role="status" { (explanation(policy, repository, tag)) } }
            }
        }
        section aria-labelledby="rules" {
            h2 #rules { "Rules" }
            (table("rules-table", "Rules in the order in which they are asked; the first that matches decides", &head, &rows))
            p.hint {
                "Counted are the tags that the release log knows and that mean something now"
                @if !is_all { ", the first " (MOST) " of them: each number is at least so many" } "."
            }
        }
        (pulls(policy))
    };
    let answer = shown(Place::Policy, "Policy", &body)?;
    Ok(match explained {
        Some(Err(_)) => (StatusCode::BAD_REQUEST, answer).into_response(),
        _ => answer,
    })
}

/// Since when the policy is in force, and why a newer one is not.
fn reloads(status: &reload::Status) -> Markup {
    html! {
        p.hint { "In force since " (time(status.since())) "." }
        @if let Some(Rejected { at, cause }) = status.last_rejected() {
            p.mistake role="alert" { "The files have changed, and what was read at " (time(at)) " is not used: " (cause) }
        }
    }
}

/// How many tags each rule decides over, and whether those are all.
async fn count(admin: &Admin) -> Result<(BTreeMap<String, u64>, bool), Refused> {
    let policy = admin.policy();
    let (mut held, mut counted, mut repository): (BTreeMap<String, u64>, u64, Option<RepositoryName>) = Default::default();
    while let Some(next) = admin.ledger.repositories(repository.as_ref(), 1).await?.pop() {
        let mut after: Option<Tag> = None;
        loop {
            let page = admin.ledger.meanings(&next, None, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.event.tag);
            for tag in page.iter().filter(|entry| entry.event.digest.is_some()).filter_map(|entry| entry.event.tag.as_ref()) {
                *held.entry(policy.decide(&next, tag).rule.to_string()).or_default() += 1;
                counted += 1;
            }
            if counted >= MOST {
                return Ok((held, false));
            }
        }
        repository = Some(next);
    }
    Ok((held, true))
}

fn row(number: usize, rule: &Rule, general: Enforcement, held: &BTreeMap<String, u64>) -> Markup {
    let is_audited = rule.mutability != Mutability::Mutable && [rule.enforcement, general].contains(&Enforcement::Audit);
    html! {
        tr {
            td.number { (number) }
            th scope="row" { (rule.name) }
            td { @if rule.repositories.is_empty() { "all" } @else { (patterns(rule.repositories.iter().map(|glob| glob.as_str()))) } }
            td { (patterns(rule.tags.iter().map(|pattern| pattern.as_str()))) }
            td { (rule.mutability) @if is_audited { " " span.badge.odd { "audited only" } } }
            td {
                @match (rule.mutability, rule.delete) {
                    (Mutability::Mutable, _) => (none("by the registry")),
                    (_, Delete::Allow) => "allowed",
                    (_, Delete::Deny) => "refused",
                }
            }
            td.number { (held.get(&*rule.name).copied().unwrap_or(0)) }
        }
    }
}

fn patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Markup {
    html! { @for pattern in patterns { code { (pattern) } " " } }
}

/// What pulls of tags that move get, as far as a rule says anything.
fn pulls(policy: &Policy) -> Markup {
    let names = |names: &[NamePattern]| html! { @if names.is_empty() { "any" } @else { (patterns(names.iter().map(NamePattern::as_str))) } };
    let row = |(number, pull): (usize, &PullRule)| {
        html! {
            tr {
                td.number { (number + 1) }
                th scope="row" { (pull.name) }
                td { @if pull.repositories.is_empty() { "all" } @else { (patterns(pull.repositories.iter().map(|glob| glob.as_str()))) } }
                td { (names(&pull.hosts)) }
                td { (names(&pull.users)) }
                td { (pull.action.as_str()) }
            }
        }
    };
    let rows: Vec<Markup> = policy.pulls().iter().enumerate().map(row).collect();
    let head = ["#", "Rule", "Repositories", "Hosts", "Users", "Action"];
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="pulls" {
                h2 #pulls { "Pulls of tags that move" }
                (table("pulls-table", "Pull rules in the order in which they are asked; the first that matches decides", &head, &rows))
            }
        }
    }
}

fn explanation(policy: &Policy, repository: &RepositoryName, tag: &Tag) -> Markup {
    let explanation = policy.explain(repository, tag);
    let verdict: &Verdict = &explanation.verdict;
    html! {
        p { (tag_link(repository, tag)) " is " strong { (verdict.standing()) } ", by rule " strong { (verdict.rule) } ": " (verdict.consequence()) "." }
        @if !explanation.others.is_empty() {
            ul { @for (rule, reason) in &explanation.others { li { "rule " strong { (rule.name) } " " (reason) } } }
        }
    }
}
