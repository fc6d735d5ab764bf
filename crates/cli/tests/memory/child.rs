//! The process whose memory is examined: a client that carries out the orders of the parent
//! process, which come on its standard input.

use super::{COST, Kind, passphrase, planted};
use deaddrop_client::{Client, Config, EventKind, Unlock};
use std::{hint::black_box, io::BufRead, path::PathBuf, time::Duration};
use tokio::time::timeout;

/// Maximum time of a step of the client. A step that takes longer hangs, and the process panics.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads orders, one a line, and answers each with a line: `ok`, or `ok` and a link. Ends with its
/// standard input.
#[allow(clippy::print_stdout, reason = "this is how it answers")]
pub(crate) fn run(home: &str, kind: Kind) {
    let home = PathBuf::from(home);
    let unlock = || match kind {
        Kind::KeyFile => Unlock::KeyFile,
        Kind::Passphrase => Unlock::Passphrase(passphrase()),
    };
    // It lives longer than every client, as that of an app does.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut client: Option<Client> = None;
    let mut kept: Vec<Box<[u8; 32]>> = Vec::new();
    let mut after = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (order, text) = line.split_once(' ').unwrap_or((&line, ""));
        let mut answer = String::from("ok");
        runtime.block_on(async {
            match (order, client.as_ref()) {
                ("plant", _) => kept.push(Box::new(planted(text.parse().unwrap()))),
                ("create", None) => {
                    let relay = Some(text.parse().unwrap());
                    client = Some(Client::create(&home, unlock(), relay, config()).await.unwrap());
                }
                ("open", None) => client = Some(Client::open(&home, unlock(), config()).await.unwrap()),
                ("close", Some(_)) => client.take().unwrap().close().await.unwrap(),
                ("invite", Some(client)) => answer = format!("ok {}", client.invite(text).await.unwrap()),
                ("accept", Some(client)) => client.accept(text, "cara").await.unwrap(),
                ("send", Some(client)) => {
                    client.send("ben", text).await.unwrap();
                    client.flush(PATIENCE).await.unwrap();
                }
                ("await", Some(client)) => timeout(PATIENCE, heard(client, text, &mut after)).await.unwrap(),
                _ => panic!("{line}"),
            }
        });
        println!("{answer}");
    }
    black_box(&kept);
}

/// Waits for an event with the text `wanted` after the event number `after`, which is moved to that
/// event.
async fn heard(client: &Client, wanted: &str, after: &mut u64) {
    loop {
        let event = client.next_event(*after).await.unwrap();
        *after = event.number;
        if matches!(&event.kind, EventKind::MessageReceived { text, .. } if text == wanted) {
            return;
        }
    }
}

/// Returns settings under which receipts leave soon, so that the test need not wait for them, and
/// Argon2id costs little.
fn config() -> Config {
    Config {
        receipt_delay: Duration::from_millis(20)..Duration::from_millis(100),
        passphrase_cost: COST,
        ..Config::default()
    }
}
