//! Orders and questions of an operator to a running relay: signals, health, the day.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_relay::clock::system_day;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{AnswerCode, Ping};
use deaddrop_wire::{Day, Item};
use std::fs::File;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn signals_report_and_do_not_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&Mailbox::new()).await, AnswerCode::Done);
    relay.signal("-HUP");
    told(&log, "was not read again").await;
    relay.signal("-USR1");
    let said = told(&log, "counters: ").await;
    assert!(said.contains("1 mailboxes, 0 blobs, 0 bytes; 1 connections"), "{said}");
    assert!(said.contains("; 1 of 512 segments in use, "), "{said}");
    client.send(&[Ping { nonce: 5 }.into()]).await;
    client.until(|item| matches!(item, Item::Pong(pong) if pong.nonce == 5)).await;
    relay.signal("-INT");
    client.until(|item| matches!(item, Item::GoAway(_))).await;
    assert!(relay.stop(), "it drains and ends well");
}

/// A second order to stop does not wait for a link that does nothing.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_order_to_stop_waits_for_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    std::fs::write(data.join("config.toml"), format!("{HURRIED}drain_ms = 3600000\n")).unwrap();
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    let _silent = Client::connect(&relay.address, 1).await;
    relay.signal("-TERM");
    told(&log, "stopping: 1 connections").await;
    assert!(relay.stop());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("ordered to stop again") && said.contains("stopped; 1 connections were cut"),
        "{said}"
    );
}

async fn page(relay: &Relay, path: &str) -> String {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

async fn ready(relay: &Relay) -> String {
    page(relay, "/ready").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_not_ready_while_puts_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    std::fs::write(
        data.join("config.toml"),
        format!("{HURRIED}\nnotice_every_ms = 1000\nblobs = 10\nput_percent = 50\ncreate_percent = 100\n"),
    )
    .unwrap();
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..5 {
        assert!(ready(&relay).await.starts_with("HTTP/1.1 200"));
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    }
    assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Busy);
    let page = ready(&relay).await;
    let why =
        "\r\n\r\nnot taking puts: blobs or bytes are at their limits\noldest dead byte: at most 151 s\n";
    assert!(page.starts_with("HTTP/1.1 503") && page.ends_with(why), "{page}");
    let alive = self::page(&relay, "/health").await;
    assert!(
        alive.starts_with("HTTP/1.1 200") && alive.ends_with("\r\n\r\nok\n"),
        "the process lives: {alive}"
    );
    told(&log, "the store is at a limit").await;
    told(&log, "puts are refused: blobs or bytes are at their limits; 1 of 512 segments in use").await;
    client.subscribe(1, &mailbox.read).await;
    client.delivery().await;
    client.ack(1, 1).await;
    assert!(ready(&relay).await.starts_with("HTTP/1.1 200"), "there is room again");
    told(&log, "puts are accepted again; ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_has_grown_to_its_limit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["init", "--segment-mib", "1", "--max-mib", "4", "--data"];
    assert!(program().args(args).arg(&data).stdout(std::process::Stdio::null()).status().unwrap().success());
    std::fs::write(data.join("config.toml"), HURRIED).unwrap();
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    let mut put = 0;
    while client.put(&mailbox.send, blob(SizeClass::Large)).await == AnswerCode::Done {
        put += 1;
        assert!(put < 64, "4 MiB are full");
    }
    assert!(ready(&relay).await.contains("not taking puts: the store or its disk is full\n"));
    told(&log, "writes found no room").await;
    told(&log, "puts are refused: the store or its disk is full; ").await;
    let (worked, said) = run(&["inspect"], &data);
    assert!(worked && said.contains(" of 4 segments ("), "{said}");
    // There is room again as soon as something was acked: nothing is started again.
    client.subscribe(1, &mailbox.read).await;
    for tag in 1..=put {
        client.delivery().await;
        client.ack(1, tag).await;
    }
    assert!(ready(&relay).await.starts_with("HTTP/1.1 200"));
    assert_eq!(client.put(&mailbox.send, blob(SizeClass::Large)).await, AnswerCode::Done);
    assert!(relay.stop());
    let (worked, said) = run(&["check", "--json"], &data);
    let checked: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(worked && checked["filled"]["max_segments"] == 4 && checked["filled"]["percent_in_use"].is_u64());
}

/// A relay on a full volume of 5 MiB takes puts again after acks. Ends at once if the test may not
/// mount a volume.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_volume_is_used_again_after_acks() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = |args: &[&str]| {
        let mut command = std::process::Command::new(args[0]);
        command.args(&args[1..]).arg(dir.path()).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mounted(&["mount", "-t", "tmpfs", "-o", "size=5m,mode=0700", "tmpfs"]) {
        return;
    }
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let _unmount = Unmount(dir.path());
    let data = dir.path().join("data");
    init(&data);
    let relay = Relay::serve(&data, &[]);
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..3 {
        let mut put = 0;
        while client.put(&mailbox.send, blob(SizeClass::Large)).await == AnswerCode::Done {
            put += 1;
            assert!(put < 90, "the volume has 5 MiB");
        }
        assert!(put > 8, "{put}");
        assert!(ready(&relay).await.contains("not taking puts: the store or its disk is full\n"));
        let mut reader = Client::connect(&relay.address, 2).await;
        reader.subscribe(1, &mailbox.read).await;
        for tag in 1..=put {
            reader.delivery().await;
            reader.ack(1, tag).await;
        }
    }
    assert!(relay.stop());
}

