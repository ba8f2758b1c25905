//! Passwords that stand in files of their own.

use std::path::Path;

use secrecy::SecretString;

use super::{ReadFile, Role};
use crate::config::diagnostic::Diagnostic;
use crate::config::raw::{Report, Section};
use crate::config::words;

/// The password in the file under `password_file`, if there is one. `written` is
/// where else a password of this section stands: two are a mistake.
pub(super) fn in_file(
    section: &Section<'_>,
    directory: &Path,
    written: Option<&str>,
    files: ReadFile<'_>,
    report: &Report,
) -> Option<SecretString> {
    let file = section.read("password_file", words::path).map(|file| directory.join(file));
    let key = format!("{}.password_file", section.name);
    let place = section.place_of("password_file").unwrap_or_else(|| section.header_place());
    if let Some(written) = written.filter(|_| section.is_given("password_file")) {
        let message = format!("`{key}` stands beside `{written}`");
        let message = if written.ends_with(".url") { message + ", which has a password" } else { message };
        report.push(Diagnostic::new(place, message).label("a second password").hint("keep one of the two"));
        return None;
    }
    let source = files(&file?, Role::Password(section.name), place.clone(), report)?;
    let password = source.text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        let diagnostic = Diagnostic::new(place, format!("the file that `{key}` names is empty"));
        report.push(diagnostic.hint("write the password into the file, on one line"));
        return None;
    }
    Some(SecretString::from(password))
}
