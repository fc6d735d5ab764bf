//! A connection beside relays that are slow, silent, or name strange intervals. The time is virtual once the link is open.

use super::{super::follow, *};
use crate::{
    config::{Config, PrivateAddresses},
    home,
};
use deaddrop_engine::LinkPurpose;
use deaddrop_link::{
    ClientHello, OpenHalf, RelayHandshake, RelayIdentity, RelaySeed, SealHalf, capability::SendCapability,
};
use deaddrop_websocket::Socket;
use deaddrop_wire::{
    Blob, Day, Offer,
    item::{Hello, Ping, Pong, Put, RelayHello},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, pause, sleep},
};

const RELAY: RelayHello = RelayHello {
    day: Day::from_number(20_000),
    max_subscriptions: 100,
    max_in_flight: 16,
    puts_per_s: 50,
    put_burst: 500,
    blob_days: 30,
    large_blob_days: 7,
    token_needed: true,
};

/// The relay's end of a link.
struct RelayEnd {
    socket: Socket<TcpStream>,
    /// The TCP connection of `socket` once more, for a relay that reads bytes and no messages.
    below: TcpStream,
    seal: SealHalf,
    open: OpenHalf,
}

impl RelayEnd {
    /// Opens a link with one client. The relay's Hello names `ping_s` as the seconds between two
    /// pings.
    async fn accept(listener: TcpListener, identity: &RelayIdentity, ping_s: u16) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = stream.into_std().unwrap();
        let below = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let mut socket = deaddrop_websocket::accept(stream, request, 300_000).await.unwrap();
        let c1 = next_message(&mut socket).await.unwrap();
        let random = &mut crate::random::SystemRandom;
        let c1 = ClientHello::parse(&c1).unwrap();
        let (handshake, s1) = RelayHandshake::answer(identity, &Offer::v1(), &c1, random).unwrap();
        socket.send(s1, 0);
        let c2 = next_message(&mut socket).await.unwrap();
        let (link, hello) = handshake.on_c2(identity, &c2).unwrap();
        let (seal, open) = link.split();
        let mut relay = Self { socket, below, seal, open };
        relay.send(Hello { relay: Some(RELAY), ping_s, ..hello }.into());
        while relay.socket.is_sending() {
            let _ = relay.socket.progress(false).await;
        }
        relay
    }

    fn send(&mut self, item: Item) {
        for record in self.seal.seal(&[item]).unwrap() {
            self.socket.send(record, 0);
        }
    }

    /// Answers every ping, and returns how many there were when the client left.
    async fn answer_pings(mut self) -> usize {
        let mut pings = 0;
        while let Ok(record) = next_message(&mut self.socket).await {
            for item in self.open.open(&record).unwrap().items {
                if let Item::Ping(Ping { nonce }) = item {
                    pings += 1;
                    self.send(Pong { nonce }.into());
                }
            }
        }
        pings
    }
}

/// Returns both ends of a link, with `ping_s` in the relay's Hello. The time is virtual from then
/// on, and the relay's system buffers little, so that a relay that does not read is felt soon.
async fn link(ping_s: u16) -> (Connection, RelayEnd) {
    let folder = tempfile::tempdir().unwrap();
    let store =
        home::create(folder.path(), &crate::Unlock::KeyFile, deaddrop_shred::PassphraseCost::default())
            .unwrap();
    let config = Config { private_addresses: PrivateAddresses::Allow, ..Config::default() };
    let shared = Shared::new(crate::engine::create_in(store, None, 0).unwrap(), config);
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    socket2::SockRef::from(&listener).set_recv_buffer_size(4_096).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let (token, moved) = (ClientToken::from_bytes([0; 16]), Moved::default());
    let (client, relay) = tokio::join!(
        follow::open(&shared, LinkPurpose::Errand, &address, &token, &moved),
        RelayEnd::accept(listener, &identity, ping_s)
    );
    pause();
    (client.unwrap(), relay)
}

