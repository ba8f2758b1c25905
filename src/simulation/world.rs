//! What all hosts of a simulation share: the books of who did what, and the state that
//! outlives a restart, as a disk does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;

use super::dice::Dice;
use super::engine::Engine;
use super::flaw::Flaw;
use super::judge::Told;
use super::judge_log::Moves;
use super::plan::{LEDGER, Plan, REPLICAS, repository};
use super::registry::Stored;
use super::remote::Call;
use crate::ledger::{Record, TagKey};

pub struct World {
    pub plan: Plan,
    pub flaw: Option<Flaw>,
    pub stored: Mutex<Stored>,
    pub told: Mutex<Told>,
    moves: Mutex<Moves>,
    /// Whether the faults are over.
    pub is_calm: AtomicBool,
    pub running_clients: AtomicU64,
    seed: u64,
    engines: Mutex<Vec<Arc<Engine>>>,
    starts_of_the_ledger: AtomicU64,
    calls: Mutex<Calls>,
    registry_dice: Mutex<Dice>,
    ledger_dice: Mutex<Dice>,
    log: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: BTreeMap<u64, Call>,
}

impl World {
    pub fn new(seed: u64, plan: Plan, flaw: Option<Flaw>) -> Arc<Self> {
        let engines = if flaw == Some(Flaw::LedgerOfItsOwn) { plan.replicas.len() } else { 1 };
        let engines = (0..engines).map(|_| Arc::new(if plan.sqlite { Engine::sqlite() } else { Engine::memory() })).collect();
        Arc::new(Self {
            flaw,
            stored: Mutex::new(Stored::of_plan(&plan)),
            told: Mutex::default(),
            moves: Mutex::default(),
            is_calm: AtomicBool::new(false),
            running_clients: AtomicU64::new(plan.clients.len() as u64),
            seed,
            engines: Mutex::new(engines),
            starts_of_the_ledger: AtomicU64::new(0),
            calls: Mutex::default(),
            registry_dice: Mutex::new(Dice::new(seed, "registry")),
            ledger_dice: Mutex::new(Dice::new(seed, "ledger")),
            log: Mutex::default(),
            counts: Mutex::default(),
            plan,
        })
    }

    pub fn moves(&self) -> std::sync::MutexGuard<'_, Moves> {
        self.moves.lock().expect("the moves")
    }

    /// Dice for one user of them.
    pub fn dice(&self, of: &str) -> Dice {
        Dice::new(self.seed, of)
    }

    pub fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// Writes a line into the log.
    pub fn say(&self, who: &str, what: String) {
        let now = turmoil::sim_elapsed().unwrap_or_default().as_millis();
        self.log.lock().expect("the log").push(format!("{now:>6} {who}: {what}"));
    }

    pub fn count(&self, what: &'static str) {
        *self.counts.lock().expect("the counts").entry(what).or_default() += 1;
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().expect("the log"))
    }

    pub fn take_counts(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.counts.lock().expect("the counts"))
    }

    /// The engine that a replica's calls reach.
    pub fn engine(&self, replica: &str) -> Arc<Engine> {
        let engines = self.engines.lock().expect("the engines");
        let own = REPLICAS.iter().position(|name| *name == replica).unwrap_or_default();
        Arc::clone(engines.get(own).unwrap_or(&engines[0]))
    }

    /// Every row of every engine; there is one engine but where a flaw adds some.
    pub fn rows(&self) -> Vec<BTreeMap<TagKey, Record>> {
        use futures_util::FutureExt;
        let engines = self.engines.lock().expect("the engines").clone();
        let rows_of = |engine: Arc<Engine>| {
            let records = engine.ask(|ledger| async move { ledger.records(&repository()).await }.boxed()).expect("the rows");
            records.into_iter().map(|(tag, record)| (TagKey { repository: repository(), tag }, record)).collect()
        };
        engines.into_iter().map(rows_of).collect()
    }

    /// The host of the ledger has started, for the first time or again.
    pub fn ledger_starts(&self) {
        self.say(LEDGER, "starts".to_owned());
        let is_first = self.starts_of_the_ledger.fetch_add(1, Ordering::Relaxed) == 0;
        let mut engines = self.engines.lock().expect("the engines");
        if !is_first && self.flaw == Some(Flaw::LedgerComesBackEmpty) {
            *engines = vec![Arc::new(Engine::memory())];
        } else if !is_first {
            engines.iter().for_each(|engine| engine.reopen());
        }
    }

    /// How long the ledger waits before and after it carries out a call.
    pub fn ledger_pauses(&self) -> (Duration, Duration) {
        let mut dice = self.ledger_dice.lock().expect("the dice");
        let mut pause = || {
            let is_slow = !self.is_calm() && dice.in_thousand(30);
            Duration::from_millis(if is_slow { dice.between(20, 1_500) } else { 0 })
        };
        (pause(), pause())
    }

    pub fn registry_dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.registry_dice.lock().expect("the dice"))
    }

    /// How far a replica's clock is ahead.
    pub fn skew(&self, replica: &str) -> SignedDuration {
        let throw = self.dice(replica).below(4_000);
        SignedDuration::from_millis(i64::try_from(throw).expect("a number") - 2_000)
    }

    /// Keeps a call until its message arrives; its number.
    pub fn sent(&self, call: Call) -> u64 {
        let mut calls = self.calls.lock().expect("the calls");
        calls.last += 1;
        let number = calls.last;
        calls.waiting.insert(number, call);
        number
    }

    pub fn arrived(&self, number: u64) -> Option<Call> {
        self.calls.lock().expect("the calls").waiting.remove(&number)
    }
}
