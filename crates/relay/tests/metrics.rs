//! The metrics of a relay on a socket of their own (spec/12-relay.md section 10.2).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_relay::clock::system_day;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::AnswerCode;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A relay that serves, with the address of its socket for metrics.
struct Watched {
    relay: Relay,
    place: String,
}

/// Runs a relay over an empty store with these settings and limits.
fn watched(dir: &Path, limits: &str) -> Watched {
    let data = dir.join("data");
    init(&data);
    std::fs::write(data.join("config.toml"), format!("metrics = \"127.0.0.1:0\"\n{HURRIED}{limits}\n"))
        .unwrap();
    let mut command = program();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["ready"].as_str().unwrap().parse().unwrap();
    Watched { relay: Relay { child, address }, place: said["metrics"].as_str().unwrap().to_owned() }
}

impl Watched {
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.place).await.unwrap();
        stream.write_all(format!("{request}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.place)).await
    }

    /// Returns the samples that the relay shows, by name and labels.
    async fn samples(&self) -> BTreeMap<String, f64> {
        let answer = self.get("/metrics").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        };
        samples.map(sample).collect()
    }
}

/// Returns the names of metrics of the relay that a text has, without the endings of the samples of
/// histograms.
fn names(text: &str) -> BTreeSet<String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.match_indices("deaddrop_relay_").map(|(at, _)| &text[at..]);
    let names = starts.map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap());
    let base = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_say_the_state_of_the_relay_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let watched = watched(dir.path(), "blobs = 100\nput_percent = 95\ncreate_percent = 80");
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&watched.relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..40 {
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    }
    let samples = watched.samples().await;
    let value = |name: &str| {
        *samples.get(&format!("deaddrop_relay_{name}")).unwrap_or_else(|| panic!("{name}: {samples:?}"))
    };
    assert_eq!(value(&format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1.0);
    assert_eq!((value("takes{request=\"puts\"}"), value("takes{request=\"creates\"}")), (1.0, 1.0));
    assert_eq!((value("segments{state=\"used\"}"), value("segments_limit")), (1.0, 512.0));
    // 32 of 100: 40 blobs are rounded down to a multiple of 16.
    assert_eq!(value("used_ratio{limit=\"blobs\"}"), 0.32);
    assert_eq!(value("used_ratio{limit=\"mailboxes\"}"), 0.0);
    let today = system_day().unix_seconds() as f64;
    let days =
        (value("day_timestamp_seconds{day=\"believed\"}"), value("day_timestamp_seconds{day=\"system\"}"));
    assert!([today, today + 86_400.0].contains(&days.0) && days.0 == days.1, "{days:?}");
    // One link and fewer than 64 commits leave no trace.
    assert_eq!(value("connections{stage=\"link\"}"), 0.0);
    assert_eq!(value("commit_duration_seconds_count"), 0.0);
    assert_eq!(value("memory_bytes{holder=\"links\"}"), 0.0);

    for _ in 0..40 {
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    }
    let mut links = Vec::new();
    for token in 2..=16 {
        links.push(Client::connect(&watched.relay.address, token).await);
    }
    let samples = watched.samples().await;
    let value = |name: &str| samples[&format!("deaddrop_relay_{name}")];
    assert_eq!(value("connections{stage=\"link\"}"), 16.0);
    assert_eq!(value("commit_duration_seconds_count"), 64.0);
    assert_eq!(value("commit_duration_seconds_bucket{le=\"+Inf\"}"), 64.0);
    assert!(value("commit_duration_seconds_sum") > 0.0);
    assert_eq!((value("takes{request=\"puts\"}"), value("takes{request=\"creates\"}")), (1.0, 0.0));
    let ready = watched.get("/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.contains("\r\n\r\nnot taking creates: mailboxes, blobs or bytes are at their limits\n"),
        "{ready}"
    );
    assert_eq!(client.create(&Mailbox::new()).await, AnswerCode::Busy);
    assert_eq!(watched.samples().await["deaddrop_relay_refusals_total{reason=\"store_limits\"}"], 1.0);
    assert!(watched.relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_three_paths_and_bounds_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let watched = watched(dir.path(), "");
    assert!(watched.get("/health").await.ends_with("\r\n\r\nok\n"));
    assert!(watched.get("/ready").await.contains("\r\n\r\nready\noldest dead byte: at most 151 s\n"));
    for (request, status) in [
        ("HEAD /metrics HTTP/1.1\r\nHost: a", "200"),
        ("GET /metrics?a HTTP/1.1\r\nHost: a", "200"),
        ("POST /metrics HTTP/1.1\r\nHost: a", "405"),
        ("GET / HTTP/1.1\r\nHost: a", "404"),
        ("GET /v1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade", "404"),
    ] {
        let answer = watched.ask(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    let mut stream = TcpStream::connect(&watched.place).await.unwrap();
    let endless = format!("GET /metrics HTTP/1.1\r\nA: {}", "a".repeat(9_000));
    let _ = stream.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
    assert!(answer.is_empty(), "a head has an end");
    // Eight connections that say nothing keep the others out, for five seconds at most. Of sixteen, eight are closed at once.
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(TcpStream::connect(&watched.place).await.unwrap());
    }
    let mut stream = TcpStream::connect(&watched.place).await.unwrap();
    let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
    assert!(answer.is_empty(), "one more is closed without an answer");
    for stream in &mut silent {
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = ended.expect("a connection that asks for nothing ends");
    }
    assert!(watched.get("/health").await.ends_with("\r\n\r\nok\n"));
    assert!(watched.relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let watched = watched(dir.path(), "drain_ms = 30000");
    let mut client = Client::connect(&watched.relay.address, 1).await;
    watched.relay.signal("-TERM");
    client.until(|item| matches!(item, deaddrop_wire::Item::GoAway(_))).await;
    let ready = watched.get("/ready").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\r\n\r\nstopping\n"), "{ready}");
    assert!(watched.get("/health").await.ends_with("\r\n\r\nok\n"), "the process lives until it ends");
    drop(client);
    assert!(watched.relay.stop());
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let args = ["serve", "--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0", "--data"];
    let run = program().args(args).arg(&data).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success() && said.contains("metrics are for this machine alone"), "{said}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_read_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let socket = dir.path().join("metrics.sock");
    let relay = Relay::serve(&data, &["--volatile", "--metrics", &format!("unix:{}", socket.display())]);
    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\ndeaddrop_relay_takes{request=\"puts\"} 1\n"), "{answer}");
    assert!(!answer.contains("deaddrop_relay_segments"), "a store in memory has no file: {answer}");
    assert!(relay.stop());
    assert!(!socket.exists());
}

/// Rules and dashboard name no metric that the relay does not have, and the relay has none that
/// neither of them uses.
#[tokio::test(flavor = "multi_thread")]
async fn rules_and_dashboard_name_metrics_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    let watched = watched(dir.path(), "");
    let exposed = names(&watched.get("/metrics").await);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let mut used = BTreeSet::new();
    for file in ["rules.yml", "dashboard.json"] {
        let named = names(&std::fs::read_to_string(folder.join(file)).unwrap());
        assert!(named.len() > 5, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        used.extend(named);
    }
    assert_eq!(used, exposed);
    serde_json::from_str::<serde_json::Value>(
        &std::fs::read_to_string(folder.join("dashboard.json")).unwrap(),
    )
    .unwrap();
    assert!(watched.relay.stop());
}