/// `inspect` and `check` tell of dead bytes: the relay was killed before it had zeroed the acked
/// blobs.
#[tokio::test(flavor = "multi_thread")]
async fn dead_bytes_are_told_beside_a_relay_that_does_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let told = |command: &str| {
        let (worked, said) = run(&[command], &data);
        assert!(worked, "{said}");
        said
    };
    assert!(told("inspect").contains("; dead bytes: none\n"));
    let relay = Relay::serve(&data, &[]);
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..3 {
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Large)).await, AnswerCode::Done);
    }
    client.subscribe(1, &mailbox.read).await;
    for tag in 1..=3 {
        client.delivery().await;
        client.ack(1, tag).await;
    }
    relay.kill();
    let written = std::fs::metadata(data.join("store.shred")).unwrap().modified().unwrap();
    let seconds = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let day = Day::of_unix_seconds(seconds);
    for said in [told("inspect"), told("check")] {
        let when = format!(", erased before {day} {:02}:{:02} UTC", seconds / 3_600 % 24, seconds / 60 % 60);
        assert!(
            said.contains("; dead bytes: 192.") && said.contains(" KiB") && said.contains(&when),
            "{said}"
        );
        assert!(said.contains("another does when it starts\n"), "{said}");
    }
    let json: serde_json::Value = serde_json::from_str(&run(&["inspect", "--json"], &data).1).unwrap();
    assert_eq!(json["store"]["erased_before"], seconds);
    assert!(json["store"]["dead_bytes"].as_u64().unwrap() >= 3 * (64 << 10));
    assert!(Relay::serve(&data, &[]).stop());
    assert!(told("inspect").contains("; dead bytes: none\n"));
    let json: serde_json::Value = serde_json::from_str(&run(&["inspect", "--json"], &data).1).unwrap();
    assert!(json["store"]["dead_bytes"] == 0 && json["store"]["erased_before"].is_null());
}

fn run(args: &[&str], data: &Path) -> (bool, String) {
    let output = program().args(args).arg("--data").arg(data).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_is_set_with_the_number_of_what_it_destroys() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let set = |day: Day, more: &[&str]| {
        let date = day.to_string();
        run(&[&["day", "set", date.as_str()], more].concat(), dir.path())
    };
    assert!(run(&["day", "show"], dir.path()).1.contains("no day is stored yet"));
    let mailbox = Mailbox::new();
    let relay = Relay::serve(dir.path(), &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    client.create(&mailbox).await;
    for _ in 0..2 {
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    }
    let unused = Mailbox::new();
    client.create(&unused).await;
    let today = system_day();
    let (worked, said) = set(today.plus(3), &["--destroys", "1"]);
    assert!(!worked && said.contains("in use by another process"), "{said}");
    assert!(run(&["day", "show"], dir.path()).1.contains(&today.to_string()), "while it serves");
    assert!(relay.stop());

    // Forward: only with the number. The mailbox that was never used is over, and later the other one with its blobs.
    let (worked, said) = set(today.plus(3), &[]);
    assert!(!worked && said.contains("1 mailboxes and 0 blobs") && said.contains("--destroys 1"), "{said}");
    let (worked, said) = set(today.plus(200), &["--destroys", "1"]);
    assert!(!worked && said.contains("--destroys 4"), "{said}");
    assert!(run(&["day", "show"], dir.path()).1.contains(&today.to_string()), "nothing was changed");
    let (worked, said) = set(today.plus(200), &["--destroys", "4"]);
    assert!(worked && said.contains(&format!("nothing expires before {}", today.plus(207))), "{said}");
    let (worked, said) = run(&["check"], dir.path());
    assert!(worked && said.contains("the day stands still"), "{said}");
    let log = dir.path().join("log");
    let relay = Relay::serve_with(dir.path(), &[], File::create(&log).unwrap().into());
    told(&log, "the system's clock is not believed").await;
    assert!(relay.stop());

    // Back: no number is needed, and leases that were counted from the wrong day are cut.
    let (worked, said) = set(today, &["--json"]);
    assert!(worked, "{said}");
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&told["before"], &told["day"]),
        (&today.plus(200).to_string().into(), &today.to_string().into())
    );
    assert_eq!(told["expires_from"], today.plus(7).to_string());
    let said = run(&["day", "show", "--json"], dir.path()).1;
    let shown: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(shown["day"], today.to_string());
    let relay = Relay::serve(dir.path(), &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    client.subscribe(1, &mailbox.read).await;
    client.delivery().await;
    assert!(relay.stop(), "nothing was lost");

    for (day, why) in
        [("2099-01-01", "2046-12-31"), ("1970-01-01", "2025-01-01"), ("2026-02-30", "YYYY-MM-DD")]
    {
        let (worked, said) = run(&["day", "set", day], dir.path());
        assert!(!worked && said.contains(why), "{said}");
    }
}

