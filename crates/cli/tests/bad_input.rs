//! Bad input: each gets a clear error or a clear state, with nothing lost and no panic.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{fs, io::Write, net::TcpStream, process::Stdio};

use common::{Relay, Running, Sandbox, deaddrop, run, run_with_input};
use deaddrop_relay::clock::system_day;

#[test]
fn broken_truncated_and_foreign_links_are_told_apart_from_good_ones() {
    let sandbox = Sandbox::new();
    let link = sandbox.link();
    let ben = &sandbox.ben;
    for junk in
        ["", "hello", "deaddrop:", "deaddrop:!!!!", "https://example.org/", "https://example.org/i#AAAA"]
    {
        ben.run(&["accept", junk, "ada"]).fails(&["link"]);
    }
    for len in [link.len() - 1, link.len() - 5, link.len() / 2, 12] {
        ben.run(&["accept", &link[..len], "ada"]).fails(&["link"]);
    }
    for place in [9, link.len() / 2, link.len() - 3] {
        let mut changed: Vec<char> = link.chars().collect();
        changed[place] = if changed[place] == 'A' { 'B' } else { 'A' };
        ben.run(&["accept", &changed.into_iter().collect::<String>(), "ada"]).fails(&[]);
    }
    assert!(ben.json(&["contacts"]).ok().lines().is_empty(), "nothing is left of what failed");
    // The good one still works, spaces around it or not.
    ben.run(&["accept", &format!(" {link}\n"), "ada"]).ok();
}

#[test]
fn a_link_works_once() {
    let sandbox = Sandbox::connected();
    sandbox.ada.run(&["send", "ben", "answered"]).ok();
    sandbox.ada.run(&["receive"]).ok();
    assert_eq!(sandbox.ben.texts(), ["answered"]);
    let second = sandbox.link_for("cara");
    // Somebody who knows Ada already does not use it up by another name.
    sandbox.ben.run(&["accept", &second, "ada-again"]).fails(&["contact already"]);
    let people = ["dora", "eve"].map(|name| sandbox.person(name));
    let [dora, eve] = &people;
    for person in &people {
        person.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    }
    dora.run(&["accept", &second, "ada"]).ok();
    let said = eve.run(&["accept", &second, "ada"]).fails(&["link", "used"]);
    assert!(!said.err.contains(&second), "no secret in an error");
    assert!(eve.json(&["contacts"]).ok().lines().is_empty());
    // The same person once more.
    dora.run(&["accept", &second, "third"]).fails(&["used"]);
    // One's own.
    let own = sandbox.link_for("myself");
    sandbox.ada.run(&["accept", &own, "me"]).fails(&["own"]);
}

#[test]
fn names_are_checked() {
    let sandbox = Sandbox::connected();
    sandbox.ada.run(&["invite", "ben"]).fails(&["name already"]);
    sandbox.ada.run(&["begin-again", "ben"]).fails(&["not accepted"]);
    // The name of a contact stands for one identity.
    let dan = sandbox.person("dan");
    dan.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    let link = dan.json(&["invite", "ben"]).ok().json()["link"].as_str().unwrap().to_owned();
    let refused = sandbox.ben.run(&["accept", &link, "ada"]);
    refused.fails(&["another identity", "another way", "--new-identity", "not used up"]);
    sandbox.ben.run(&["accept", &link, "dan"]).ok();
    sandbox.ada.run(&["invite", ""]).fails(&["name"]);
    sandbox.ada.run(&["invite", "a\u{1b}b"]).fails(&["name"]);
    sandbox.ada.run(&["invite", &"x".repeat(1_000)]).fails(&["name"]);
    for command in [
        &["send", "stranger", "x"][..],
        &["verify", "stranger"],
        &["receive", "--from", "stranger"],
        &["chat", "stranger"],
        &["agree", "stranger"],
        &["begin-again", "stranger"],
    ] {
        sandbox.ada.run(command).fails(&["contact", "contacts"]);
    }
}

#[test]
fn vaults_are_neither_guessed_nor_shared_nor_replaced() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    cara.run(&["contacts"]).fails(&["init"]);
    run(cara.command(["init"]).env("DEADDROP_PASSPHRASE", "right")).ok();
    let before = tree(&cara.home);
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "wrong")).fails(&["passphrase", "wrong"]);
    run(cara.command(["init"]).env("DEADDROP_PASSPHRASE", "other")).fails(&["already"]);
    cara.run(&["init", "--no-passphrase"]).fails(&["already"]);
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "")).fails(&["empty"]);
    run(&mut cara.command(["contacts", "--passphrase-file", "does-not-exist"])).fails(&["does-not-exist"]);
    assert_eq!(tree(&cara.home), before, "a failed command changes nothing");
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "right")).ok();
}

