//! The writer of the text format of Prometheus, version 0.0.4.
//!
//! Names, help texts and labels are constants, and values are numbers: nothing needs to be escaped,
//! and the length is bounded by the number of metrics and labels.

use super::label::Label;
use super::{Kind, Metric};
use crate::store::{CommitFigures, LATENCY_BOUNDS};
use std::fmt::{Display, Write};
use std::time::Duration;

/// The metrics of one moment as a text.
#[derive(Debug, Default)]
pub(crate) struct Exposition(String);

impl Exposition {
    /// The media type of the text.
    pub(crate) const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Returns the text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// Adds a metric without labels.
    pub(crate) fn number(&mut self, metric: Metric, value: u64) {
        self.begin(metric);
        self.line(metric.name(), "", value);
    }

    /// Adds a metric with a number for each value of the label `L`.
    pub(crate) fn numbers<L: Label>(&mut self, metric: Metric, value: impl Fn(L) -> u64) {
        self.begin(metric);
        for label in L::ALL {
            self.line(metric.name(), &labels(*label), value(*label));
        }
    }

    /// Adds a metric with a ratio for each value of the label `L`: `part` of `whole`, rounded down
    /// to whole percents.
    pub(crate) fn ratios<L: Label>(&mut self, metric: Metric, part_and_whole: impl Fn(L) -> (u64, u64)) {
        self.begin(metric);
        for label in L::ALL {
            let (part, whole) = part_and_whole(*label);
            let percent = part.saturating_mul(100) / whole.max(1);
            self.line(metric.name(), &labels(*label), format_args!("{}.{:02}", percent / 100, percent % 100));
        }
    }

    /// Adds the times of commits.
    pub(crate) fn latencies(&mut self, metric: Metric, figures: &CommitFigures) {
        self.begin(metric);
        let name = metric.name();
        let mut count = 0;
        let bounds = LATENCY_BOUNDS.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
        for (bound, in_bucket) in bounds.zip(figures.buckets) {
            count += in_bucket;
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), count);
        }
        self.line(&format!("{name}_sum"), "", seconds(figures.total));
        self.line(&format!("{name}_count"), "", count);
    }

    fn begin(&mut self, metric: Metric) {
        let (name, help, kind) = (metric.name(), metric.help(), Kind::text(metric.kind()));
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn labels<L: Label>(label: L) -> String {
    format!("{{{}=\"{}\"}}", L::NAME, label.text())
}

/// Formats a time in seconds, exactly.
fn seconds(time: Duration) -> String {
    let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
