//! A registry that folds the case of tags, as Gitea does: the real one, behind a front that
//! lowers the case before it is asked.

use super::api::Api;
use super::upstream::{Answer, Upstream};

pub fn folding(registry: &Api) -> Upstream {
    let registry = registry.clone();
    Upstream::start(move |request| {
        let target = match request.target().rsplit_once("/manifests/") {
            Some((path, reference)) => format!("{path}/manifests/{}", reference.to_ascii_lowercase()),
            None => request.target().to_owned(),
        };
        let mut draft = registry.request(request.method(), &target);
        for name in ["Accept", "Content-Type", "Host", "X-Forwarded-Host", "X-Forwarded-Proto"] {
            draft = request.headers(name).into_iter().fold(draft, |draft, value| draft.header(name, value));
        }
        let answer = draft.body(&request.body).send();
        let framing = ["content-length", "connection"];
        let headers = answer.headers.0.iter().filter(|(name, _)| !framing.contains(&&*name.to_ascii_lowercase()));
        let headers = headers.map(|(name, value)| (&*name.clone().leak(), value.clone())).collect();
        Answer::Respond { status: answer.status, headers, body: answer.body.clone() }
    })
}
