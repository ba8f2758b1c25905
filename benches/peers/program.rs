//! Programs that a run starts.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::Process;

/// A program that is asked to end when it is dropped, so that it ends its own children:
/// the workers of nginx would outlive a master that was killed.
pub struct Program(Process);

impl Program {
    /// Starts `command`; `package` is the Debian package that brings it.
    pub fn start(command: Command, package: &str, log: &Path) -> Self {
        Self(Process::spawn(command, package, log))
    }
}

impl Deref for Program {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.terminate(Duration::from_secs(15));
    }
}
