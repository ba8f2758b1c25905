//! The file as it is written: a table with spans, read key by key.
//!
//! A reader asks a [`Section`] for its keys. What is wrong goes into the [`Report`]
//! and reads as absent, so that one mistake never hides another.

mod value;

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use super::environment::{Environment, variable_name};
use super::words::{self, Mistake, did_you_mean};
pub(super) use value::{Text, kind_name};

/// Every section of the server file with its keys; the first has no header.
pub const KEYS: &[(&str, &[&str])] = &[
    ("", &["listen"]),
    (
        "server",
        &[
            "header_timeout",
            "body_idle_timeout",
            "drain_timeout",
            "header_limit",
            "manifest_limit",
            "max_connections",
            "max_streams",
            "max_resets",
            "max_uploads",
            "tls_certificate",
            "tls_key",
            "tls_client_ca",
            "tls_client_crl",
            "trust_forwarded",
            "passthrough",
        ],
    ),
    (
        "upstream",
        &[
            "url",
            "name",
            "ca_file",
            "client_certificate",
            "client_key",
            "username",
            "password",
            "password_file",
            "preserve_host",
            "tag_case",
            "connect_timeout",
            "response_timeout",
            "manifest_timeout",
            "idle_connections",
            "idle_timeout",
        ],
    ),
    ("ledger", &["url", "password_file", "pool_size", "timeout", "witness", "reconcile_interval"]),
    ("admin", &["listen", "token_file", "exceptions_token_file"]),
    ("release_log", &["origin", "signing_key_file", "checkpoint_file"]),
    ("policy", &["file"]),
    ("audit", &["interval", "repair", "concurrency"]),
    ("pulls", &["when_ledger_is_down", "drift_check_interval"]),
    ("log", &["format", "filter"]),
    ("reload", &["interval"]),
];

/// The keys of each `[[webhook]]`.
pub const WEBHOOK_KEYS: &[&str] = &["name", "url", "secret_file", "outcomes", "repositories", "ca_file", "timeout"];

const A_LIST: &str = "a list of strings";

/// Collects mistakes and warnings.
#[derive(Default)]
pub(super) struct Report(RefCell<Vec<Diagnostic>>);

impl Report {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    /// In the order of the text, file by file, variables first.
    pub(super) fn into_diagnostics(self) -> Diagnostics {
        let mut diagnostics = self.0.into_inner();
        let files: Vec<String> = diagnostics.iter().filter_map(|diagnostic| file_of(diagnostic).map(str::to_owned)).collect();
        diagnostics.sort_by_key(|diagnostic| match &diagnostic.place {
            Place::Text { span, .. } => {
                (files.iter().position(|file| file_of(diagnostic) == Some(file)).map(|at| at + 1), span.start)
            }
            Place::Variable { .. } => (None, 0),
            Place::File(_) => (Some(0), 0),
        });
        Diagnostics::from(diagnostics)
    }
}

fn file_of(diagnostic: &Diagnostic) -> Option<&str> {
    if let Place::Text { source, .. } = &diagnostic.place { Some(&source.name) } else { None }
}

/// A parsed file.
pub(super) struct Document<'a> {
    pub(super) source: Arc<Source>,
    pub(super) table: DeTable<'a>,
    /// Lines that are no TOML: what else is wrong in them is not worth telling.
    broken: Vec<Range<usize>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(source: &'a Arc<Source>, report: &Report) -> Self {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let mut broken = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            broken.push(line_around(&source.text, &span));
            let place = Place::Text { source: source.clone(), span };
            let label = error.message().lines().next().unwrap_or_default().to_owned();
            report.push(Diagnostic::new(place, "this is not TOML").label(label));
        }
        Self { source: source.clone(), table: table.into_inner(), broken }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::Text { source: self.source.clone(), span }
    }

    /// Whether the file is TOML throughout.
    pub(super) fn is_whole(&self) -> bool {
        self.broken.is_empty()
    }

    /// Values that the parser made up have an empty span.
    fn is_broken(&self, span: &Range<usize>) -> bool {
        let overlaps = |line: &Range<usize>| span.start < line.end && line.start < span.end;
        !self.is_whole() && (span.is_empty() || self.broken.iter().any(overlaps))
    }
}

