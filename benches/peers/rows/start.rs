//! From the start of the program to its first answer.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pushonce::ledger::sqlite::SqliteLedger;

use super::{Row, Run::Alone, STARTED};
use crate::client::Target;
use crate::fill;
use crate::load::{Figures, Metric};
use crate::peer::{Subject, answers, command};
use crate::ports::free_port;
use crate::program::Program;
use crate::world::World;

pub const ROWS: &[Row] = &[
    Row { name: "start to first answer", subjects: STARTED, run: Alone(|world, subject| start(world, subject, None)) },
    Row {
        name: "start to first answer, full ledger",
        subjects: &[Subject::Pushonce],
        run: Alone(|world, subject| start(world, subject, Some(full(world)))),
    },
];

/// A ledger with as many tags as `TAGS` says, ten million without; filled once.
fn full(world: &World) -> &'static Path {
    static FULL: OnceLock<PathBuf> = OnceLock::new();
    FULL.get_or_init(|| {
        let file = world.place.path().join("full.db");
        drop(SqliteLedger::open(&file, "default").expect("a new ledger"));
        fill::sqlite(&file, fill::many());
        file
    })
}

fn start(world: &World, subject: Subject, ledger: Option<&Path>) -> Figures {
    let port = free_port();
    let directory = world.place.path().join(format!("start-{port}"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let ledger = ledger.map_or_else(|| directory.join("pushonce.db"), Path::to_owned);
    let command = command(subject, world.files.address, None, &directory, &ledger, port);
    let target = Target { address: ([127, 0, 0, 1], port).into(), tls: None };
    let begun = Instant::now();
    let mut process = Program::start(command, "nginx", &directory.join("log"));
    loop {
        if answers(&target).is_some() {
            break;
        }
        assert!(process.ended().is_none() && begun.elapsed() < Duration::from_secs(60), "{subject}:\n{}", process.output());
        std::thread::sleep(Duration::from_micros(200));
    }
    let elapsed = begun.elapsed().as_secs_f64();
    // A ledger is held by one process: the next start must find it free.
    drop(process);
    vec![(Metric::Time, elapsed)]
}
