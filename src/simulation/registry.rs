//! A registry that keeps manifests and tags as the OCI distribution-spec says, and
//! that is slow, refuses or fails where the dice say so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::sleep;
use turmoil::net::TcpListener;

use super::flaw::Flaw;
use super::plan::{Plan, REGISTRY, REPOSITORY, key};
use super::world::World;
use crate::oci::{Algorithm, Digest};
use crate::upstream::DOCKER_CONTENT_DIGEST;

const PORT: u16 = 5001;

/// What the registry's disk holds.
#[derive(Debug, Default)]
pub struct Stored {
    /// Media type and bytes, by digest.
    pub manifests: BTreeMap<String, (String, Bytes)>,
    pub tags: BTreeMap<String, Digest>,
    /// Digests and tags that were deleted at some time.
    pub deleted: BTreeSet<String>,
}

/// How a request is treated.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Well,
    /// Carried out and answered late.
    Late(u64, u64),
    /// Not carried out.
    Fails(u16),
    /// Carried out, and an error all the same.
    FailsAfter(u16),
    /// A certain no.
    Rejects(u16),
    /// The connection ends without an answer; whether it is carried out.
    HangsUp(bool),
}

/// The connection ends here.
#[derive(Debug, thiserror::Error)]
#[error("the registry hangs up")]
struct HungUp;

impl Stored {
    pub fn of_plan(plan: &Plan) -> Self {
        let mut stored = Self::default();
        for tag in &plan.tags {
            if let Some(before) = tag.before {
                let content = &plan.contents[before];
                stored.manifests.insert(content.digest.as_str().to_owned(), (content.media_type.to_owned(), content.bytes.clone()));
                stored.tags.insert(tag.key.tag.as_str().to_owned(), content.digest.clone());
            }
        }
        stored
    }

    pub fn holds(&self, digest: &Digest) -> bool {
        self.manifests.contains_key(digest.as_str())
    }
}

pub async fn host(world: Arc<World>) -> turmoil::Result {
    world.say(REGISTRY, "starts".to_owned());
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let world = Arc::clone(&world);
        let service = service_fn(move |request: Request<Incoming>| answer(Arc::clone(&world), request));
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
    }
}

/// What has arrived is treated in a task of its own: nobody needs to wait for it.
async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (method, path) = (head.method, head.uri.path().to_owned());
    tokio::spawn(async move { treat(&world, method, path, media_type, body).await }).await.map_err(|_| HungUp)?
}

async fn treat(
    world: &Arc<World>,
    method: Method,
    path: String,
    media_type: String,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let manner = manner(world, &method);
    if let Manner::Late(before, _) = manner {
        sleep(Duration::from_millis(before)).await;
    }
    let status = match manner {
        Manner::Fails(status) => Some(status),
        Manner::Rejects(status) => {
            if world.flaw == Some(Flaw::RejectedAndCarriedOut) && method == Method::PUT {
                let (world, method, path) = (Arc::clone(world), method.clone(), path.clone());
                let (media_type, body) = (media_type.clone(), body.clone());
                tokio::spawn(async move {
                    sleep(Duration::from_millis(700)).await;
                    carry_out(&world, &method, &path, media_type, body);
                });
            }
            Some(status)
        }
        _ => None,
    };
    if let Some(status) = status {
        world.count("bad answers of the registry");
        world.say(REGISTRY, format!("{method} {} -> {status}, {manner:?}", short(&path)));
        return Ok(error(StatusCode::from_u16(status).expect("a status")));
    }
    if matches!(manner, Manner::HangsUp(false)) {
        world.count("bad answers of the registry");
        world.say(REGISTRY, format!("{method} {} -> {manner:?}", short(&path)));
        return Err(HungUp);
    }
    let answer = carry_out(world, &method, &path, media_type, body);
    world.say(REGISTRY, format!("{method} {} -> {}, {manner:?}", short(&path), answer.status().as_u16()));
    match manner {
        Manner::Late(_, after) => sleep(Duration::from_millis(after)).await,
        Manner::FailsAfter(status) => {
            world.count("bad answers of the registry");
            return Ok(error(StatusCode::from_u16(status).expect("a status")));
        }
        Manner::HangsUp(_) => {
            world.count("bad answers of the registry");
            return Err(HungUp);
        }
        _ => {}
    }
    Ok(answer)
}

