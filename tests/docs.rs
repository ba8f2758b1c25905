//! The documents tell the truth: links lead somewhere, examples are run, and the
//! tables of metrics, log fields, exit codes and invariants are those of the code.

mod docs {
    pub mod architecture;
    pub mod examples;
    pub mod http;
    pub mod links;
    pub mod markdown;
    pub mod monitoring;
    pub mod operations;
    pub mod story;
}
