//! A mistake, shown as compilers show one: file, line, caret, hint.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

/// A file that was read.
#[derive(PartialEq, Eq, Debug)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    pub text: String,
}

/// Where a mistake is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    Text { source: Arc<Source>, span: Range<usize> },
    Variable { name: String, value: String },
    File(PathBuf),
}

/// One mistake and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    pub place: Place,
    pub message: String,
    /// Stands beside the caret.
    pub label: String,
    pub hint: Option<String>,
    /// Other places of the same file that have to do with it.
    pub secondary: Vec<(Range<usize>, String)>,
}

/// Every mistake of a configuration, in the order of its files; at least one.
#[derive(Clone, Debug)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostic {
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), label: String::new(), hint: None, secondary: Vec::new() }
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

    fn render(&self, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(normalize_untrusted_str(&self.message));
        let group = match &self.place {
            Place::Text { source, span } => {
                let primary = annotation(AnnotationKind::Primary, span.clone(), &self.label);
                let context = |(span, label): &(Range<usize>, String)| annotation(AnnotationKind::Context, span.clone(), label);
                let annotations = std::iter::once(primary).chain(self.secondary.iter().map(context));
                title.element(Snippet::source(&*source.text).path(&*source.name).annotations(annotations))
            }
            Place::Variable { name, value } => {
                let given = normalize_untrusted_str(&format!("its value is `{value}`"));
                let group = title.element(Origin::path(format!("environment variable {name}"))).element(Level::NOTE.message(given));
                let label = Some(&self.label).filter(|label| !label.is_empty());
                group.elements(label.map(|label| Level::NOTE.message(normalize_untrusted_str(label))))
            }
            Place::File(path) => title.element(Origin::path(path.display().to_string())),
        };
        let hint = self.hint.as_deref().map(|hint| Level::HELP.message(normalize_untrusted_str(hint)));
        renderer.render(&[group.elements(hint)])
    }
}

fn annotation(kind: AnnotationKind, span: Range<usize>, label: &str) -> Annotation<'static> {
    let annotation = kind.span(span);
    if label.is_empty() { annotation } else { annotation.label(normalize_untrusted_str(label)) }
}

impl Diagnostics {
    /// All of them as text for people, coloured for a terminal or plain.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let rendered: Vec<String> = self.0.iter().map(|diagnostic| diagnostic.render(&renderer)).collect();
        rendered.join("\n\n")
    }

    pub fn len(&self) -> usize {
        self.0.len()
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
