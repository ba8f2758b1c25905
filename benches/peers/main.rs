//! pushonce beside nginx, haproxy and Envoy, and beside nothing at all.
//!
//! `make bench` measures everybody in turn, round after round, so that whatever else the
//! machine does weighs on all of them, and writes the tables and plots of
//! docs/PERFORMANCE.md. `ROUNDS=1 ROWS=manifest` tries a few rows without writing
//! anything; `TAGS` is how large the large ledger is.

#[path = "../../tests/it/harness/certificates.rs"]
mod certificates;
mod client;
#[expect(dead_code, reason = "the benchmark of the ledger uses the rest of it")]
#[path = "../ledger/fill.rs"]
mod fill;
mod load;
mod peer;
#[path = "../../tests/it/harness/ports.rs"]
mod ports;
#[path = "../../tests/it/harness/process.rs"]
mod process;
mod program;
mod report;
mod results;
mod rows;
mod sink;
mod soak;
mod usage;
mod world;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use self::peer::Peer;
use self::results::Results;
use self::rows::{Behind, Row, Run, Turn};
use self::world::{Server, World};

/// As many as make a median that one odd round cannot move.
const ROUNDS: usize = 5;

/// Compares, or with the word `soak` as its argument runs one load for long.
fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "soak") {
        return soak::run();
    }
    let rounds = setting("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let wanted = setting("ROWS");
    let rows: Vec<&Row> =
        rows::all().into_iter().filter(|row| wanted.as_ref().is_none_or(|part| row.name.contains(part))).collect();
    assert!(!rows.is_empty(), "no row has {wanted:?} in its name");
    let world = World::new();
    let mut results = Results::default();
    let turns = rows.iter().map(|row| row.subjects.len() * rounds).sum::<usize>();
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {elapsed}/{duration}").expect("a template");
    let bar = ProgressBar::new(turns as u64).with_style(style);
    for group in groups(&rows) {
        let stage = Stage::set(&world, &group);
        for round in 0..rounds {
            for row in &group {
                let turn = Turn { row: rows.iter().position(|other| other.name == row.name).unwrap_or_default(), round };
                for subject in row.subjects {
                    bar.set_message(format!("{}: {subject}", row.name));
                    let figures = match row.run {
                        Run::Through(_, run) => run(&world, stage.peer(*subject), turn),
                        Run::Fresh(run) => run(&Peer::start(*subject, world.files.address, None, world.place.path())),
                        Run::Alone(run) => run(&world, *subject),
                    };
                    results.add(row.name, *subject, &figures);
                    bar.inc(1);
                }
            }
        }
        // Whatever is cut off later, what was measured is kept.
        if wanted.is_none() {
            report::write(&results, rounds);
        }
    }
    bar.finish_and_clear();
    rows::stop();
    print!("{}", report::tables(&results));
    ExitCode::SUCCESS
}

/// The rows in the order in which they run: those behind the same server together, since
/// their proxies run beside each other, and the others one by one.
fn groups<'a>(rows: &[&'a Row]) -> Vec<Vec<&'a Row>> {
    let behind = |row: &Row| match row.run {
        Run::Through(behind, _) => Some(behind),
        Run::Fresh(_) | Run::Alone(_) => None,
    };
    let together = Behind::ALL.map(|group| rows.iter().copied().filter(|row| behind(row) == Some(group)).collect::<Vec<_>>());
    let alone = rows.iter().copied().filter(|row| behind(row).is_none()).map(|row| vec![row]);
    together.into_iter().filter(|group| !group.is_empty()).chain(alone).collect()
}

/// A server with every proxy of a group before it.
struct Stage {
    peers: Vec<Peer>,
    _registry: Option<Server>,
}

impl Stage {
    fn set(world: &World, group: &[&Row]) -> Self {
        let Some(Run::Through(behind, _)) = group.first().map(|row| row.run) else {
            return Self { peers: Vec::new(), _registry: None };
        };
        let registry = match behind {
            Behind::Registry => Some(world::registry(world.memory.path())),
            Behind::RegistryOnDisk => Some(world::registry(world.place.path())),
            _ => None,
        };
        let (upstream, tls) = match behind {
            Behind::Files => (world.files.address, None),
            Behind::FilesTls => (world.files.address, Some(&world.certificate)),
            Behind::Sink => (world.sink, None),
            Behind::SinkTls => (world.sink, Some(&world.certificate)),
            Behind::Registry | Behind::RegistryOnDisk => (registry.as_ref().expect("a registry").address, None),
        };
        let mut subjects: Vec<_> = group.iter().flat_map(|row| row.subjects).copied().collect();
        subjects.sort_unstable();
        subjects.dedup();
        let peers = subjects.into_iter().map(|subject| Peer::start(subject, upstream, tls, world.place.path())).collect();
        Self { peers, _registry: registry }
    }

    fn peer(&self, subject: peer::Subject) -> &Peer {
        self.peers.iter().find(|peer| peer.subject == subject).expect("everybody of the group was started")
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark has no command line of its own")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
