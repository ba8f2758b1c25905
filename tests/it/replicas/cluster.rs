//! The replicas of a run: each with a link before it and one to whatever it needs.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::api::Api;
use crate::harness::http::Endpoint;
use crate::harness::random::Seeded;
use crate::harness::{Link, Postgres, Pushonce, Weather};

use super::plan::{POLICY, Plan};

/// How often somebody looks whether a replica has been killed.
const WATCH: Duration = Duration::from_millis(10);

/// How long a replica may take to come back when all else is well.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Cluster {
    replicas: Vec<Replica>,
    links: Vec<Link>,
    is_over: AtomicBool,
    kills: Mutex<BTreeMap<String, usize>>,
}

struct Replica {
    process: Mutex<Pushonce>,
    /// Whether somebody else than its failpoint has killed it.
    killed: AtomicBool,
    /// What `FAILPOINTS` says from the next start on, and after that.
    failpoints: Mutex<Vec<Option<String>>>,
    through_link: Api,
    directly: Api,
}

impl Cluster {
    /// Replicas on one ledger in `database`; without, each has a file of its own.
    pub fn start(plan: &Plan, registry: &Api, database: Option<&Postgres>) -> Self {
        let mut links = Vec::new();
        let mut link = |target: &str, turns: usize| {
            let choices = Seeded::new(plan.seed, links.len() as u64);
            let link = Link::to(target, Weather { percent: plan.percent, turns }, choices);
            let address = link.address();
            links.push(link);
            address
        };
        let mut replicas = Vec::new();
        for [first, second] in &plan.failpoints {
            let to_registry = link(registry.address(), 8);
            let mut builder = Pushonce::in_front_of(&format!("http://{to_registry}")).policy(POLICY).unready();
            for setting in SETTINGS {
                builder = builder.setting(setting);
            }
            if let Some(database) = database {
                let to_database = link(&format!("127.0.0.1:{}", database.port()), 30);
                let url = format!("postgres://postgres@{to_database}/postgres?sslmode=disable");
                builder = builder.setting("ledger.timeout = \"1s\"").environment("PUSHONCE_LEDGER__URL", &url);
            }
            if let Some(first) = first {
                builder = builder.environment("FAILPOINTS", first);
            }
            let process = Mutex::new(builder.start());
            let directly = (**process.lock().expect("a replica")).clone();
            let through_link = Api::new(Endpoint::plain(&link(directly.address(), 1)), "");
            let failpoints = Mutex::new(vec![None, second.clone()]);
            replicas.push(Replica { process, killed: AtomicBool::new(false), failpoints, through_link, directly });
        }
        links.iter().for_each(Link::unleash);
        Self { replicas, links, is_over: AtomicBool::new(false), kills: Mutex::default() }
    }

    /// A replica as its clients reach it.
    pub fn replica(&self, number: usize) -> &Api {
        &self.replicas[number].through_link
    }

    /// Waits until somebody listens there, for a while: what asks the dead learns nothing.
    pub fn wait_for(&self, number: usize) {
        let deadline = Instant::now() + Duration::from_secs(3);
        while TcpStream::connect(self.replicas[number].directly.address()).is_err() && Instant::now() < deadline {
            thread::sleep(WATCH);
        }
    }

    /// The same without a link before it.
    pub fn directly(&self, number: usize) -> &Api {
        &self.replicas[number].directly
    }

    pub fn count_kill(&self, what: &str) {
        *self.kills.lock().expect("the count").entry(what.to_owned()).or_default() += 1;
    }

    /// SIGKILL; it is started again by [`Self::keep_alive`].
    pub fn kill(&self, number: usize) {
        let replica = &self.replicas[number];
        let mut process = replica.process.lock().expect("a replica");
        if process.has_ended() {
            return;
        }
        replica.killed.store(true, Ordering::Relaxed);
        process.kill9();
        self.count_kill("kill -9");
    }

    /// Starts killed replicas again until the run is over; `point` is what kills them.
    pub fn keep_alive(&self, point: &str) {
        while !self.is_over.load(Ordering::Relaxed) {
            for replica in &self.replicas {
                replica.keep_alive(|| self.count_kill(point));
            }
            thread::sleep(WATCH);
        }
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// No link breaks any more, no failpoint kills, and every replica runs.
    pub fn heal(&self) {
        self.links.iter().for_each(Link::heal);
        for replica in &self.replicas {
            let mut process = replica.process.lock().expect("a replica");
            process.set_environment("FAILPOINTS", None);
            let deadline = Instant::now() + PATIENCE;
            while !process.try_restart() {
                assert!(Instant::now() < deadline, "a replica does not start again:\n{}", process.log());
            }
        }
    }

    /// What has happened to links and processes, and what the replicas logged.
    pub fn faults(&self) -> BTreeMap<&'static str, usize> {
        let mut faults = BTreeMap::new();
        for (name, count) in self.links.iter().flat_map(Link::injected) {
            *faults.entry(name).or_default() += count;
        }
        faults
    }

    pub fn kills(&self) -> BTreeMap<String, usize> {
        self.kills.lock().expect("the count").clone()
    }

    pub fn logs(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.process.lock().expect("a replica").log()).collect()
    }

    /// The file of a replica's own ledger.
    pub fn ledger_file(&self, number: usize) -> PathBuf {
        self.replicas[number].process.lock().expect("a replica").directory().join("ledger.db")
    }
}

/// Short enough that what is late is given up, and what is left open is finished soon.
const SETTINGS: [&str; 7] = [
    "upstream.connect_timeout = \"1s\"",
    "upstream.response_timeout = \"1s\"",
    "upstream.manifest_timeout = \"1s\"",
    "ledger.reconcile_interval = \"150ms\"",
    "pulls.when_ledger_is_down = \"refuse\"",
    "pulls.drift_check_interval = \"100ms\"",
    "server.drain_timeout = \"10s\"",
];

impl Replica {
    fn keep_alive(&self, by_failpoint: impl FnOnce()) {
        let mut process = self.process.lock().expect("a replica");
        if !process.has_ended() {
            return;
        }
        if process.was_killed() {
            if !self.killed.swap(false, Ordering::Relaxed) {
                by_failpoint();
            }
            let next = self.failpoints.lock().expect("the failpoints").pop().flatten();
            process.set_environment("FAILPOINTS", next.as_deref());
        }
        // Where it does not start, since what it needs is away, the next look tries again.
        process.try_restart();
    }
}
