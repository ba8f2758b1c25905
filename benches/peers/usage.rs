//! What a program and its children use: CPU seconds, memory, descriptors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A program with its children, such as nginx with its workers.
#[derive(Clone, Debug)]
pub struct Tree(Vec<u32>);

impl Tree {
    pub fn of(pid: u32) -> Self {
        let mut tree = BTreeSet::from([pid]);
        loop {
            let children = processes().filter(|(_, parent)| tree.contains(parent)).map(|(pid, _)| pid);
            let grown: BTreeSet<u32> = children.chain(tree.iter().copied()).collect();
            if grown.len() == tree.len() {
                return Self(tree.into_iter().collect());
            }
            tree = grown;
        }
    }

    /// CPU seconds since the start, user and system together, as the scheduler counts
    /// them in nanoseconds.
    pub fn cpu(&self) -> f64 {
        let nanos = |task: &Path| -> u64 {
            let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        let tasks = self.0.iter().flat_map(|pid| entries(&format!("/proc/{pid}/task")));
        tasks.map(|task| nanos(&task)).sum::<u64>() as f64 / 1e9
    }

    /// How many files and connections are open.
    pub fn descriptors(&self) -> usize {
        self.0.iter().map(|pid| entries(&format!("/proc/{pid}/fd")).len()).sum()
    }

    /// MiB in memory; what several processes share counts once.
    pub fn memory(&self) -> f64 {
        let kib = |pid: &u32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
        };
        self.0.iter().map(kib).sum::<u64>() as f64 / 1024.0
    }
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    entries("/proc").into_iter().filter_map(|entry| {
        let pid = entry.file_name()?.to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.join("stat")).ok()?;
        // The name stands in parentheses and may hold anything.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
}

fn entries(directory: &str) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
