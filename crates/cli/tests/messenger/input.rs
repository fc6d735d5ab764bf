//! Input that is no text, or has no end.

use std::fs;

use crate::common::{Sandbox, run, run_with_input};

#[test]
fn a_line_that_is_no_text_ends_no_chat() {
    let sandbox = Sandbox::connected();
    let mut lines = b"one\nt\xe4glich\n".to_vec();
    lines.extend(vec![b'x'; 3 << 20]);
    lines.extend(b"\ntwo \0 and\nthree");
    let said = run_with_input(&mut sandbox.ben.command(["chat", "ada"]), Some(&lines)).ok();
    assert!(said.err.contains("line 2 was not sent") && said.err.contains("UTF-8"), "{said:?}");
    assert!(said.err.contains("line 3 was not sent") && said.err.contains("60,000 bytes"), "{said:?}");
    assert_eq!(sandbox.ada.texts(), ["one", "two \0 and", "three"]);
    let said =
        run_with_input(&mut sandbox.ben.command(["chat", "ada", "--json"]), Some(b"\xff\nlast\n")).ok();
    let refused = said.lines().into_iter().find(|object| object["kind"] == "not_sent").unwrap();
    assert_eq!((&refused["line"], &refused["error"]), (&1.into(), &"not_utf8".into()), "{refused}");
    assert_eq!(sandbox.ada.texts(), ["last"]);
}

#[test]
fn a_text_from_a_pipe_is_refused_with_the_reason() {
    let sandbox = Sandbox::connected();
    let send = |bytes: &[u8]| run_with_input(&mut sandbox.ben.command(["send", "ada", "-"]), Some(bytes));
    send(b"gr\xfc\xdfe").fails(&["UTF-8"]);
    send(&vec![b'x'; 3 << 20]).fails(&["60,000 bytes"]);
    // Longer than a text, and cut in the middle of a character where reading ends.
    send("\u{20ac}".repeat(30_000).as_bytes()).fails(&["60,000 bytes"]);
    send(b"").fails(&["empty"]);
    assert!(sandbox.ada.texts().is_empty());
}

#[test]
fn a_passphrase_file_counts_by_its_first_line() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    let file = sandbox.folder.path().join("passphrase");
    fs::write(&file, [b"correct horse\n", &[0xff; 5_000][..]].concat()).unwrap();
    run(cara.command(["init", "--passphrase-file"]).arg(&file)).ok();
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "correct horse")).ok();
}
