//! Two people and a relay, each command a process of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use common::{Sandbox, run, run_with_input, texts};

#[test]
fn two_people_connect_and_talk_in_both_directions() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);

    ben.run(&["send", "ada", "hello Ada"]).ok();
    let got = ada.json(&["receive"]).ok().lines();
    assert_eq!(texts(&got), ["hello Ada"]);
    assert!(got.iter().filter(|event| event["kind"] == "text").all(|event| event["from"] == "ben"));
    assert!(ada.texts().is_empty(), "nothing is shown twice");

    let odd = "  two\tlines\n\u{1f980} and \u{1b}[31m colour \n";
    ada.run(&["send", "ben", odd]).ok();
    run_with_input(&mut ada.command(["send", "ben", "-"]), Some("from a pipe\n".as_bytes())).ok();
    let human = ben.run(&["receive"]).ok().out;
    assert!(!human.contains('\u{1b}') && human.contains("from a pipe"), "{human}");
    let all = ben.json(&["receive", "--after", "0"]).ok().lines();
    assert_eq!(texts(&all), [odd, "from a pipe"]);
    let numbers: Vec<_> = all.iter().map(|event| event["event"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");

    let people = ada.json(&["contacts"]).ok().lines();
    assert_eq!(people.len(), 1);
    assert_eq!(people[0]["name"], "ben");
}

#[test]
fn the_safety_number_is_the_same_on_both_sides() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    ben.run(&["send", "ada", "hello"]).ok();
    ada.run(&["receive"]).ok();
    let number = |from: &common::Person, of| {
        let said = from.json(&["verify", of]).ok().json();
        assert_eq!(said["verified"], false);
        said["safety_number"].as_str().unwrap().to_owned()
    };
    let shown = number(ada, "ben");
    assert_eq!(shown, number(ben, "ada"));
    assert!(
        shown.contains(' ') && shown.chars().all(|c| c.is_ascii_digit() || c == ' '),
        "in groups: {shown}"
    );
    ada.run(&["verify", "ben", "--confirm"]).ok();
    assert_eq!(ada.json(&["verify", "ben"]).ok().json()["verified"], true);
    assert_eq!(ada.json(&["contacts"]).ok().lines()[0]["verified"], true);
}

#[test]
fn an_offline_person_gets_everything_on_landing_and_the_relay_forgets_it() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    ben.run(&["send", "ada", "before the flight"]).ok();
    assert_eq!(ada.texts(), ["before the flight"]);
    // Ben is not running, so the messages wait at the relay.
    for n in 0..5 {
        assert_eq!(ada.json(&["send", "ben", &format!("line {n}")]).ok().json()["state"], "stored");
    }
    assert!(sandbox.relay.inspect()["blobs"].as_u64().unwrap() >= 5, "{}", sandbox.relay.inspect());
    assert_eq!(ben.texts(), ["line 0", "line 1", "line 2", "line 3", "line 4"]);
    // Ben's receipts come back, and after that the relay holds nothing.
    let mut delivered = 0;
    for _ in 0..40 {
        delivered +=
            ada.json(&["receive"]).ok().lines().iter().filter(|event| event["kind"] == "delivered").count();
        ben.run(&["receive"]).ok();
        if delivered >= 1 && sandbox.relay.inspect()["blobs"] == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(250));
    }
    panic!("{delivered} delivered, {}", sandbox.relay.inspect());
}

#[test]
fn a_relay_that_is_down_only_delays() {
    let mut sandbox = Sandbox::connected();
    sandbox.relay.kill();
    let said = sandbox.ben.json(&["send", "ada", "later", "--wait", "1"]).ok().json();
    assert_eq!(said["state"], "queued");
    let human = sandbox.ben.run(&["send", "ada", "later still", "--wait", "1"]).ok();
    assert!(human.out.contains("Queued"), "{human:?}");
    let status = sandbox.ben.json(&["status"]).ok().json();
    assert_eq!((&status["relay_answers"], &status["queued"]), (&false.into(), &2.into()), "{status}");
    sandbox.relay.serve();
    sandbox.ben.run(&["receive"]).ok();
    assert_eq!(sandbox.ada.texts(), ["later", "later still"]);
}