fn manner(world: &World, method: &Method) -> Manner {
    let share = if world.is_calm() { 0 } else { world.plan.bad_answers };
    world.registry_dice(|dice| {
        if !dice.in_thousand(share) {
            return Manner::Well;
        }
        match dice.below(8) {
            0 | 1 => Manner::Late(dice.between(0, 3_000), 0),
            2 => Manner::Late(0, dice.between(0, 3_000)),
            3 => Manner::Fails(*dice.pick(&[500, 502, 503, 429])),
            4 => Manner::FailsAfter(*dice.pick(&[500, 502, 504])),
            5 if *method == Method::PUT => Manner::Rejects(*dice.pick(&[400, 401, 403, 405, 413])),
            5 => Manner::Rejects(*dice.pick(&[401, 403])),
            6 => Manner::HangsUp(true),
            _ => Manner::HangsUp(false),
        }
    })
}

fn carry_out(world: &Arc<World>, method: &Method, path: &str, media_type: String, body: Bytes) -> Response<Full<Bytes>> {
    let prefix = format!("/v2/{REPOSITORY}/");
    match path.strip_prefix(&prefix) {
        Some("tags/list") => tags(world),
        Some(manifest) => match manifest.strip_prefix("manifests/") {
            Some(reference) if *method == Method::PUT => put(world, reference, media_type, body),
            Some(reference) if *method == Method::DELETE => delete(world, reference),
            Some(reference) => get(world, reference),
            None => error(StatusCode::NOT_FOUND),
        },
        None => error(StatusCode::NOT_FOUND),
    }
}

fn tags(world: &World) -> Response<Full<Bytes>> {
    let stored = world.stored.lock().expect("the registry");
    let tags: Vec<&String> = stored.tags.keys().collect();
    let text = serde_json::json!({ "name": REPOSITORY, "tags": tags }).to_string();
    Response::new(Full::new(Bytes::from(text)))
}

fn put(world: &Arc<World>, reference: &str, media_type: String, body: Bytes) -> Response<Full<Bytes>> {
    let digest = Digest::of(Algorithm::Sha256, &body);
    let pointed = {
        let mut stored = world.stored.lock().expect("the registry");
        // An index needs what it lists, as in docker-registry.
        let child = world.plan.contents.iter().find(|content| content.digest == digest).and_then(|content| content.child);
        if child.is_some_and(|child| !stored.holds(&world.plan.contents[child].digest)) {
            return error(StatusCode::BAD_REQUEST);
        }
        stored.manifests.insert(digest.as_str().to_owned(), (media_type, body));
        let is_tag = !reference.contains(':');
        is_tag.then(|| stored.tags.insert(reference.to_owned(), digest.clone()))
    };
    if let Some(before) = pointed {
        world.tag_was_pointed(&key(reference), before.as_ref(), &digest);
        world.tag_was_moved(&key(reference), &digest);
    }
    let answer = Response::builder().status(StatusCode::CREATED).header(DOCKER_CONTENT_DIGEST, digest.as_str());
    answer.header(LOCATION, format!("/v2/{REPOSITORY}/manifests/{}", digest.as_str())).body(Full::default()).expect("an answer")
}

fn get(world: &World, reference: &str) -> Response<Full<Bytes>> {
    let stored = world.stored.lock().expect("the registry");
    let digest = if reference.contains(':') { Some(reference) } else { stored.tags.get(reference).map(Digest::as_str) };
    let Some((digest, (media_type, bytes))) = digest.and_then(|digest| Some((digest, stored.manifests.get(digest)?))) else {
        return error(StatusCode::NOT_FOUND);
    };
    let answer = Response::builder().header(DOCKER_CONTENT_DIGEST, digest).header(CONTENT_TYPE, media_type);
    answer.body(Full::new(bytes.clone())).expect("an answer")
}

/// A digest takes its tags with it.
fn delete(world: &World, reference: &str) -> Response<Full<Bytes>> {
    let mut stored = world.stored.lock().expect("the registry");
    let is_gone = if reference.contains(':') {
        let gone: Vec<String> = stored.tags.extract_if(.., |_, digest| digest.as_str() == reference).map(|(tag, _)| tag).collect();
        stored.deleted.extend(gone);
        stored.manifests.remove(reference).is_some()
    } else {
        stored.tags.remove(reference).is_some()
    };
    if !is_gone {
        return error(StatusCode::NOT_FOUND);
    }
    stored.deleted.insert(reference.to_owned());
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer
}

fn error(status: StatusCode) -> Response<Full<Bytes>> {
    let text = r#"{"errors":[{"code":"UNKNOWN","message":"the simulated registry says so"}]}"#;
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

/// A path for the log, its digest cut.
fn short(path: &str) -> &str {
    let reference = path.strip_prefix("/v2/web/").unwrap_or(path);
    reference.get(..30).unwrap_or(reference)
}
