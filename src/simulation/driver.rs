//! Runs the world of one seed to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use turmoil::Sim;

use super::flaw::Flaw;
use super::plan::{CALM, Fault, FaultPlan, LEDGER, Plan, REGISTRY};
use super::world::World;
use super::{client, judge, registry, remote, replica};
use crate::clock::drawn;

/// How virtual time moves.
const TICK: Duration = Duration::from_millis(5);

/// What landed late has landed, and the reconcilers have walked, so long after the
/// last request, in milliseconds.
const SETTLED: u64 = 6_000;

/// And so long after it at most, where a claim is still open.
const SETTLED_AT_MOST: u64 = 30_000;

/// How a seed ended.
#[derive(Debug)]
pub struct Outcome {
    pub broken: Vec<String>,
    pub log: Vec<String>,
    pub counts: BTreeMap<&'static str, u64>,
}

pub fn run(seed: u64, flaw: Option<Flaw>) -> Outcome {
    run_plan(seed, Plan::new(seed), flaw)
}

pub fn run_plan(seed: u64, plan: Plan, flaw: Option<Flaw>) -> Outcome {
    let world = World::new(seed, plan, flaw);
    let mut ids = world.dice("ids");
    drawn::from(Some(Box::new(move || ids.next())));
    let mut sim = build(seed, &world);
    play(&mut sim, &world);
    drop(sim);
    drawn::from(None);
    let broken = std::mem::take(&mut world.told.lock().expect("what was told").broken);
    Outcome { broken, log: world.take_log(), counts: world.take_counts() }
}

fn build(seed: u64, world: &Arc<World>) -> Sim<'static> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .enable_random_order()
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(world.plan.slowest)
        .fail_rate(world.plan.loss)
        .repair_rate(0.3)
        .tcp_capacity(4_096)
        .build();
    let shared = Arc::clone(world);
    sim.host(REGISTRY, move || registry::host(Arc::clone(&shared)));
    let shared = Arc::clone(world);
    sim.host(LEDGER, move || remote::host(Arc::clone(&shared)));
    for &name in world.plan.replicas {
        let shared = Arc::clone(world);
        sim.host(name, move || replica::host(Arc::clone(&shared), name));
    }
    for &name in world.plan.clients {
        sim.client(name, client::run(Arc::clone(world), name));
    }
    sim
}

fn play(sim: &mut Sim<'_>, world: &Arc<World>) {
    let mut faults = events(&world.plan.faults);
    let (mut settling, is_judged) = (None, Arc::new(AtomicBool::new(false)));
    let mut is_judging = false;
    while !is_judged.load(Ordering::Relaxed) {
        sim.step().expect("no host fails");
        let now = u64::try_from(sim.elapsed().as_millis()).expect("a time");
        let are_done = world.running_clients.load(Ordering::Relaxed) == 0;
        if !world.is_calm() {
            if are_done || now >= CALM {
                calm(sim, world);
            } else {
                while let Some((_, begins, fault)) = faults.pop_if(|(at, _, _)| *at <= now) {
                    let verb = if begins { "begins" } else { "ends" };
                    world.say("fault", format!("{now} {verb}: {fault:?}"));
                    apply(sim, world, &fault, begins);
                }
            }
        }
        if are_done && world.is_calm() && !is_judging {
            let since = *settling.get_or_insert(now);
            let is_settled = now - since > SETTLED && world.finishable().is_empty();
            if is_settled || now - since > SETTLED_AT_MOST {
                is_judging = true;
                let (world, is_judged) = (Arc::clone(world), Arc::clone(&is_judged));
                sim.client("judge", async move {
                    judge::judge(world).await;
                    is_judged.store(true, Ordering::Relaxed);
                    Ok(())
                });
            }
        }
    }
}

/// When faults begin and end, the last one first.
fn events(faults: &[FaultPlan]) -> Vec<(u64, bool, Fault)> {
    let mut events: Vec<(u64, bool, Fault)> = Vec::new();
    for FaultPlan { at, lasts, fault } in faults {
        events.push((*at, true, fault.clone()));
        events.push((at + lasts, false, fault.clone()));
    }
    events.sort_by_key(|(at, begins, _)| (std::cmp::Reverse(*at), *begins));
    events
}

fn apply(sim: &mut Sim<'_>, world: &World, fault: &Fault, begins: bool) {
    if begins {
        world.count(match fault {
            Fault::Cut(..) | Fault::CutOneWay(..) => "links cut",
            Fault::Hold(..) => "links held",
            Fault::Stop(_) => "hosts stopped",
        });
    }
    match (fault, begins) {
        (Fault::Cut(one, other), true) => sim.partition(*one, *other),
        (Fault::CutOneWay(one, other), true) => sim.partition_oneway(*one, *other),
        (Fault::Hold(one, other), true) => sim.hold(*one, *other),
        (Fault::Cut(one, other) | Fault::CutOneWay(one, other) | Fault::Hold(one, other), false) => sim.release(*one, *other),
        (Fault::Stop(host), true) => stop(sim, world, host),
        (Fault::Stop(host), false) => sim.bounce(*host),
    }
}

/// Stops a host as a machine that loses its power: it says goodbye to nobody. (A
/// runtime drops its tasks in an order that counts how many tasks the whole process has
/// had before; what they would say then must not reach the network.)
fn stop(sim: &mut Sim<'_>, world: &World, host: &'static str) {
    let others = || [REGISTRY, LEDGER].iter().chain(world.plan.replicas).chain(world.plan.clients).filter(|other| **other != host);
    others().for_each(|other| sim.partition(host, *other));
    sim.crash(host);
    others().for_each(|other| sim.release(host, *other));
}

/// Ends every fault.
fn calm(sim: &mut Sim<'_>, world: &World) {
    world.say("fault", "all of them end".to_owned());
    world.is_calm.store(true, Ordering::Relaxed);
    sim.set_fail_rate(0.0);
    sim.set_max_message_latency(Duration::from_millis(10));
    for &replica in world.plan.replicas {
        for &other in [REGISTRY, LEDGER].iter().chain(world.plan.clients) {
            sim.release(replica, other);
        }
    }
    for &host in [REGISTRY, LEDGER].iter().chain(world.plan.replicas) {
        if !sim.is_host_running(host) {
            sim.bounce(host);
        }
    }
}
