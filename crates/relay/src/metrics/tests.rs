//! Tests of the names and labels of metrics, and of the text format.

use super::*;
use crate::notices::Notice;
use crate::store::{CommitFigures, LATENCY_BOUNDS};
use std::collections::BTreeSet;
use std::time::Duration;

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn the_specification_lists_every_metric_with_its_type_its_label_and_its_meaning() {
    let spec = include_str!("../../../../spec/12-relay.md");
    let section = spec.split("\n### ").find(|section| section.starts_with("10.2 ")).unwrap();
    let said: Vec<&str> = section.lines().filter(|line| line.starts_with("| `deaddrop_relay_")).collect();
    let rows: Vec<String> = Metric::ALL
        .into_iter()
        .map(|metric| {
            let (name, kind, help) = (metric.name(), metric.kind().text(), metric.help());
            let label = match metric {
                Metric::BuildInfo => described::<Version>("the version"),
                Metric::Takes => listed::<Request>(),
                Metric::Segments => listed::<Segment>(),
                Metric::Used => listed::<Limit>(),
                Metric::MemoryBytes => listed::<MemoryHolder>(),
                Metric::CommitDuration => "`le`: bounds from 0.001 to 10 and `+Inf`".to_owned(),
                Metric::Connections => listed::<Stage>(),
                Metric::Refusals => listed::<Notice>(),
                Metric::DayTimestamp => listed::<Day>(),
                Metric::SegmentsLimit
                | Metric::DeadBytes
                | Metric::OldestDeadByte
                | Metric::WaitingCommits => String::new(),
            };
            format!("| `{name}` | {kind} | {label} | {} |", help.trim_end_matches('.')).replace("|  |", "| |")
        })
        .collect();
    assert_eq!(said, rows, "the same metrics in the same order");
}

fn described<L: Label>(values: &str) -> String {
    format!("`{}`: {values}", L::NAME)
}

fn listed<L: Label>() -> String {
    let values: Vec<String> = L::ALL.iter().map(|value| format!("`{}`", value.text())).collect();
    assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len(), "each value once");
    assert!(L::ALL.iter().all(|value| is_name(value.text())) && is_name(L::NAME));
    described::<L>(&values.join(", "))
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let names: BTreeSet<&str> = Metric::ALL.into_iter().map(Metric::name).collect();
    assert_eq!(names.len(), Metric::ALL.len(), "each name once");
    for metric in Metric::ALL {
        let name = metric.name();
        assert!(is_name(name) && name.starts_with("deaddrop_relay_"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind() == Kind::Counter, "{name}");
        assert!(!metric.help().contains(['\n', '\\']), "{name}: such a help text must be escaped");
    }
}

#[test]
fn numbers_and_ratios_have_a_line_for_each_label() {
    let mut exposition = Exposition::default();
    exposition.numbers(Metric::Segments, |segment| match segment {
        Segment::Used => 3,
        Segment::Free => u64::MAX,
    });
    exposition.ratios(Metric::Used, |limit| match limit {
        Limit::Mailboxes => (999, 1_000),
        Limit::Blobs => (0, 0),
        Limit::StoreBytes => (u64::MAX, 1),
        Limit::MemoryBytes => (7, 7),
    });
    let text = exposition.into_text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "deaddrop_relay_segments{state=\"used\"} 3",
            "deaddrop_relay_segments{state=\"free\"} 18446744073709551615",
            "deaddrop_relay_used_ratio{limit=\"mailboxes\"} 0.99",
            "deaddrop_relay_used_ratio{limit=\"blobs\"} 0.00",
            "deaddrop_relay_used_ratio{limit=\"store_bytes\"} 184467440737095516.15",
            "deaddrop_relay_used_ratio{limit=\"memory_bytes\"} 1.00",
        ]
    );
    assert!(text.starts_with("# HELP deaddrop_relay_segments Segments in"), "{text}");
    assert!(text.contains("\n# TYPE deaddrop_relay_used_ratio gauge\n"), "{text}");
}

#[test]
fn buckets_are_cumulative_and_end_with_the_count() {
    let mut buckets = [0; LATENCY_BOUNDS.len() + 1];
    (buckets[0], buckets[2], buckets[LATENCY_BOUNDS.len()]) = (60, 3, 1);
    let figures = CommitFigures { waiting: 0, buckets, total: Duration::from_micros(12_000_050) };
    let mut exposition = Exposition::default();
    exposition.latencies(Metric::CommitDuration, &figures);
    let text = exposition.into_text();
    let value = |of: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{}{of} ", Metric::CommitDuration.name())));
        line.map(str::to_owned)
    };
    for (of, expected) in [
        ("_bucket{le=\"0.001\"}", "60"),
        ("_bucket{le=\"0.002\"}", "60"),
        ("_bucket{le=\"0.005\"}", "63"),
        ("_bucket{le=\"10\"}", "63"),
        ("_bucket{le=\"+Inf\"}", "64"),
        ("_sum", "12.00005"),
        ("_count", "64"),
    ] {
        assert_eq!(value(of).as_deref(), Some(expected), "{of}: {text}");
    }
}
