//! `pushonce completions` and `pushonce man`: what a shell and `man` know of the commands,
//! made from the commands themselves.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, Ended};

#[derive(clap::Subcommand, Debug)]
pub(super) enum Manual {
    /// Print what completes the commands in a shell
    #[command(after_help = "Examples:\n  pushonce completions bash > /etc/bash_completion.d/pushonce\n  \
                            pushonce completions zsh > /usr/local/share/zsh/site-functions/_pushonce")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a manual page for each command
    #[command(after_help = "Example:\n  pushonce man --directory /usr/local/share/man/man1")]
    Man {
        /// Where they are written; it has to exist
        #[arg(long, value_name = "DIRECTORY", default_value = ".")]
        directory: PathBuf,
    },
}

pub(super) fn run(manual: Manual) -> Result<String, Ended> {
    match manual {
        Manual::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "pushonce", &mut script);
            String::from_utf8(script).map_err(|cause| Ended::failed(&cause))
        }
        Manual::Man { directory } => {
            let cannot = |cause| Ended::Failed(format!("{}: the pages cannot be written: {cause}", directory.display()));
            clap_mangen::generate_to(Arguments::command(), &directory).map_err(cannot)?;
            Ok(told(&directory))
        }
    }
}

fn told(directory: &Path) -> String {
    format!("the pages are in {}: `man {}` shows the first\n", directory.display(), directory.join("pushonce.1").display())
}
