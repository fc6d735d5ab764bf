//! A putting link whose relay takes nothing: the envelopes move to a newer address as soon as one is known.

use super::*;
use deaddrop_wire::item::Ping;

/// A client with a running putting link to a contact whose relay takes nothing, and a newer address
/// of the contact at a relay that takes puts.
struct Moving {
    world: World,
    id: u32,
    newer: MailboxAddress,
    puts: mpsc::UnboundedReceiver<()>,
}

impl Moving {
    async fn new(old: &RelayAddress, world: World) -> Self {
        let id = world.contact(old, &[]).await;
        let identity = Arc::new(RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32])));
        let listener = TcpListener::bind((OWN, 0)).await.unwrap();
        let url = format!("ws://{OWN}:{}/", listener.local_addr().unwrap().port());
        let relay = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
        let (told, puts) = mpsc::unbounded_channel();
        tokio::spawn(take_puts(listener, identity, told));
        let newer = MailboxAddress { relay, send: SendCapability::from_bytes([3; 32]) };
        Self { world, id, newer, puts }
    }

    /// Lets the client learn the contact's newer address, and checks that a put comes there.
    async fn tell_and_expect_a_put(mut self) {
        let (id, newer) = (self.id, self.newer.encode());
        let step = move |engine: &mut Engine<_>, _| {
            engine.learn_address(id, &newer);
            Ok::<_, crate::error::VaultError>(())
        };
        self.world.shared.step(step).await.unwrap();
        let put = tokio::time::timeout(PATIENCE, self.puts.recv()).await;
        assert!(put.is_ok_and(|put| put.is_some()), "the put stayed at the old address");
        self.world.shared.closing.send_replace(true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_relay_that_is_down_goes_to_a_newer_one() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let port = TcpListener::bind((OWN, 0)).await.unwrap().local_addr().unwrap().port();
    let moving = Moving::new(&relay(OWN, port), world).await;
    tokio::spawn(net::put(Arc::clone(&moving.world.shared), moving.id));
    sleep(Duration::from_millis(200)).await;
    moving.tell_and_expect_a_put().await;
}

/// Completes the handshakes of all links, then sends Ping without end and answers no Put.
async fn answer_no_put(listener: TcpListener, identity: RelayIdentity) -> Option<()> {
    loop {
        let (mut stream, _) = listener.accept().await.ok()?;
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
        }
        let mut socket = deaddrop_websocket::accept(stream, request, 300_000).await.ok()?;
        let c1 = next_message(&mut socket).await?;
        let c1 = ClientHello::parse(&c1).ok()?;
        let random = &mut crate::random::SystemRandom;
        let (handshake, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &c1, random).ok()?;
        socket.send(s1, 0);
        let c2 = next_message(&mut socket).await?;
        let (link, hello) = handshake.on_c2(&identity, &c2).ok()?;
        let (mut seal, _open) = link.split();
        let relay = RelayHello {
            day: TODAY,
            max_subscriptions: 1,
            max_in_flight: 1,
            puts_per_s: 9,
            put_burst: 9,
            blob_days: 9,
            large_blob_days: 9,
            token_needed: false,
        };
        let mut items: Vec<Item> = vec![Hello { relay: Some(relay), ..hello }.into()];
        loop {
            seal.seal(&items).ok()?.into_iter().for_each(|record| socket.send(record, 0));
            items = vec![Ping { nonce: 1 }.into()];
            // Reads and drops what the client sends; only a link that the client left ends this.
            if let Ok(None) =
                tokio::time::timeout(Duration::from_millis(200), next_message(&mut socket)).await
            {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_no_put_does_not_hold_it_with_pings() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([4; 32]));
    let listener = TcpListener::bind((OWN, 0)).await.unwrap();
    let url = format!("ws://{OWN}:{}/", listener.local_addr().unwrap().port());
    let old = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    tokio::spawn(answer_no_put(listener, identity));
    let moving = Moving::new(&old, world).await;
    tokio::spawn(net::put(Arc::clone(&moving.world.shared), moving.id));
    sleep(Duration::from_millis(500)).await;
    moving.tell_and_expect_a_put().await;
}
