//! Result to exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushonce::cli::run(std::env::args_os(), &pushonce::cli::environment())
}
