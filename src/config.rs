//! The configuration: `raw` mirrors the file, `valid` is what runs, and
//! `diagnostic` shows every mistake in between.

pub mod valid;
