//! Two people and one message in ten lines: `cargo run -p deaddrop-client --example ten_lines -- ws://HOST:PORT/#FINGERPRINT`.

use deaddrop_client::{Client, Config, EventKind, Unlock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let relay =
        std::env::args().nth(1).ok_or("give a relay's address, ws://HOST:PORT/#FINGERPRINT")?.parse()?;
    let folder = tempfile::tempdir()?;

    let ada =
        Client::create(folder.path().join("ada"), Unlock::KeyFile, Some(relay), Config::default()).await?;
    let ben = Client::create(folder.path().join("ben"), Unlock::KeyFile, None, Config::default()).await?;
    let link = ada.invite("Ben").await?;
    ben.accept(&link, "Ada").await?;
    ben.send("Ada", "Hello from Ben").await?;
    let mut after = 0;
    loop {
        let event = ada.next_event(after).await?;
        after = event.number;
        if let EventKind::MessageReceived { text, .. } = event.kind {
            assert_eq!(text, "Hello from Ben");
            break;
        }
    }

    ada.close().await?;
    ben.close().await?;
    Ok(())
}
