//! Clients that push, pull, delete and try again, and tell the judge what they heard.

mod moving;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};
use turmoil::net::TcpStream;

use super::dice::Dice;
use super::judge::PULL;
use super::plan::{Content, REPOSITORY, TagPlan};
use super::replica::PORT;
use super::world::World;
use crate::oci::{Algorithm, Digest};

const PATIENCE: Duration = Duration::from_millis(8_000);

/// An answer that came whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
    digest: Option<String>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One client, from its first request to its last.
pub async fn run(world: Arc<World>, name: &'static str) -> turmoil::Result {
    let mut dice = world.dice(name);
    for _ in 0..world.plan.requests {
        sleep(Duration::from_millis(dice.between(0, world.plan.pause))).await;
        request(&world, &mut dice).await;
    }
    world.running_clients.fetch_sub(1, Ordering::Relaxed);
    Ok(())
}

async fn request(world: &World, dice: &mut Dice) {
    if !world.plan.moving.is_empty() && dice.in_thousand(300) {
        return moving::request(world, dice).await;
    }
    let tag = dice.pick(&world.plan.tags);
    let content = &world.plan.contents[*dice.pick(&tag.contents)];
    let replica = *dice.pick(world.plan.replicas);
    match dice.below(100) {
        0..55 => patiently(world, dice, &[tag], content).await,
        55..62 => {
            let other = dice.pick(&world.plan.tags);
            let tags = if other.key == tag.key { vec![tag] } else { vec![tag, other] };
            patiently(world, dice, &tags, content).await;
        }
        62..85 => {
            let method = if dice.in_thousand(300) { Method::HEAD } else { Method::GET };
            drop(pull(world, replica, tag, &method).await);
        }
        85..95 => delete_tag(world, replica, tag).await,
        _ => delete_manifest(world, replica, content).await,
    }
}

/// Pushes again while nobody says how it went.
async fn patiently(world: &World, dice: &mut Dice, tags: &[&TagPlan], content: &Content) {
    for _ in 0..3 {
        let replica = *dice.pick(world.plan.replicas);
        if push(world, replica, tags, content).await.is_ok_and(|reply| !reply.status.is_server_error()) {
            return;
        }
        sleep(Duration::from_millis(dice.between(10, 1_000))).await;
    }
}

/// Pushes one tag by its name, several by the digest (distribution-spec, end-7b); what
/// an index lists goes first.
pub async fn push(world: &World, replica: &str, tags: &[&TagPlan], content: &Content) -> Result<Reply, String> {
    if let Some(child) = content.child {
        let child = &world.plan.contents[child];
        send(world, replica, Method::PUT, &format!("manifests/{}", child.digest.as_str()), Some(child)).await?;
    }
    let burnt: Vec<bool> = tags.iter().map(|tag| world.is_told_burnt(&tag.key)).collect();
    let target = match tags {
        [tag] => format!("manifests/{}", tag.key.tag.as_str()),
        tags => {
            let query: Vec<_> = tags.iter().map(|tag| format!("tag={}", tag.key.tag.as_str())).collect();
            format!("manifests/{}?{}", content.digest.as_str(), query.join("&"))
        }
    };
    let reply = send(world, replica, Method::PUT, &target, Some(content)).await;
    match &reply {
        Ok(reply) if reply.status == StatusCode::CREATED => {
            world.count("pushes acknowledged");
            for (tag, was_burnt) in tags.iter().zip(burnt) {
                world.was_acknowledged(&tag.key, &content.digest);
                if was_burnt {
                    world.breaks("INV-8", format!("{} was deleted and is pushed again", tag.key));
                }
            }
        }
        Ok(reply) if reply.status == StatusCode::CONFLICT => {
            world.count("pushes refused");
            refused(world, tags, &reply.text());
        }
        Ok(reply) if reply.status.is_server_error() => world.count("pushes undecided"),
        Ok(_) => world.count("pushes rejected by the registry"),
        Err(_) => world.count("pushes without an answer"),
    }
    reply
}

/// Reads what a refusal says of the tag that it names.
fn refused(world: &World, tags: &[&TagPlan], text: &str) {
    let Some(tag) = tags.iter().find(|tag| text.contains(&format!("tag {} is", tag.key))) else { return };
    if text.contains("it was deleted on") {
        world.was_told_burnt(&tag.key);
    }
    let named = world.plan.contents.iter().find(|content| text.contains(&format!("it means {}", content.digest.short())));
    if let Some(content) = named {
        world.was_told(&tag.key, &content.digest, "a refusal");
    }
}

pub async fn pull(world: &World, replica: &str, tag: &TagPlan, method: &Method) -> Result<Reply, String> {
    let reply = send(world, replica, method.clone(), &format!("manifests/{}", tag.key.tag.as_str()), None).await;
    if let Ok(Reply { status: StatusCode::OK, body, digest }) = &reply {
        world.count("pulls answered");
        let said = digest.as_deref().and_then(|digest| Digest::parse(digest).ok());
        let found = if *method == Method::GET { Some(Digest::of(Algorithm::Sha256, body)) } else { said.clone() };
        if said.is_none() || said != found {
            world.breaks("INV-11", format!("a pull of {} says {said:?} and brings {found:?}", tag.key));
        }
        if let Some(found) = found {
            world.was_told(&tag.key, &found, PULL);
        }
    }
    reply
}

async fn delete_tag(world: &World, replica: &str, tag: &TagPlan) {
    let reply = send(world, replica, Method::DELETE, &format!("manifests/{}", tag.key.tag.as_str()), None).await;
    if reply.is_ok_and(|reply| reply.status == StatusCode::ACCEPTED) {
        world.count("tags deleted");
        if !tag.may_go {
            world.breaks("INV-12", format!("{} was deleted", tag.key));
        }
        world.was_told_burnt(&tag.key);
    }
}

async fn delete_manifest(world: &World, replica: &str, content: &Content) {
    let reply = send(world, replica, Method::DELETE, &format!("manifests/{}", content.digest.as_str()), None).await;
    if reply.is_ok_and(|reply| reply.status == StatusCode::ACCEPTED) {
        world.count("manifests deleted");
    }
}

async fn send(world: &World, replica: &str, method: Method, target: &str, content: Option<&Content>) -> Result<Reply, String> {
    let what = format!("{method} {}", target.get(..30).unwrap_or(target));
    let what = content.map_or(what.clone(), |content| format!("{what} with {}", content.digest.short()));
    world.say("client", format!("{what} to {replica}"));
    let reply = match timeout(PATIENCE, exchange(replica, method, target, content)).await {
        Ok(reply) => reply.map_err(|cause| cause.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    match &reply {
        Ok(reply) => world.say("client", format!("{what} to {replica} -> {} {}", reply.status.as_u16(), reply.text())),
        Err(cause) => world.say("client", format!("{what} to {replica} -> {cause}")),
    }
    reply
}

async fn exchange(
    replica: &str,
    method: Method,
    target: &str,
    content: Option<&Content>,
) -> Result<Reply, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect((replica, PORT)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::builder().method(method).uri(format!("/v2/{REPOSITORY}/{target}")).header(HOST, replica);
    request = match content {
        Some(content) => request.header(CONTENT_TYPE, content.media_type),
        None => request.header(ACCEPT, "*/*"),
    };
    let body = content.map(|content| content.bytes.clone()).unwrap_or_default();
    let answer = sender.send_request(request.body(Full::new(body))?).await?;
    let (head, body) = answer.into_parts();
    let digest = head.headers.get("docker-content-digest").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Reply { status: head.status, body: body.collect().await?.to_bytes(), digest })
}
