//! What diagnostics do not show: passwords, wherever somebody wrote one, and
//! credentials in URLs. Positions stay as they are.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::policy_file::{KEYS as POLICY_KEYS, RULE_KEYS};
use super::raw::KEYS;

/// Known keys under which a secret may stand. A user name counts, since many write
/// `user:password` there, and so do files for what some write in place of the path.
const SECRET: [&str; 5] = ["username", "password", "password_file", "tls_key", "client_key"];

/// Parts of names under which people keep secrets.
const TELLING: [&str; 8] = ["pass", "pwd", "secret", "token", "cred", "auth", "user", "key"];

/// How many letters of `password` may be wrong before it is another word.
const MOST_SLIPS: usize = 3;

static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("[A-Za-z0-9_-]+").ok());
static USER_INFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"//[^\s"'`]*@|[^\s"'`/:=@]+:(?:[^/\s"'`]|/[^/\s"'`])[^\s"'`]*@"#).ok());

/// Passwords among the options of a URL.
static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"[?&](?:ssl)?pass(?:word|file)?=([^&\s"'`#]*)"#).ok());

/// Whether what stands under a key, or in a variable, may be a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.rsplit("__").next().unwrap_or(key).to_ascii_lowercase();
    if SECRET.contains(&key.as_str()) {
        return true;
    }
    let is_known = KEYS.iter().any(|(section, keys)| *section == key || keys.contains(&key.as_str()))
        || POLICY_KEYS.contains(&key.as_str())
        || RULE_KEYS.contains(&key.as_str());
    !is_known && (TELLING.iter().any(|part| key.contains(part)) || strsim::damerau_levenshtein(&key, "password") <= MOST_SLIPS)
}

/// A file as diagnostics show it, every secret byte replaced by an asterisk.
pub(super) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let (table, _) = DeTable::parse_recoverable(text);
    mask_values(table.get_ref(), &mut bytes);
    for range in secrets_of_lines(text).into_iter().chain(user_infos(text)) {
        cover(&mut bytes, range);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// A message as diagnostics show it.
pub(super) fn without_user_info(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    user_infos(text).into_iter().for_each(|range| cover(&mut bytes, range));
    String::from_utf8(bytes).unwrap_or_default()
}

/// Values of any kind, also over several lines.
fn mask_values(table: &DeTable<'_>, bytes: &mut [u8]) {
    for (key, value) in table {
        if is_secret(key.get_ref()) {
            cover(bytes, value.span());
        } else {
            mask_inside(value, bytes);
        }
    }
}

fn mask_inside(value: &Spanned<DeValue<'_>>, bytes: &mut [u8]) {
    match value.get_ref() {
        DeValue::Table(table) => mask_values(table, bytes),
        DeValue::Array(items) => items.iter().for_each(|item| mask_inside(item, bytes)),
        _ => {}
    }
}

/// What follows a telling name on its line, for lines that are no TOML; a string of
/// several lines to its end.
fn secrets_of_lines(text: &str) -> Vec<Range<usize>> {
    let Some(word) = &*WORD else { return std::iter::once(0..text.len()).collect() };
    let mut secrets = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let names = word.find_iter(line).filter(|name| {
            let begins = !line[..name.start()].trim_start().contains([' ', '\t']);
            begins || line[name.end()..].trim_start_matches(['"', '\'', ' ', '\t', ']']).starts_with(['=', ':'])
        });
        let mut names = names.filter(|name| is_secret(name.as_str()));
        if let Some(name) = names.next() {
            let rest = start + name.end();
            let quotes = ["\"\"\"", "'''"].into_iter().find(|quotes| line[name.end()..].matches(quotes).count() == 1);
            let end = match quotes.and_then(|quotes| Some((quotes, text[rest..].find(quotes)? + rest + quotes.len()))) {
                Some((quotes, inside)) => end_of_line(text, text[inside..].find(quotes).map_or(text.len(), |end| inside + end)),
                None => start + line.len(),
            };
            secrets.push(rest..end);
        }
        start += line.len();
    }
    secrets
}

fn end_of_line(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |end| from + end)
}

/// `user:password` before an `@`, and passwords among options.
fn user_infos(text: &str) -> Vec<Range<usize>> {
    let Some(user_info) = &*USER_INFO else { return Vec::new() };
    let found = user_info.find_iter(text);
    let found = found.map(|found| found.start() + found.as_str().bytes().take_while(|byte| *byte == b'/').count()..found.end() - 1);
    let options = OPTION.iter().flat_map(|option| option.captures_iter(text)).filter_map(|found| Some(found.get(1)?.range()));
    found.chain(options).collect()
}

fn cover(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).into_iter().flatten() {
        if !byte.is_ascii_whitespace() && !b"=\"'[]{}".contains(byte) {
            *byte = b'*';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_in_place() {
        for (text, shown) in [
            ("password = \"hunter2\"\nlisten = 1\n", "password = \"*******\"\nlisten = 1\n"),
            ("pasword = hunter2", "pasword = *******"),
            ("password: hunter2 # mine", "password* ******* * ****"),
            ("upstream = { url = \"http://a\", password = 'é' }", "upstream = { url = \"http://a\", password = '**' }"),
            ("password = \"\"\"\nhunter2\nx\"\"\"\nurl = \"b\"", "password = \"\"\"\n*******\n*\"\"\"\nurl = \"b\""),
            ("password = [\n  'hunter2',\n]", "password = [\n  '*******'*\n]"),
            ("url = \"http://ada:hunter2@host/\"", "url = \"http://***********@host/\""),
            ("url = \"ada:hunter2@host\"", "url = \"***********@host\""),
            ("url = \"postgres://db/a?password=hunter2&b\"", "url = \"postgres://db/a?password=*********\""),
            ("url = \"postgres://ada@db/a?b=c&sslpassword=hunter2\"", "url = \"postgres://***@db/a?b=c&sslpassword=*******\""),
            ("url = \"postgres://ada:a/b?c@db/a\"", "url = \"postgres://*********@db/a\""),
            ("[server]\npassthrough = [\"/token\"]\n", "[server]\npassthrough = [\"/token\"]\n"),
            ("upstream.password 'hunter2'", "upstream.password '*******'"),
            ("password_file = \"hunter2\"", "password_file = \"*******\""),
            ("tls_key = \"key.pem\"", "tls_key = \"*******\""),
            ("ca_file = \"ca.pem\"", "ca_file = \"ca.pem\""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn options_of_a_url_are_covered_in_messages() {
        let shown = "no postgres://db/a?password=*******&b=c, but `a?b&sslpassword=*******`";
        assert_eq!(without_user_info(&shown.replace("*******", "hunter2")), shown);
    }

    #[test]
    fn the_default_files_have_no_secret() {
        for text in [include_str!("../../config/pushonce.toml"), include_str!("../../config/policy.toml")] {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let covered = masked(text);
            let shown = covered.lines().zip(text.lines()).filter(|(_, line)| !line.starts_with('#')).map(|(shown, _)| shown);
            assert_eq!(shown.collect::<Vec<_>>(), lines.collect::<Vec<_>>());
        }
    }
}
