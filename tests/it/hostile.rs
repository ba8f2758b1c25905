//! Requests that try to get past the gate.

mod corpus;
mod differential;
