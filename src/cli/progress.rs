//! A bar on a terminal; nothing where standard error is none.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that is gone when the value is.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// `what` is what is being done, such as `copying`, and `unit` what is counted.
    pub(super) fn new(what: &'static str, unit: &str) -> Self {
        let bar = ProgressBar::new(0).with_message(what);
        let style = format!("{{msg}} [{{bar:40}}] {{human_pos}} of {{human_len}} {unit}, {{eta}} left");
        // A template that is wrong would leave the default bar, which is good enough.
        if let Ok(style) = ProgressStyle::with_template(&style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self(bar)
    }

    pub(super) fn set(&self, done: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
