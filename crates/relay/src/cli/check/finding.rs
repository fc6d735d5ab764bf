//! One result of `check`.

use serde::Serialize;
use std::fmt;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Nothing to do.
    Good,
    /// A promise of the relay is weaker than it can be, or the relay will soon refuse something.
    Warning,
    /// The relay does not work, or has lost something.
    Fault,
}

/// A result of `check`: about which topic, how grave, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Name of the topic. Programs read it: a name is not changed.
    pub(super) topic: &'static str,
    pub(super) level: Level,
    /// Sentences for the operator, without line breaks.
    pub(super) text: String,
}

impl Finding {
    pub(super) fn good(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, level: Level::Good, text: text.into() }
    }

    pub(super) fn warning(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, level: Level::Warning, text: text.into() }
    }

    pub(super) fn fault(topic: &'static str, text: impl Into<String>) -> Self {
        Self { topic, level: Level::Fault, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Good => "good   ",
            Level::Warning => "warning",
            Level::Fault => "FAULT  ",
        };
        write!(f, "{level}  {}: {}", self.topic, self.text)
    }
}
