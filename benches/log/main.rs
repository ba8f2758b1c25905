//! How long the questions to a grown release log take: `make bench-log`.
//!
//! The log is that of the embedded ledger, ten million events without EVENTS. The questions
//! are asked as the second listener asks them; then as whole commands.

mod fill;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::Criterion;
use pushonce::ledger::Ledger;
use pushonce::ledger::event::Outcome;
use pushonce::ledger::log::Filter;
use pushonce::ledger::sqlite::SqliteLedger;
use pushonce::oci::RepositoryName;
use pushonce::questions::{self, Cursor, Resolution};
use tokio::runtime::Runtime;

use self::fill::{ALIKE, alike, at, digest, key, many, releases, repository};

const PAGE: usize = 50;

fn bench(criterion: &mut Criterion, runtime: &Runtime, ledger: &dyn Ledger, events: u64) {
    let name = repository(7);
    let name = RepositoryName::parse(&name).expect("a name");
    let (middle, end) = (at(events / 2), at(events));
    let release = releases(events) / 2;
    let mut group = criterion.benchmark_group(format!("{events} events"));
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));

    macro_rules! ask {
        ($what:expr, $question:expr, $found:expr) => {
            group.bench_function($what, |bench| {
                bench.to_async(runtime).iter(|| async {
                    let answer = $question.await.expect("an answer");
                    assert!($found(&answer), "{}: {answer:?}", $what);
                })
            });
        };
    }
    let means = |resolution: &Resolution| matches!(resolution, Resolution::Means(_));
    let (hot, cold) = (key(name.as_str(), "latest"), key(name.as_str(), "never"));
    let version = key(name.as_str(), &format!("1.{}.{}", release / 10, release % 10));
    ask!("resolve a release", questions::resolve(ledger, &version, None), means);
    ask!("resolve latest", questions::resolve(ledger, &hot, None), means);
    ask!("resolve latest, at a time in the middle", questions::resolve(ledger, &hot, Some(middle)), means);
    ask!("resolve a tag that never was", questions::resolve(ledger, &cold, Some(middle)), |answer: &Resolution| !means(answer));

    let was_latest = digest(7, release);
    ask!("whatis a digest that was latest", questions::whatis(ledger, &was_latest), |known: &questions::Known| known.tags.len()
        == 5);
    let alike = alike();
    let many_tags = |known: &questions::Known| known.tags.len() as u64 == ALIKE;
    ask!("whatis a digest of 5,000 tags", questions::whatis(ledger, &alike), many_tags);

    let whole = |page: &questions::Page| !page.entries.is_empty();
    let mut page = |what: &str, filter: Filter, after: Option<Cursor>| {
        ask!(format!("a page of the log: {what}"), questions::history(ledger, &filter, after, PAGE), whole);
    };
    let all = Filter::default;
    let of_repository = || Filter { repository: Some(name.clone()), ..all() };
    let of_tag = || Filter { tag: Some(hot.tag.clone()), ..of_repository() };
    page("everything", all(), None);
    page("everything, from the middle on", all(), Some(Cursor { at: middle, number: events / 2 }));
    page("a repository", of_repository(), None);
    page("a repository, from the middle on", of_repository(), Some(Cursor { at: middle, number: events / 2 }));
    page("a tag", of_tag(), None);
    page("refusals", Filter { outcome: Some(Outcome::Refused), ..all() }, None);
    page("refusals of a repository", Filter { outcome: Some(Outcome::Refused), ..of_repository() }, None);
    page("between two times", Filter { since: Some(at(events / 4)), until: Some(middle), ..of_repository() }, None);

    group.sample_size(10);
    ask!("releases of a repository", questions::releases(ledger, &name), |found: &questions::Releases| !found.releases.is_empty());
    let changed = |found: &Vec<questions::Difference>| !found.is_empty();
    ask!("diff of two times", questions::diff(ledger, &name, (middle, end)), changed);
    let month = at(events.saturating_sub(30 * 24 * 60 * 6));
    ask!("the chart of 30 days", ledger.counts(month, end, 24 * 60 * 60 * 1_000), |counts: &Vec<_>| !counts.is_empty());
    group.finish();
}

/// The same as whole commands: the median of several runs, from the start of the process to
/// its end.
fn commands(directory: &Path, events: u64) {
    let config = "upstream.url = \"http://127.0.0.1:1\"\nledger.url = \"sqlite:ledger.db\"\npolicy.file = \"policy.toml\"\n";
    std::fs::write(directory.join("pushonce.toml"), config).expect("a file");
    std::fs::write(directory.join("policy.toml"), "").expect("a file");
    let (latest, moment) = (format!("{}:latest", repository(7)), at(events / 2).to_string());
    let digest = digest(7, releases(events) / 2).to_string();
    println!("\n| command, {events} events | median |\n|---|---|");
    for arguments in [vec!["--version"], vec!["resolve", &latest, "--at", &moment], vec!["whatis", &digest], vec!["log", &latest]] {
        let mut times: Vec<Duration> = (0..15)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_pushonce"));
                command.args(&arguments).current_dir(directory);
                if arguments.len() > 1 {
                    command.args(["--config", "pushonce.toml"]);
                }
                let begun = Instant::now();
                let output = command.output().expect("the program");
                assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("| {} | {:.1} ms |", arguments[0], times[times.len() / 2].as_secs_f64() * 1e3);
    }
}

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let mut criterion = Criterion::default().configure_from_args();
    let (events, directory) = (many(), tempfile::tempdir().expect("a directory"));
    let file = directory.path().join("ledger.db");
    drop(SqliteLedger::open(&file, "default").expect("a new ledger"));
    let begun = Instant::now();
    fill::fill(&file, events);
    let bytes = file.metadata().expect("the ledger's file").len();
    println!("{events} events in {:.0} s, {} bytes for each", begun.elapsed().as_secs_f64(), bytes / events);
    let ledger = SqliteLedger::open(&file, "default").expect("a filled ledger");
    bench(&mut criterion, &runtime, &ledger, events);
    criterion.final_summary();
    drop(ledger);
    commands(directory.path(), events);
}
