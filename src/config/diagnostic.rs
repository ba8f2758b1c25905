//! A mistake, shown as compilers show one: file, line, caret, hint.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::secrets::{is_secret, masked, without_user_info};

/// A file that was read.
#[derive(PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    pub text: String,
}

/// Where a mistake is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    Text { source: Arc<Source>, span: Range<usize> },
    Variable { name: String, value: String },
    File(PathBuf),
}

/// Whether a configuration with it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    Mistake,
    /// It is, and may not do what was meant.
    Warning,
}

/// One mistake or warning and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub place: Place,
    pub message: String,
    /// Stands beside the caret.
    pub label: String,
    pub hint: Option<String>,
    /// Other places of the same file that have to do with it.
    pub secondary: Vec<(Range<usize>, String)>,
}

/// Every mistake and warning of a configuration, in the order of its files.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostic {
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Mistake,
            place,
            message: message.into(),
            label: String::new(),
            hint: None,
            secondary: Vec::new(),
        }
    }

    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(place, message) }
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// The place and the message, without the text around it.
    fn in_one_line(&self) -> String {
        let place = match &self.place {
            Place::Text { source, span } => {
                let before = source.text.get(..span.start).unwrap_or(&source.text);
                let line = 1 + before.matches('\n').count();
                let column = 1 + before.chars().rev().take_while(|letter| *letter != '\n').count();
                format!("{}:{line}:{column}", source.name)
            }
            Place::Variable { name, .. } => format!("environment variable {name}"),
            Place::File(path) => path.display().to_string(),
        };
        normalize_untrusted_str(&without_user_info(&format!("{place}: {}", self.message)))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let tidy = |text: &str| normalize_untrusted_str(&without_user_info(text));
        let level = match self.severity {
            Severity::Mistake => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(tidy(&self.message));
        let group = match &self.place {
            Place::Text { source, span } => {
                let primary = annotation(AnnotationKind::Primary, span.clone(), &self.label);
                let context = |(span, label): &(Range<usize>, String)| annotation(AnnotationKind::Context, span.clone(), label);
                let annotations = std::iter::once(primary).chain(self.secondary.iter().map(context));
                title.element(Snippet::source(masked(&source.text)).path(&*source.name).annotations(annotations))
            }
            Place::Variable { name, value } => {
                let given = if is_secret(name) { "its value is not shown".to_owned() } else { format!("its value is `{value}`") };
                let origin = Origin::path(format!("environment variable {name}"));
                let group = title.element(origin).element(Level::NOTE.message(tidy(&given)));
                let label = Some(&self.label).filter(|label| !label.is_empty());
                group.elements(label.map(|label| Level::NOTE.message(tidy(label))))
            }
            Place::File(path) => title.element(Origin::path(path.display().to_string())),
        };
        let hint = self.hint.as_deref().map(|hint| Level::HELP.message(tidy(hint)));
        renderer.render(&[group.elements(hint)])
    }
}

fn annotation(kind: AnnotationKind, span: Range<usize>, label: &str) -> Annotation<'static> {
    let annotation = kind.span(span);
    if label.is_empty() { annotation } else { annotation.label(normalize_untrusted_str(label)) }
}

/// The name alone: a file may hold a password.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Without the value of a variable, which may be a password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { source, span } => f.debug_struct("Text").field("source", source).field("span", span).finish(),
            Self::Variable { name, .. } => f.debug_struct("Variable").field("name", name).finish_non_exhaustive(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Diagnostics {
    /// All of them as text for people, coloured for a terminal or plain.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let rendered: Vec<String> = self.0.iter().map(|diagnostic| diagnostic.render(&renderer)).collect();
        rendered.join("\n\n")
    }

    /// All of them in one line, without the text around them.
    pub fn in_one_line(&self) -> String {
        self.0.iter().map(Diagnostic::in_one_line).collect::<Vec<_>>().join("; ")
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them are so severe.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self(diagnostics)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for Diagnostics {}
