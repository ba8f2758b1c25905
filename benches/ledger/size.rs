//! What a claim costs in a grown ledger, and what a tag takes on the disk.
//!
//! The small ledger and the large one take turns, so that whatever else the machine
//! does weighs on both; the ratio is the median over all turns.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::engines;
use super::fill::{FEW, many};
use super::pushes;

const TURNS: usize = 41;
const PUSHES: u64 = 200;

pub fn compare(runtime: &Runtime) {
    let many = many();
    println!("\n| engine | tags | bytes per tag | claim and confirm | cost against {FEW} tags |");
    println!("|---|---|---|---|---|");
    for start in engines::ALL {
        let (small, large) = (start(runtime, FEW), start(runtime, many));
        let (mut of_small, mut of_large, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let few = runtime.block_on(pushes(Arc::clone(&small.ledger), 1, PUSHES));
            let full = runtime.block_on(pushes(Arc::clone(&large.ledger), 1, PUSHES));
            ratios.push(full.as_secs_f64() / few.as_secs_f64());
            of_small.push(few);
            of_large.push(full);
        }
        ratios.sort_by(f64::total_cmp);
        let row = |tags: u64, bytes: u64, times: &mut Vec<Duration>, ratio: f64| {
            times.sort_unstable();
            let micros = times[times.len() / 2].as_secs_f64() * 1e6 / PUSHES as f64;
            println!("| {} | {tags} | {} | {micros:.0} µs | {ratio:.2} |", small.name, bytes / tags);
        };
        row(FEW, small.bytes, &mut of_small, 1.0);
        row(many, large.bytes, &mut of_large, ratios[TURNS / 2]);
    }
}
