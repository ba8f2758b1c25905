//! The tables of docs/PERFORMANCE.md, and its plots.

mod aims;
mod plot;

use std::fmt::Write as _;
use std::path::Path;

use super::load::Metric;
use super::peer::Subject;
use super::results::{Results, Spread};

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Every row with everything that was measured of it.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    for row in results.rows() {
        let metrics = results.metrics(row);
        let compared: Vec<(Metric, Subject)> = metrics.iter().flat_map(|metric| comparisons(results, row, *metric)).collect();
        let heads = metrics.iter().map(|metric| metric.name().to_owned());
        let ratios = compared.iter().map(|(metric, base)| format!("{} ÷ {base}", metric.name()));
        let heads: Vec<String> = heads.chain(ratios).collect();
        let _ = writeln!(text, "\n#### {row}\n\n| | {} |\n|---|{}", heads.join(" | "), "---:|".repeat(heads.len()));
        for subject in results.subjects(row) {
            let own = metrics.iter().map(|metric| results.spread(row, subject, *metric));
            let ratios = compared
                .iter()
                .map(|(metric, base)| results.ratio((row, subject), (row, *base), *metric).filter(|_| subject != *base));
            let cells: Vec<String> = own.chain(ratios).map(|spread| spread.map_or(String::new(), cell)).collect();
            let _ = writeln!(text, "| {subject} | {} |", cells.join(" | "));
        }
    }
    text
}

/// Whom a row is compared with: what a proxy costs with nginx, and how long clients wait
/// with no proxy at all.
fn comparisons(results: &Results, row: &str, metric: Metric) -> Vec<(Metric, Subject)> {
    let bases: &[Subject] = match metric {
        Metric::CpuPerGib | Metric::CpuPerRequest | Metric::Memory => &[Subject::Nginx],
        Metric::Throughput | Metric::Rate => &[Subject::Nginx, Subject::Direct],
        Metric::Median | Metric::Push | Metric::Pull => &[Subject::Direct],
        Metric::Slowest | Metric::Time => &[],
    };
    let subjects = results.subjects(row);
    bases.iter().filter(|base| subjects.contains(base)).map(|base| (metric, *base)).collect()
}

/// A median with its spread, to three digits.
fn cell(spread: Spread) -> String {
    format!("{} ({}–{})", number(spread.median), number(spread.low), number(spread.high))
}

fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Puts the tables between the marks of docs/PERFORMANCE.md, and the plots beside it.
pub fn write(results: &Results, rounds: usize) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let file = docs.join("PERFORMANCE.md");
    let before = std::fs::read_to_string(&file).expect("docs/PERFORMANCE.md");
    let (head, rest) = before.split_once(BEGIN).expect("the first mark");
    let (_, tail) = rest.split_once(END).expect("the last mark");
    let mut text = format!("{head}{BEGIN}\n\n{}", machine(rounds));
    text += &aims::table(results);
    for plot in plot::ALL {
        std::fs::write(docs.join(plot.file), plot.draw(results)).expect("a plot");
        let _ = write!(text, "\n### {}\n\n![{}]({})\n", plot.title, plot.description, plot.file);
    }
    let _ =
        write!(text, "\n### All figures\n\nMedians, with the lowest and the highest round in parentheses.\n{}", tables(results));
    text += &format!("\n{END}{tail}");
    std::fs::write(&file, text).expect("docs/PERFORMANCE.md");
}

/// What was measured on, and which versions.
fn machine(rounds: usize) -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpu =
        read("/proc/cpuinfo").lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let versions: Vec<String> = [
        ("/usr/sbin/nginx", "-v"),
        ("/usr/sbin/haproxy", "-v"),
        (super::peer::ENVOY, "--version"),
        ("docker-registry", "--version"),
        ("/usr/sbin/dockerd", "--version"),
    ]
    .into_iter()
    .filter_map(|(program, argument)| version(program, argument))
    .collect();
    format!(
        "{cores} cores of {}, Linux {}; {rounds} rounds, each a turn of everybody. {}; pushonce {}.\n\n",
        cpu.unwrap_or_else(|| "an unknown processor".to_owned()),
        kernel.trim(),
        versions.join("; "),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The name of a program with the first word of its answer that looks like a version.
fn version(program: &str, argument: &str) -> Option<String> {
    let ran = std::process::Command::new(program).arg(argument).output().ok()?;
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    let words = said.split(|letter: char| letter.is_whitespace() || "/,".contains(letter));
    let is_version =
        |word: &&str| word.trim_start_matches('v').starts_with(|letter: char| letter.is_ascii_digit()) && word.contains('.');
    let name = Path::new(program).file_name()?.to_str()?;
    words.filter(is_version).map(|word| format!("{name} {word}")).next()
}
