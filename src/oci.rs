//! The words of the OCI distribution specification, parsed.
//!
//! A value of these types has passed the grammar of the specification, so the
//! rest of the code never meets a name that a registry could read differently.

pub mod error;
mod json;
pub mod manifest;
pub mod name;
pub mod reference;
pub mod tag_case;
mod text;
pub(crate) mod words;

pub use error::{ErrorCode, error_body};
pub use name::RepositoryName;
pub use reference::{Algorithm, Digest, Reference, Tag};
pub use tag_case::TagCase;
