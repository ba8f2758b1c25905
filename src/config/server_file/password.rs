//! Passwords and tokens that stand in files of their own.

use std::path::Path;

use secrecy::SecretString;

use super::{ReadFile, Role};
use crate::config::diagnostic::Diagnostic;
use crate::config::raw::{Report, Section};
use crate::config::words;

/// The secret in the file under `key`, if there is one. `written` is
/// where else a password of this section stands: two are a mistake.
pub(in crate::config) fn in_file(
    (section, key): (&Section<'_>, &str),
    directory: &Path,
    written: Option<&str>,
    files: ReadFile<'_>,
    report: &Report,
) -> Option<SecretString> {
    let file = section.read(key, words::path).map(|file| directory.join(file));
    let place = section.place_of(key).unwrap_or_else(|| section.header_place());
    let full = format!("{}.{key}", section.name);
    if let Some(written) = written.filter(|_| section.is_given(key)) {
        let message = format!("`{full}` stands beside `{written}`");
        let message = if written.ends_with(".url") { message + ", which has a password" } else { message };
        report.push(Diagnostic::new(place, message).label("a second password").hint("keep one of the two"));
        return None;
    }
    let source = files(&file?, Role::Secret(&full), place.clone(), report)?;
    let password = source.text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        let diagnostic = Diagnostic::new(place, format!("the file that `{full}` names is empty"));
        let what = if key == "password_file" { "password" } else { "secret" };
        report.push(diagnostic.hint(format!("write the {what} into the file, on one line")));
        return None;
    }
    Some(SecretString::from(password))
}
