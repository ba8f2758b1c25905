//! An error and what lies behind it, in one line.

use std::error::Error;

/// Joins an error and its sources with `: `, leaving out what an outer one says
/// already.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text += ": ";
            text += &more;
        }
        source = cause.source();
    }
    text
}
