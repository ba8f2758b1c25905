//! A model of the claim protocol, explored to the last state.

mod delete;
mod flaw;
mod invariants;
mod ledger;
mod protocol;
mod pull;
mod push;
mod report;
mod witness;
mod world;

use std::time::Instant;

use stateright::{Checker, Model};

use self::protocol::{Deletes, Protocol};

#[test]
fn explore() {
    let configs: Vec<(&str, Box<dyn Fn() -> Protocol>)> = vec![
        ("1 all", Box::new(|| Protocol { pulls: true, deletes: Deletes::Allow, release: true, ..Protocol::of(1) })),
        ("2 deny", Box::new(|| Protocol { pulls: true, deletes: Deletes::Deny, ..Protocol::of(2) })),
        ("2 allow", Box::new(|| Protocol { pulls: true, deletes: Deletes::Allow, ..Protocol::of(2) })),
        ("2 allow+release", Box::new(|| Protocol { pulls: true, deletes: Deletes::Allow, release: true, ..Protocol::of(2) })),
        ("3 push+pull+release", Box::new(|| Protocol { pulls: true, release: true, ..Protocol::of(3) })),
        ("3 push+pull+meddling", Box::new(|| Protocol { pulls: true, meddling: true, ..Protocol::of(3) })),
        ("3 push+pull+release+backup", Box::new(|| Protocol { pulls: true, release: true,backup:true, ..Protocol::of(3) })),
    ];
    for (name, make) in configs {
        let start = Instant::now();
        let checker = Protocol{symmetric: !name.starts_with("2"), ..make()}.checker().threads(1).spawn_bfs().join();
        println!("{}", report::explored(name, &checker, start.elapsed()));
        for (name, path) in checker.discoveries() {
            println!("  BROKEN {name}\n{}", report::counterexample(path));
        }
    }
}