fn line_around(text: &str, span: &Range<usize>) -> Range<usize> {
    let (before, after) = (text.get(..span.start).unwrap_or(text), text.get(span.end..).unwrap_or_default());
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    start..after.find('\n').map_or(text.len(), |newline| span.end + newline)
}

/// A table of the file under the name of its header.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) document: &'a Document<'a>,
    table: Option<&'a DeTable<'a>>,
    header: Option<&'a Spanned<DeValue<'a>>>,
    environment: Option<&'a Environment<'a>>,
    report: &'a Report,
}

impl<'a> Section<'a> {
    /// The keys before the first header.
    pub(super) fn top(document: &'a Document<'a>, environment: Option<&'a Environment<'a>>, report: &'a Report) -> Self {
        Self { name: "", document, table: Some(&document.table), header: None, environment, report }
    }

    /// A table inside this one; where it is missing it has no keys.
    pub(super) fn section(&self, name: &'a str, known: &[&str]) -> Self {
        let value = self.value(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            let message = format!("`{name}` is a {}, not a section", kind_name(value.get_ref()));
            self.report
                .push(Diagnostic::new(self.document.place(value.span()), message).hint(format!("write `[{name}]` on a line")));
        }
        let section = Self { name, table, header: value, ..*self };
        section.refuse_unknown(known);
        section
    }