#[test]
fn a_vault_in_use_by_another_process_says_so() {
    let sandbox = Sandbox::connected();
    let mut chat = Running(sandbox.ben.command(["chat", "ada"]).stdin(Stdio::piped()).spawn().unwrap());
    let mut greeting = String::new();
    let out = chat.0.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut greeting).unwrap();
    assert!(greeting.contains("Chat with ada"), "{greeting}");
    sandbox.ben.run(&["contacts"]).fails(&["in use", "process"]);
    chat.kill();
    sandbox.ben.run(&["contacts"]).ok();
}

#[test]
fn a_relay_with_another_fingerprint_is_not_talked_to() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.folder.path().join("other")).unwrap();
    let other = Relay::start(&sandbox.folder.path().join("other"));
    let (_, fingerprint) = other.address.split_once('#').unwrap();
    let (place, _) = sandbox.relay.address.split_once('#').unwrap();
    let cara = sandbox.person("cara");
    cara.run(&["init", "--no-passphrase", "--relay", &format!("{place}#{fingerprint}")]).ok();
    cara.run(&["invite", "dora"]).fails(&["fingerprint"]);
    assert_eq!(sandbox.relay.inspect()["mailboxes"], 0, "{}", sandbox.relay.inspect());
}

#[test]
fn relay_addresses_are_checked() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    let (place, fingerprint) = sandbox.relay.address.split_once('#').unwrap();
    for address in [
        "",
        "localhost",
        place,
        &format!("http://x/#{fingerprint}"),
        &format!("{place}#{}", &fingerprint[1..]),
    ] {
        cara.run(&["init", "--no-passphrase", "--relay", address]).fails(&["address"]);
    }
    assert!(!cara.home.join("vault.key").exists(), "nothing is left of what failed");
    cara.run(&["init", "--no-passphrase"]).ok();
    cara.run(&["invite", "ben"]).fails(&["relay"]);
}

#[test]
fn a_text_over_the_limit_is_refused_before_anything_changes() {
    let sandbox = Sandbox::connected();
    let long = "x".repeat(300_000);
    run_with_input(&mut sandbox.ben.command(["send", "ada", "-"]), Some(long.as_bytes()))
        .fails(&["long", "bytes"]);
    run_with_input(&mut sandbox.ben.command(["send", "ada", "-"]), Some(b"\xff\xfe")).fails(&["utf-8"]);
    run_with_input(&mut sandbox.ben.command(["send", "ada", "-"]), Some(b"")).fails(&["empty"]);
    sandbox.ben.run(&["send", "ada", "-"]).fails(&["empty"]);
    sandbox.ben.run(&["send", "ada", "short"]).ok();
    assert_eq!(sandbox.ada.texts(), ["short"]);
}

#[test]
fn a_relay_that_is_down_cannot_make_or_take_invites_and_says_so() {
    let mut sandbox = Sandbox::new();
    let link = sandbox.link();
    sandbox.relay.kill();
    sandbox.ada.run(&["invite", "cara"]).fails(&["relay", "reach"]);
    sandbox.ben.run(&["accept", &link, "ada"]).fails(&["relay", "reach"]);
    sandbox.relay.serve();
    sandbox.ben.run(&["accept", &link, "ada"]).ok();
    sandbox.ben.run(&["send", "ada", "hello"]).ok();
    assert_eq!(sandbox.ada.texts(), ["hello"]);
}

#[test]
fn junk_on_the_socket_disturbs_no_connection() {
    let sandbox = Sandbox::connected();
    let mut state = 88_172_645_463_325_252_u64;
    for round in 0..40_usize {
        let mut junk = match round % 3 {
            0 => Vec::new(),
            1 => b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(),
            _ => b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x7e\x10\x00".to_vec(),
        };
        for _ in 0..round * 50 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            junk.push(state.to_le_bytes()[0]);
        }
        let mut socket = TcpStream::connect(sandbox.relay.listen()).unwrap();
        let _ = socket.write_all(&junk);
    }
    sandbox.ben.run(&["send", "ada", "hello"]).ok();
    assert_eq!(sandbox.ada.texts(), ["hello"]);
}

