//! The command line over a slow line, and at relays that answer nothing.

use super::common::{Done, Person, Relay, Sandbox, run_with_input};
use deaddrop_testkit::line::{Line, Rates};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

/// IP address at which the slow line to a relay begins; its port is the relay's port.
const LINE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Ada and Ben, who reach their relay over a line whose rate the test sets, and have talked.
struct Behind {
    sandbox: Sandbox,
    relay: SocketAddr,
    line: Option<Line>,
    runtime: tokio::runtime::Runtime,
}

impl Behind {
    fn new() -> Self {
        let mut sandbox = Sandbox::new();
        let relay: SocketAddr = sandbox.relay.listen().parse().unwrap();
        let address = sandbox.relay.address.replace("127.0.0.1", &LINE.to_string());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut behind = Self { relay, line: None, runtime, sandbox };
        behind.set_rate(1_000_000);
        for name in ["ada", "ben"] {
            let person = behind.sandbox.person(&format!("slow-{name}"));
            person.run(&["init", "--no-passphrase", "--relay", &address]).ok();
        }
        sandbox = behind.sandbox;
        (sandbox.ada, sandbox.ben) = (sandbox.person("slow-ada"), sandbox.person("slow-ben"));
        behind.sandbox = sandbox;
        let Sandbox { ada, ben, .. } = &behind.sandbox;
        ben.run(&["accept", &behind.sandbox.link(), "ada"]).ok();
        for _ in 0..2 {
            ben.run(&["send", "ada", "hello"]).ok();
            ada.run(&["receive"]).ok();
            ada.run(&["send", "ben", "hello"]).ok();
            ben.run(&["receive"]).ok();
        }
        behind
    }

    /// Sets the number of bytes that the line passes in a second, in each direction. Connections
    /// are lost.
    fn set_rate(&mut self, rate: u32) {
        let _entered = self.runtime.enter();
        self.line = None;
        let rates = Rates { up: rate, down: rate };
        let begun = Instant::now();
        // The tasks of the line before let go of its address a moment after it.
        while std::net::TcpListener::bind((LINE, self.relay.port())).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(20));
        }
        self.line = Some(Line::start((LINE, self.relay.port()).into(), self.relay, rates));
    }
}

#[test]
fn a_long_text_leaves_over_a_slow_line_with_one_command() {
    let mut behind = Behind::new();
    behind.set_rate(5_000);
    let Sandbox { ada, .. } = &behind.sandbox;
    let text = "x".repeat(59_000);
    let begun = Instant::now();
    // A time that the user gives is kept.
    let said = ada.json(&["send", "ben", &text, "--wait", "4"]).ok();
    let (object, took) = (said.json(), begun.elapsed());
    assert_eq!((&object["state"], &object["why"]), (&"queued".into(), &"sending".into()), "{object}");
    assert!(took < Duration::from_secs(9), "{took:?}");
    let said = ada.json(&["sync"]).ok();
    let object = said.json();
    assert_eq!((&object["done"], &object["contacts"][0]["stored"]), (&true.into(), &1.into()), "{object}");
    assert!(said.err.contains("going on as long as something moves"), "{said:?}");
    let said = ada.json(&["send", "ben", &text]).ok();
    assert_eq!(said.json()["state"], "stored", "{said:?}");
    assert!(said.err.contains("going on as long as something moves"), "{said:?}");
}

/// Kills a relay and listens at its address: connections are accepted and never answered.
fn black_hole(relay: &mut Relay) -> TcpListener {
    let address = relay.listen().to_owned();
    relay.kill();
    let begun = Instant::now();
    loop {
        match TcpListener::bind(&address) {
            Ok(listener) => return listener,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes Ada and Ben, who have talked, and whose relay was replaced by a [`black_hole`].
fn in_the_dark() -> (Sandbox, TcpListener) {
    let mut sandbox = Sandbox::connected();
    for _ in 0..2 {
        sandbox.ben.run(&["send", "ada", "hello"]).ok();
        sandbox.ada.run(&["receive"]).ok();
        sandbox.ada.run(&["send", "ben", "hello"]).ok();
        sandbox.ben.run(&["receive"]).ok();
    }
    let hole = black_hole(&mut sandbox.relay);
    (sandbox, hole)
}

#[test]
fn a_relay_that_says_nothing_is_being_connected_to() {
    let (sandbox, _hole) = in_the_dark();
    let said = sandbox.ada.json(&["send", "ben", "one", "--wait", "2"]).ok().json();
    assert_eq!((&said["state"], &said["why"]), (&"queued".into(), &"connecting".into()), "{said}");
    let human = sandbox.ada.run(&["send", "ben", "two", "--wait", "2"]).ok().out;
    assert!(human.contains("not sent yet: no connection to the contact's relay stands yet"), "{human}");
    let said = sandbox.ada.json(&["sync", "--wait", "2"]);
    let report = said.json();
    assert_eq!(report["contacts"][0]["why"], "connecting", "{report}");
    assert_eq!(report["relays"][0]["state"], "connecting", "{report}");
}

#[test]
fn no_agreement_about_the_clock_is_shown_before_a_relay_was_asked() {
    let (sandbox, _hole) = in_the_dark();
    let status = sandbox.ada.json(&["status"]).ok().json();
    assert_eq!(status["clock"]["agrees"], serde_json::Value::Null, "{status}");
    let fresh = sandbox.person("fresh");
    fresh.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    let status = fresh.json(&["status"]).ok().json();
    assert_eq!(status["clock"]["agrees"], serde_json::Value::Null, "{status}");
}

/// Runs `chat` with Ben and these typed lines. Returns the output and the time that it took.
fn chat(ada: &Person, typed: &str) -> (Done, Duration) {
    let begun = Instant::now();
    let done = run_with_input(&mut ada.command(["chat", "ben"]), Some(typed.as_bytes())).ok();
    (done, begun.elapsed())
}

#[test]
fn a_chat_ends_soon_also_at_a_relay_that_says_nothing() {
    let (sandbox, _hole) = in_the_dark();
    let (said, took) = chat(&sandbox.ada, "one\ntwo\n/quit\n");
    // It waits for what lies at the relay first, for 2 s.
    assert!(took < Duration::from_secs(2 + 5), "{took:?}");
    let words = "2 messages are queued in your vault: no connection to the contact's relay stands yet";
    assert!(said.out.contains(words), "{said:?}");
    let typed = run_with_input(sandbox.ada.command(["chat", "ben"]).arg("--json"), Some(b"/quit\n")).ok();
    let lines = typed.lines();
    let queued = lines.last().unwrap();
    assert_eq!((&queued["kind"], &queued["why"]), (&"queued".into(), &"connecting".into()), "{typed:?}");
    assert_eq!(queued["messages"].as_array().unwrap().len(), 2, "{typed:?}");
}
