//! The tag policy: ordered rules, first match decides. Pure: no input or output.
#[derive(Debug)]
pub struct Policy;