#[test]
fn a_file_that_is_no_transcript_is_told_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk");
    let demo = |bytes: &[u8], words: &[&str]| {
        fs::write(&file, bytes).unwrap();
        run(deaddrop().args(["demo", "--transcript"]).arg(&file).args(words))
    };
    demo(b"", &[]).fails(&["transcript", "empty"]);
    demo(b"Ada\thello\nwhat is this\n", &[]).fails(&["line 2", "tab"]);
    demo(b"Ada\thello\nBen\t\xff\n", &[]).fails(&["line 2", "utf-8"]);
    demo(b"Ada\thello\n\n", &[]).fails(&["line 2"]);
    demo(b"Ada\thello\n", &["--me", "Ben"]).fails(&["--me"]);
    demo(format!("Ada\thello\nAda\t{}\n", "x".repeat(300_000)).as_bytes(), &[]).fails(&["line 2", "long"]);
    run(deaddrop().args(["demo", "--transcript", "does-not-exist"])).fails(&["transcript", "does-not-exist"]);
    run(deaddrop().args(["demo", "--flights", "3"])).fails(&["--transcript"]);
}

fn tree(folder: &std::path::Path) -> Vec<(String, u64)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_disk_that_rots_is_told() {
    let sandbox = Sandbox::connected();
    sandbox.ada.run(&["receive"]).ok();
    let vault = sandbox.ada.home.join("vault");
    let good = fs::read(&vault).unwrap();
    let (mut warned, mut refused) = (0, 0);
    // The slots of the first segment begin in its twelfth page; a bit of each of the first ones in turn.
    for slot in 0..60 {
        let mut bytes = good.clone();
        bytes[45_056 + 128 * slot + 20] ^= 1;
        fs::write(&vault, &bytes).unwrap();
        let done = sandbox.ada.run(&["contacts"]);
        assert!(!done.err.contains("panicked"), "{done:?}");
        if done.code != 0 {
            refused += 1;
        } else if done.err.contains("damaged") {
            warned += 1;
        } else {
            // Nothing that counts was hit.
            assert!(done.out.contains("ben"), "{done:?}");
        }
    }
    assert!(warned > 0, "no slot of a live record was hit; {refused} refused");
    fs::write(&vault, &good).unwrap();
    assert!(sandbox.ada.run(&["contacts"]).ok().err.is_empty());
}

#[test]
fn a_person_who_was_too_late_with_an_invite_can_take_another() {
    let sandbox = Sandbox::new();
    let link = sandbox.link();
    let late = sandbox.person("late");
    late.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    // Both have fetched the bundle before either has answered: the relay goes away in between.
    std::thread::scope(|scope| {
        let tries =
            [&sandbox.ben, &late].map(|person| scope.spawn(|| person.run(&["accept", &link, "ada"]).code));
        assert!(tries.map(|one| one.join().unwrap()).contains(&0));
    });
    sandbox.ada.run(&["receive"]).ok();
    let second = sandbox.link_for("the other");
    let again = [&sandbox.ben, &late].map(|person| person.run(&["accept", &second, "ada-again"]).code);
    assert!(again.contains(&0), "the one who was too late takes the second");
}

#[test]
fn a_mistyped_command_of_the_chat_is_not_sent() {
    let sandbox = Sandbox::connected();
    let said = common::run_with_input(
        &mut sandbox.ben.command(["chat", "ada"]),
        Some(b"/qut\n//slash\nhello\n/quit\n"),
    )
    .ok();
    assert!(said.err.contains("/quit"), "{said:?}");
    assert_eq!(sandbox.ada.texts(), ["/slash", "hello"]);
}

#[test]
fn the_command_line_says_that_the_clocks_disagree() {
    let mut sandbox = Sandbox::new();
    sandbox.link();
    let agrees = sandbox.ada.json(&["status"]).ok().json();
    assert_eq!(agrees["clock"]["agrees"], true, "{agrees}");
    sandbox.relay.kill();
    let (today, wrong) = (system_day(), system_day().plus(5).to_string());
    let data = sandbox.folder.path().join("relay/data");
    run(deaddrop().args(["relay", "day", "set", &wrong, "--destroys", "0", "--data"]).arg(&data)).ok();
    sandbox.relay.serve();
    let status = sandbox.ada.run(&["status"]).ok();
    assert!(status.out.contains("THE CLOCK IS WRONG") && status.out.contains(&wrong), "{status:?}");
    let status = sandbox.ada.json(&["status"]).ok().json();
    assert_eq!(status["clock"]["agrees"], false, "{status}");
    assert_eq!(status["clock"]["believed"], today.to_string(), "{status}");
    sandbox.ada.run(&["invite", "cara"]).fails(&["clock", &wrong, &today.to_string()]);
}