/// Polling `inspect` shows no series of one mailbox: mailboxes come in another order each time, with
/// counts in steps, and a summary leaves them out.
#[tokio::test(flavor = "multi_thread")]
async fn inspect_does_not_show_the_activity_of_one_mailbox() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let relay = Relay::serve(&data, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    let mut orders = std::collections::BTreeSet::new();
    for blobs in 1..=12 {
        let mailbox = Mailbox::new();
        assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
        for _ in 0..blobs {
            assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
        }
    }
    for _ in 0..8 {
        let json: serde_json::Value = serde_json::from_str(&run(&["inspect", "--json"], &data).1).unwrap();
        assert_eq!((&json["mailboxes"], &json["blobs"]), (&12.into(), &78.into()), "totals are exact");
        let each = json["each"].as_array().unwrap();
        let small: Vec<u64> =
            each.iter().map(|one| one["blobs_at_least"]["small"].as_u64().unwrap()).collect();
        assert_eq!(
            (small.iter().filter(|count| **count == 1).count(), small.iter().sum::<u64>()),
            (3, 3 + 9 * 4)
        );
        orders.insert(small);
    }
    assert!(orders.len() > 1, "the order is drawn: {orders:?}");
    let (_, text) = run(&["inspect"], &data);
    assert_eq!(text.matches("a mailbox: at least ").count(), 12, "{text}");
    let (_, summary) = run(&["inspect", "--summary"], &data);
    assert!(summary.starts_with("12 mailboxes, 78 blobs") && !summary.contains("a mailbox"), "{summary}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["inspect", "--summary", "--json"], &data).1).unwrap();
    assert!(json.get("each").is_none() && json["blobs"] == 78);
    assert!(relay.stop());
}

/// An `init` that fails leaves nothing behind, and says what to do.
#[test]
fn an_init_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let init = |more: &[&str], data: &std::path::Path| {
        let run = program().args(["init"]).args(more).arg("--data").arg(data).output().unwrap();
        (run.status.success(), String::from_utf8(run.stderr).unwrap())
    };
    let (worked, said) = init(&["--max-mib", "4", "--segment-mib", "256"], &data);
    assert!(!worked && said.contains("raise --max-mib to four times --segment-mib"), "{said}");
    assert!(!data.exists());
    // The store cannot be made: a folder lies where its file comes.
    #[cfg(target_os = "linux")]
    {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_deaddrop-relay")]);
        let run = command.args(["init", "--data"]).arg(&data).output().unwrap();
        assert!(!run.status.success(), "{run:?}");
        assert!(!data.exists() || run.status.code().is_none(), "{run:?}");
    }
}

/// A directory of another user is told as such.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_of_another_user_is_told() {
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).unwrap();
    // Another user can be taken by root alone, and must be able to run the program.
    let program = dir.path().join("deaddrop-relay");
    std::fs::copy(env!("CARGO_BIN_EXE_deaddrop-relay"), &program).unwrap();
    let run =
        std::process::Command::new(&program).uid(65_534).args(["inspect", "--data"]).arg(&data).output();
    let Ok(run) = run else { return };
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success() && said.contains("run the command as the user that made it"), "{said}");
}
