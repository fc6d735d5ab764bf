//! Relays that speak only another version of the protocol.

use super::*;
use crate::{Client, Unlock};
use std::sync::atomic::{AtomicBool, Ordering};

/// Returns a relay that speaks only version 2 of the protocol, and its task: at the place of the
/// relay `at`, or at a new address.
async fn newer_relay(at: Option<&RelayAddress>) -> (RelayAddress, JoinHandle<()>) {
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]));
    let listener = loop {
        match TcpListener::bind(("127.0.0.1", at.map_or(0, RelayAddress::port))).await {
            Ok(listener) => break listener,
            // The relay before it is not gone yet.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream));
        }
    });
    (address, serving)
}

async fn refuse(mut stream: TcpStream) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    let mut socket = deaddrop_websocket::accept(stream, request, 300_000).await.ok()?;
    message(&mut socket).await?;
    socket.send(b"ddNV\x01\x02\x00".to_vec(), 0);
    socket.close().await;
    Some(())
}

#[tokio::test(start_paused = true)]
async fn a_user_is_told_that_one_of_two_programs_must_be_updated() {
    let is_updated = Arc::new(AtomicBool::new(false));
    let closes = Arc::clone(&is_updated);
    let older =
        Scripted::start(move |_, item| if closes.load(Ordering::SeqCst) { close() } else { obey(item) });
    let older = older.await;
    let address = older.address.clone();
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        now: Arc::new(|| u64::from(TODAY.number()) * 86_400),
        private_addresses: PrivateAddresses::Allow,
        ..Config::default()
    };
    let home = folder.path().join("ada");
    let client = Client::create(home, Unlock::KeyFile, Some(address.clone()), config).await.unwrap();
    client.invite("Ben").await.unwrap();
    client.wait_caught_up(seconds(60)).await.unwrap();
    // The operator updates the relay, to a version that does not speak ours any more.
    is_updated.store(true, Ordering::SeqCst);
    drop(older);
    let (_, serving) = newer_relay(Some(&address)).await;
    let wanted = ClientError::NoCommonVersion;
    assert!(wanted.to_string().contains("one of the two must be updated"));
    assert_eq!(client.invite("Dan").await, Err(wanted));
    // It is known soon: there is nothing to wait for.
    let begin = Instant::now();
    assert_eq!(client.wait_caught_up(seconds(60)).await, Err(wanted));
    let report = client.sync(seconds(60)).await.unwrap();
    assert_eq!(report.relays.values().collect::<Vec<_>>(), [&Connectivity::NoCommonVersion]);
    assert!(!report.is_done());
    assert!(begin.elapsed() < seconds(10), "{:?}", begin.elapsed());
    client.close().await.unwrap();
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_contact_at_such_a_relay_is_tried_again() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let (relay, serving) = newer_relay(None).await;
    let world = World::new(&own.address, &relay).await;
    world.supervise();
    world.send("hello").await;
    sleep(seconds(10)).await;
    let states = world.shared.progress.putting();
    let states: Vec<PutState> = states.values().map(|dated| dated.state).collect();
    assert_eq!(states, [PutState::NoCommonVersion]);
    serving.abort();
}