#[test]
fn a_vault_opens_with_its_passphrase_from_file_or_environment() {
    let sandbox = Sandbox::new();
    let file = sandbox.folder.path().join("passphrase");
    fs::write(&file, "correct horse\n").unwrap();
    let cara = sandbox.person("cara");
    let made =
        run(cara.command(["init", "--relay", &sandbox.relay.address, "--passphrase-file"]).arg(&file)).ok();
    assert!(!made.out.contains("correct horse"));
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "correct horse")).ok();
    run(cara.command(["contacts", "--passphrase-file"]).arg(&file)).ok();
    cara.run(&["contacts"]).fails(&["passphrase", "DEADDROP_PASSPHRASE"]);
    for bytes in files(&cara.home) {
        assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    }
}

#[test]
fn a_vault_without_passphrase_says_what_that_means() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    let made = cara.run(&["init", "--no-passphrase"]).ok();
    let said = made.out + &made.err;
    assert!(said.contains("vault.key") && said.contains("can read"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(cara.home.join("vault.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn chat_is_both_at_once() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    ben.run(&["send", "ada", "are you there?"]).ok();
    let mut listening = ben.command(["chat", "ada", "--json"]);
    let mut listening = common::Running(listening.stdin(Stdio::piped()).spawn().unwrap());
    let said = run_with_input(&mut ada.command(["chat", "ben"]), Some(b"yes\nI am\n/quit\nnot this\n")).ok();
    assert!(said.out.contains("are you there?"), "{said:?}");
    // Ben hears it while his own chat is open, then ends it by end of input.
    let out = listening.0.stdout.take().unwrap();
    let mut heard = Vec::new();
    for line in std::io::BufRead::lines(std::io::BufReader::new(out)) {
        let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["kind"] == "text" {
            heard.push(event["text"].as_str().unwrap().to_owned());
        }
        if heard.len() == 2 {
            drop(listening.0.stdin.take());
        }
    }
    assert_eq!(heard, ["yes", "I am"]);
    assert!(listening.0.wait().unwrap().success());
}

#[test]
fn a_chat_names_the_text_that_was_delivered() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let sent = ben.json(&["send", "ada", "are you there?"]).ok().json();
    let id = sent["message"].as_str().unwrap();
    assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{sent}");
    let mut chat = ada.command(["chat", "ben"]);
    let mut chat = common::Running(chat.stdin(Stdio::piped()).spawn().unwrap());
    let out = BufReader::new(chat.0.stdout.take().unwrap());
    let (to, lines) = mpsc::channel();
    thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| to.send(line)));
    writeln!(chat.0.stdin.as_mut().unwrap(), "shall we meet at the station?").unwrap();
    let wait_for = |words: &str| {
        while !lines.recv_timeout(common::PATIENCE).expect(words).contains(words) {}
    };
    wait_for("are you there?");
    let begin = Instant::now();
    while ben.texts().is_empty() {
        assert!(begin.elapsed() < common::PATIENCE);
    }
    wait_for("(delivered: shall we meet at the sta\u{2026})");
    // Receipts leave with the end of the chat. What was not typed in it is named by the start of its id.
    writeln!(chat.0.stdin.as_mut().unwrap(), "/quit").unwrap();
    assert!(chat.0.wait().unwrap().success());
    let told = ben.run(&["receive", "--after", "0"]).ok().out;
    assert!(told.contains(&format!("(delivered to ada: message {})", &id[..8])), "{told}");
}

#[test]
fn help_shows_examples_and_hides_the_relay() {
    let help = run(common::deaddrop().arg("--help")).ok().out;
    assert!(
        help.contains("invite ben") && help.contains("DEADDROP_PASSPHRASE") && !help.contains("relay's own"),
        "{help}"
    );
    for command in [
        "demo",
        "init",
        "invite",
        "invites",
        "withdraw",
        "relays",
        "set-relay",
        "leave-relay",
        "accept",
        "agree",
        "begin-again",
        "contacts",
        "send",
        "receive",
        "chat",
        "verify",
        "status",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}");
        let own = run(common::deaddrop().args([command, "--help"])).ok().out;
        assert!(own.contains("--json"), "{own}");
        let asks_first = ["agree", "begin-again"].contains(&command);
        assert!(!asks_first || own.to_lowercase().contains("by another way"), "{own}");
    }
}

fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![fs::read(path).unwrap()] })
        .collect()
}
