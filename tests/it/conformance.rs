//! Every endpoint of the distribution-spec, asked of a registry directly and through
//! the proxy: both answer the same, header by header and byte by byte, except where
//! the policy forbids. A row that differs says why.
//!
//! The rows have the numbers of the specification's table, "Endpoints".

mod discovery;
mod management;
mod negotiation;
mod pair;
mod pull;
mod push;
mod refusals;
