//! The history of a run: a hash of all lines, and the lines themselves if they are wanted.

use std::fmt;

/// The history of a run.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Makes an empty history. With `keeps_lines`, its lines can be read later.
    pub(crate) fn new(keeps_lines: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keeps_lines.then(Vec::new) }
    }

    /// Adds a line with its time in milliseconds of the run.
    pub(crate) fn note(&mut self, at_ms: u64, what: fmt::Arguments<'_>) {
        let line = format!("{:>10}.{:03} {what}", at_ms / 1_000, at_ms % 1_000);
        self.mix(line.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Mixes bytes into the hash (FNV-1a).
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
