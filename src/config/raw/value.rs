//! Single values, from the file or from a variable.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::Document;
use crate::config::diagnostic::Place;

/// A string and where it was written.
pub(in crate::config) struct Text<'a> {
    pub(in crate::config) value: Cow<'a, str>,
    pub(in crate::config) place: Place,
    /// Whether the file shows the string as it is, between one quote on each side.
    is_verbatim: bool,
}

/// A value that is no list of strings.
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) is: Option<String>,
}

impl<'a> Text<'a> {
    pub(super) fn of_variable(name: &str, value: &'a str) -> Self {
        let place = Place::Variable { name: name.to_owned(), value: value.to_owned() };
        Self { value: Cow::Borrowed(value), place, is_verbatim: false }
    }

    pub(super) fn of_value(document: &Document<'a>, value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        let text = value.get_ref().as_str()?;
        let span = value.span();
        let written = document.source.text.get(span.start + 1..span.end.saturating_sub(1));
        Some(Self { value: Cow::Borrowed(text), is_verbatim: written == Some(text), place: document.place(span) })
    }

    /// The place of some bytes of the string, as exactly as can be told.
    pub(super) fn place_of(&self, inner: Option<Range<usize>>) -> Place {
        match (&self.place, inner) {
            (Place::Text { source, span }, Some(inner)) if self.is_verbatim => {
                let start = span.start + 1;
                Place::Text { source: source.clone(), span: start + inner.start..start + inner.end }
            }
            (place, _) => place.clone(),
        }
    }
}

pub(super) fn list_of_value<'a>(document: &Document<'a>, value: &'a Spanned<DeValue<'a>>) -> Result<Vec<Text<'a>>, Wrong> {
    let wrong = |value: &Spanned<DeValue<'_>>, is: String| Wrong { place: document.place(value.span()), is: Some(is) };
    let Some(items) = value.get_ref().as_array() else {
        return Err(wrong(value, format!("a {}", kind_name(value.get_ref()))));
    };
    let text =
        |item| Text::of_value(document, item).ok_or_else(|| wrong(item, format!("a list with a {}", kind_name(item.get_ref()))));
    items.iter().map(text).collect()
}

pub(super) fn list_of_variable<'a>(name: &str, text: &'a str) -> Result<Vec<Text<'a>>, Wrong> {
    let place = Text::of_variable(name, text).place;
    let parsed = DeValue::parse(text).ok().map(Spanned::into_inner);
    let DeValue::Array(items) = parsed.unwrap_or(DeValue::Boolean(false)) else {
        return Err(Wrong { place, is: None });
    };
    let item = |item: &Spanned<DeValue<'_>>| match item.get_ref().as_str() {
        Some(text) => Ok(Text { value: Cow::Owned(text.to_owned()), place: place.clone(), is_verbatim: false }),
        None => Err(Wrong { place: place.clone(), is: Some(format!("a list with a {}", kind_name(item.get_ref()))) }),
    };
    items.iter().map(item).collect()
}

/// What people call the type of a value.
pub(in crate::config) fn kind_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "number",
        DeValue::Float(_) => "fraction",
        DeValue::Boolean(_) => "truth value",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "list",
        DeValue::Table(_) => "table",
    }
}
