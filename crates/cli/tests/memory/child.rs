//! The process whose memory is looked at: a client that does what its parent says on its standard input.

use deaddrop_client::{Client, Config, EventKind, Unlock};
use std::{hint::black_box, io::BufRead, path::PathBuf, time::Duration};

/// Longer than any step takes, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads one order a line, and answers each with `ok`. Ends with its standard input.
#[allow(clippy::print_stdout, reason = "this is how it answers")]
pub(crate) fn run(home: &str) {
    let home = PathBuf::from(home);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut client: Option<Client> = None;
    let mut planted: Vec<Box<[u8; 32]>> = Vec::new();
    let mut after = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (order, text) = line.split_once(' ').unwrap_or((&line, ""));
        runtime.block_on(async {
            match (order, client.as_ref()) {
                ("open", None) => client = Some(Client::open(&home, Unlock::KeyFile, config()).await.unwrap()),
                ("close", Some(_)) => client.take().unwrap().close().await.unwrap(),
                ("plant", _) => planted.push(Box::new(super::planted(text.parse().unwrap()))),
                ("send", Some(client)) => {
                    client.send("ben", text).await.unwrap();
                    client.flush(PATIENCE).await.unwrap();
                }
                ("await", Some(client)) => {
                    let wait = async {
                        loop {
                            let event = client.next_event(after).await.unwrap();
                            after = event.number;
                            if matches!(&event.kind, EventKind::MessageReceived { text: got, .. } if got == text) {
                                return;
                            }
                        }
                    };
                    tokio::time::timeout(PATIENCE, wait).await.unwrap();
                }
                ("invite", Some(client)) => drop(client.invite(text).await.unwrap()),
                _ => panic!("{line}"),
            }
        });
        println!("ok");
    }
    black_box(&planted);
}

/// Receipts leave soon, so that a test need not wait for them.
fn config() -> Config {
    Config { receipt_delay: Duration::from_millis(20)..Duration::from_millis(100), ..Config::default() }
}
