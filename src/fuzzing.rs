//! What must hold whatever bytes come: one check for each fuzz target.
//!
//! A check panics where its promise is broken. `fuzz/` feeds the checks with what
//! libFuzzer makes up, and the tests with the corpus; see `docs/FUZZING.md`. Each
//! compares with a reading of its own that is plain, slow and written apart from
//! the code it judges.

pub mod challenge;
pub mod location;
pub mod manifest;
pub mod policy_file;
pub mod request_target;
pub mod server_config;
pub mod wire;

/// What a target does with one input.
pub type Check = fn(&[u8]);

/// Every target by the name it has in `fuzz/`.
pub const TARGETS: [(&str, Check); 7] = [
    ("challenge", challenge::check),
    ("location", location::check),
    ("manifest", manifest::check),
    ("policy_file", policy_file::check),
    ("request_target", request_target::check),
    ("server_config", server_config::check),
    ("wire", wire::check),
];

/// The first line, and what comes behind it; nothing where there is no line end.
fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, b""),
    }
}

#[cfg(test)]
mod tests;
