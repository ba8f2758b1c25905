//! A replica of pushonce: the real gate and its reconciler, made anew at each start.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::uri::{Authority, Scheme};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use turmoil::net::TcpListener;

use super::plan::REGISTRY;
use super::remote::RemoteLedger;
use super::world::World;
use crate::clock::Clock;
use crate::config::valid;
use crate::gate::{CurrentGate, Gate, GateParts, Peer, Reconciler};
use crate::metrics::Metrics;
use crate::oci::TagCase;
use crate::policy::{Delete, Mutability, Policy, Rule};
use crate::upstream::Upstream;

pub const PORT: u16 = 5000;

/// The pause of the reconciler.
const INTERVAL: Duration = Duration::from_millis(1_000);

/// The time of the simulation, which some hosts read wrongly.
#[derive(Debug)]
struct SkewedClock {
    ahead: SignedDuration,
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_800_000_000).expect("a time");
        let passed = turmoil::sim_elapsed().unwrap_or_default();
        let passed = SignedDuration::from_millis(i64::try_from(passed.as_millis()).expect("a duration"));
        start.checked_add(passed + self.ahead).expect("a time")
    }
}

/// The host of a replica.
pub async fn host(world: Arc<World>, replica: &'static str) -> turmoil::Result {
    world.say(replica, "starts".to_owned());
    let current = Arc::new(CurrentGate::new(gate(&world, replica)));
    tokio::spawn(Reconciler::new(Arc::clone(&current), INTERVAL, CancellationToken::new()).run());
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, address) = listener.accept().await?;
        let current = Arc::clone(&current);
        let service = service_fn(move |request: Request<Incoming>| {
            let gate = current.get();
            async move { Ok::<_, Infallible>(gate.serve(request, Peer { address: address.ip(), secure: false }).await) }
        });
        tokio::spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
    }
}

fn gate(world: &Arc<World>, replica: &'static str) -> Gate {
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let server = server();
    let pulls =
        valid::Pulls { when_ledger_is_down: world.plan.when_ledger_is_down, drift_check_interval: Duration::from_secs(3_600) };
    let upstream = Upstream::new(upstream(), &server, Arc::clone(&metrics)).expect("an upstream");
    Gate::new(GateParts {
        policy: Arc::new(policy()),
        ledger: Arc::new(RemoteLedger { world: Arc::clone(world), replica }),
        registry: REGISTRY.to_owned(),
        upstream,
        clock: Arc::new(SkewedClock { ahead: world.skew(replica) }),
        metrics,
        tasks: TaskTracker::new(),
        server: &server,
        pulls: &pulls,
        who: "pushonce".to_owned(),
    })
}

/// `1.0.0` and the like stay; `rc-1` and the like may be deleted.
fn policy() -> Policy {
    let releases = Rule::new("releases", &[], &["semver:x.y.z"], Mutability::Immutable).expect("a rule");
    let previews = Rule::new("previews", &[], &["rc-*"], Mutability::Immutable).expect("a rule");
    Policy::new(vec![releases, Rule { delete: Delete::Allow, ..previews }], Mutability::Mutable).expect("a policy")
}

fn upstream() -> valid::Upstream {
    valid::Upstream {
        scheme: Scheme::HTTP,
        authority: Authority::from_static("registry:5001"),
        prefix: String::new(),
        name: REGISTRY.to_owned(),
        ca_file: None,
        identity: None,
        service: None,
        preserve_host: false,
        tag_case: TagCase::Keep,
        connect_timeout: Duration::from_millis(1_000),
        response_timeout: Duration::from_millis(1_500),
        manifest_timeout: Duration::from_millis(2_500),
        idle_connections: 8,
        idle_timeout: Duration::from_secs(5),
    }
}

fn server() -> valid::Server {
    valid::Server {
        header_timeout: Duration::from_secs(5),
        body_idle_timeout: Duration::from_secs(5),
        manifest_limit: 1 << 20,
        drain_timeout: Duration::from_secs(5),
        trust_forwarded: false,
        tls: None,
        header_limit: 1 << 16,
        max_connections: 1_000,
        max_streams: 100,
        max_resets: 20,
        max_uploads: 100,
        passthrough: Vec::new(),
    }
}