/// Returns a Put of a blob of 65,536 bytes, the largest size.
fn large_put() -> Item {
    let relay = deaddrop_wire::Fingerprint::from_bytes([1; 32]);
    let send = SendCapability::from_bytes([2; 32]).present(&relay);
    Put { req: 1, send, blob: Blob::new(vec![3; 65_536]).unwrap() }.into()
}

#[tokio::test]
async fn it_pings_as_often_as_the_hello_of_the_relay_says() {
    for (named, wanted) in [(2, 49..=50), (45, 2..=2), (0, 49..=50), (u16::MAX, 0..=0)] {
        let (mut client, relay) = link(named).await;
        let answering = tokio::spawn(relay.answer_pings());
        let stays = timeout(Duration::from_secs(101), async {
            loop {
                client.receive().await.unwrap();
            }
        });
        assert!(stays.await.is_err(), "{named}: the link stands");
        drop(client);
        let pings = answering.await.unwrap();
        assert!(wanted.contains(&pings), "{named}: {pings} pings in 101 s");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_relay_that_is_silent_is_left_after_two_and_a_half_periods() {
    for (named, seconds) in [(45, 112), (2, 112), (100, 250)] {
        let (mut client, relay) = link(named).await;
        // It reads the pings and answers none.
        let reading = tokio::spawn(crawl(relay, 10_000));
        let begun = Instant::now();
        assert_eq!(client.receive().await, Err(LinkClosed));
        let lasted = begun.elapsed().as_secs();
        reading.abort();
        assert!((seconds..seconds + 3).contains(&lasted), "{named}: {lasted} s");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_relay_that_takes_nothing_is_left_at_the_end_of_the_stall_time() {
    let (mut client, _relay) = link(45).await;
    (0..16).for_each(|_| client.send(&[large_put()]).unwrap());
    let begun = Instant::now();
    assert_eq!(client.receive().await, Err(LinkClosed));
    assert!((20..30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

/// Reads this many bytes a second below the socket. The relay handles none of them, so it answers
/// nothing.
async fn crawl(mut relay: RelayEnd, bytes_per_s: usize) {
    let mut space = vec![0; bytes_per_s];
    loop {
        sleep(Duration::from_secs(1)).await;
        let _ = relay.below.read(&mut space).await.unwrap();
    }
}

/// The relay says nothing for much longer than the silence that ends a link, because it is still
/// taking what was queued before.
#[tokio::test]
async fn a_line_that_takes_what_is_queued_is_not_silent() {
    let (mut client, relay) = link(45).await;
    let crawling = tokio::spawn(crawl(relay, 1_000));
    (0..5).for_each(|_| client.send(&[large_put()]).unwrap());
    let begun = Instant::now();
    // Nothing waits any more.
    assert_eq!(client.proceed().await, Ok(None));
    assert!(begun.elapsed() > Duration::from_millis(112_500) * 2, "{:?}", begun.elapsed());
    crawling.abort();
}

#[tokio::test]
async fn what_is_queued_ahead_follows_the_line() {
    let (mut client, relay) = link(45).await;
    let crawling = tokio::spawn(crawl(relay, 2_000));
    for _ in 0..3 {
        client.send(&[large_put()]).unwrap();
        assert_eq!(client.proceed().await, Ok(None));
    }
    assert!((4_000..20_000).contains(&client.line().ahead), "{}", client.line().ahead);
    crawling.abort();
}

/// The time limit of a message begins with its first bytes, though the link was idle before.
#[tokio::test]
async fn a_message_that_begins_and_stops_ends_the_link() {
    let (mut client, mut relay) = link(45).await;
    // A binary frame of 4,096 bytes, and the first of them.
    relay.below.write_all(&[0x82, 126, 0x10, 0x00, 1, 2, 3]).await.unwrap();
    // For the network of this machine, which knows no virtual time.
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    assert_eq!(client.receive().await, Err(LinkClosed));
    assert!((10..14).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}