    /// The tables of a list, such as every `[[rule]]`; `plural` is what they are together.
    pub(super) fn items(&self, name: &str, plural: &str) -> &'a [Spanned<DeValue<'a>>] {
        let Some(value) = self.value(name) else { return &[] };
        match value.get_ref() {
            DeValue::Array(list) if list.iter().all(|item| item.get_ref().is_table()) => list,
            other => {
                let message = format!("`{name}` is a {}, not a list of {plural}", kind_name(other));
                let hint = format!("write `[[{name}]]`, with two brackets, before the keys of each {name}");
                self.report.push(Diagnostic::new(self.document.place(value.span()), message).hint(hint));
                &[]
            }
        }
    }

    /// One of them. No variable overrides its keys: it has no name of its own.
    pub(super) fn item(&self, name: &'a str, value: &'a Spanned<DeValue<'a>>, known: &[&str]) -> Self {
        let section = Self { name, table: value.get_ref().as_table(), header: Some(value), environment: None, ..*self };
        section.refuse_unknown(known);
        section
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.table?.iter().find(|(name, _)| name.get_ref() == key);
        found.map(|(_, value)| value).filter(|value| !self.document.is_broken(&value.span()))
    }

    pub(super) fn header_place(&self) -> Place {
        match self.header {
            Some(header) => self.document.place(header.span()),
            None => Place::File(self.document.source.name.clone().into()),
        }
    }

    pub(super) fn refuse_unknown(&self, known: &[&str]) {
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) || self.document.is_broken(&key.span()) {
                continue;
            }
            let elsewhere = KEYS.iter().find(|(section, keys)| *section != self.name && keys.contains(&name));
            let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| match elsewhere {
                Some((section, _)) if self.environment.is_some() && !section.is_empty() => {
                    format!("`{name}` belongs under `[{section}]`")
                }
                _ => format!("known here: {}", known.join(", ")),
            });
            let message = format!("`{}` is no key of the configuration", self.full_name(name));
            self.report.push(Diagnostic::new(self.document.place(key.span()), message).label("unknown key").hint(hint));
        }
    }

    /// A key of the server file as people write it: `upstream.url`.
    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn variable(&self, key: &str) -> Option<(&'a str, &'a str)> {
        self.environment.and_then(|environment| environment.get(self.name, key))
    }

    /// Whether `key` has a value, right or wrong.
    pub(super) fn is_given(&self, key: &str) -> bool {
        let stands_in_table = self.table.is_some_and(|table| table.iter().any(|(name, _)| name.get_ref() == key));
        stands_in_table || self.variable(key).is_some()
    }

    /// Says that `key` is missing, unless a mistake explains why.
    pub(super) fn missing(&self, key: &str, example: &str) {
        if self.is_given(key) || !self.document.is_whole() {
            return;
        }
        let or_variable = self.environment.map(|_| format!(", or set {}", variable_name(self.name, key))).unwrap_or_default();
        let under =
            if self.header.is_none() && !self.name.is_empty() { format!(" under `[{}]`", self.name) } else { String::new() };
        let diagnostic = Diagnostic::new(self.header_place(), format!("`{}` is missing", self.full_name(key)));
        self.report.push(diagnostic.label(format!("has no `{key}`")).hint(format!("write `{example}`{under}{or_variable}")));
    }

    /// Where the value of `key` was written, if it was.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        self.text(key).map(|text| text.place)
    }

    fn mistake(&self, key: &str, text: &Text<'_>, mistake: Mistake) {
        let mut diagnostic = Diagnostic::new(text.place_of(mistake.span), format!("`{}` {}", self.full_name(key), mistake.message));
        diagnostic.label = mistake.label;
        diagnostic.hint = mistake.hint;
        self.report.push(diagnostic);
    }

    /// `is` is what the value is instead, where that can be told.
    fn wrong_type(&self, key: &str, place: Place, is: Option<String>, wanted: &str) {
        let is = is.map(|is| format!("{is}, ")).unwrap_or_default();
        let message = format!("`{}` is {is}not {wanted}", self.full_name(key));
        let mut diagnostic = Diagnostic::new(place, message).label(format!("should be {wanted}"));
        if wanted == A_LIST {
            diagnostic = diagnostic.hint(r#"write strings in brackets, such as `["a", "b"]`"#);
        }
        self.report.push(diagnostic);
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Option<Text<'a>> {
        if let Some((name, value)) = self.variable(key) {
            return Some(Text::of_variable(name, value));
        }
        Text::of_value(self.document, self.value(key)?)
    }

    /// A string that `read` understands.
    pub(super) fn read<T>(&self, key: &str, read: impl FnOnce(&str) -> Result<T, Mistake>) -> Option<T> {
        let Some(text) = self.text(key) else {
            let value = self.value(key)?;
            let is = format!("a {}", kind_name(value.get_ref()));
            let place = self.document.place(value.span());
            self.wrong_type(key, place, Some(is), "a string in quotes");
            return None;
        };
        read(&text.value).map_err(|mistake| self.mistake(key, &text, mistake)).ok()
    }

    /// A word of a fixed set.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.read(key, |text| words::word(text, words))
    }

    pub(super) fn duration(&self, key: &str, shortest: Duration) -> Option<Duration> {
        self.read(key, |text| words::duration(text, shortest))
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let (place, found) = match self.variable(key) {
            Some((name, value)) => (Text::of_variable(name, value).place, value.parse().ok()),
            None => {
                let value = self.value(key)?;
                (self.document.place(value.span()), value.get_ref().as_bool())
            }
        };
        if found.is_none() {
            let is_in_file = matches!(place, Place::Text { .. });
            let is = self.value(key).filter(|_| is_in_file).map(|value| format!("a {}", kind_name(value.get_ref())));
            self.wrong_type(key, place, is, "true or false");
        }
        found
    }

    /// A whole number in `range`.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<usize>) -> Option<usize> {
        let (place, found) = match self.variable(key) {
            Some((name, value)) => (Text::of_variable(name, value).place, value.parse().ok()),
            None => {
                let value = self.value(key)?;
                let number = value.get_ref().as_integer();
                let found = number.and_then(|number| usize::from_str_radix(number.as_str(), number.radix()).ok());
                (self.document.place(value.span()), found)
            }
        };
        let found = found.filter(|number| range.contains(number));
        if found.is_none() {
            let message = format!("`{}` is not a whole number from {} to {}", self.full_name(key), range.start(), range.end());
            self.report.push(Diagnostic::new(place, message).label("out of range, or no whole number"));
        }
        found
    }

    /// A list of strings that `read` understands, and where the list is; `None`
    /// where it is absent or some of it is wrong.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, Mistake>) -> Option<(Vec<T>, Place)> {
        let (texts, place) = match self.variable(key) {
            Some((name, value)) => (value::list_of_variable(name, value), Text::of_variable(name, value).place),
            None => {
                let value = self.value(key)?;
                (value::list_of_value(self.document, value), self.document.place(value.span()))
            }
        };
        let texts = match texts {
            Ok(texts) => texts,
            Err(wrong) => {
                self.wrong_type(key, wrong.place, wrong.is, A_LIST);
                return None;
            }
        };
        let values: Vec<Option<T>> =
            texts.iter().map(|text| read(&text.value).map_err(|mistake| self.mistake(key, text, mistake)).ok()).collect();
        Some((values.into_iter().collect::<Option<Vec<T>>>()?, place))
    }
}
