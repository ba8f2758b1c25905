//! Notices that files have changed, by looking at them: that works behind symbolic links,
//! as Kubernetes swaps them, and on file systems that tell nobody of changes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files as they were at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen(Vec<(PathBuf, Stamp)>);

/// What changes when a file is written or put in another's place.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stamp {
    There { device: u64, inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64) },
    Unseen(io::ErrorKind),
}

/// What was read, and what was seen last.
#[derive(Debug)]
pub(super) struct Watch {
    read: Seen,
    last: Seen,
}

impl Seen {
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (Stamp::of(&path), path)).map(|(stamp, path)| (path, stamp)).collect())
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::There {
                device: found.dev(),
                inode: found.ino(),
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            },
            Err(cause) => Self::Unseen(cause.kind()),
        }
    }
}

impl Watch {
    pub(super) fn new(read: Seen) -> Self {
        Self { last: read.clone(), read }
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.read.0.iter().map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn into_seen(self) -> Seen {
        self.read
    }

    /// The files are as `seen` from now on.
    pub(super) fn read(&mut self, seen: Seen) {
        *self = Self::new(seen);
    }

    /// Whether the files differ from those that were read, and are as they were at the
    /// last look: a file that is still being written is not read.
    pub(super) fn rests_changed(&mut self, seen: &Seen) -> bool {
        let rests = *seen == self.last;
        self.last.clone_from(seen);
        rests && *seen != self.read
    }

    /// The names of the files that changed, for people.
    pub(super) fn changed(&self, seen: &Seen) -> String {
        let changed = seen.0.iter().filter(|file| !self.read.0.contains(file));
        changed.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_read_once_it_rests() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("policy.toml");
        fs::write(&file, "a").expect("written");
        let look = || Seen::of(vec![file.clone()]);
        let mut watch = Watch::new(look());
        assert!(!watch.rests_changed(&look()), "nothing has changed");
        fs::write(&file, "ab").expect("written");
        assert!(!watch.rests_changed(&look()), "it may be written still");
        assert_eq!(watch.changed(&look()), file.display().to_string());
        fs::write(&file, "abc").expect("written");
        assert!(!watch.rests_changed(&look()), "it was written still");
        assert!(watch.rests_changed(&look()));
        watch.read(look());
        assert!(!watch.rests_changed(&look()), "it was read");
        fs::remove_file(&file).expect("removed");
        assert!(!watch.rests_changed(&look()) && watch.rests_changed(&look()), "that it is gone is a change");
    }

    #[test]
    fn a_link_that_is_swapped_is_a_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).expect("a directory");
            fs::write(at(version).join("policy.toml"), "same").expect("written");
        }
        symlink("1", at("..data")).expect("linked");
        symlink("..data/policy.toml", at("policy.toml")).expect("linked");
        let look = || Seen::of(vec![at("policy.toml")]);
        let mut watch = Watch::new(look());
        symlink("2", at("..next")).expect("linked");
        fs::rename(at("..next"), at("..data")).expect("swapped");
        assert!(!watch.rests_changed(&look()) && watch.rests_changed(&look()));
    }
}
