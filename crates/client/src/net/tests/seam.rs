//! Links over another transport than TCP: queues in memory, without a socket.

use super::{
    transport::{ConnectedStream, Connecting, Destination, MessageStream, StreamEvent, Transport},
    *,
};
use deaddrop_engine::conversation::TlsFault;
use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A transport whose connections are queues in memory. At the other end of each, a task plays a
/// correct relay.
struct QueueTransport {
    /// The address of the only relay to which the transport connects.
    known: RelayAddress,
    connections: Arc<AtomicUsize>,
    puts: Arc<AtomicUsize>,
}

/// One end of a connection: two queues of messages, and the numbers of bytes that have passed.
struct QueueEnd {
    incoming: UnboundedReceiver<Vec<u8>>,
    outgoing: UnboundedSender<Vec<u8>>,
    read: u64,
    written: u64,
}

fn pair() -> (QueueEnd, QueueEnd) {
    let (up, down) = (unbounded_channel(), unbounded_channel());
    let end = |incoming, outgoing| QueueEnd { incoming, outgoing, read: 0, written: 0 };
    (end(down.1, up.0), end(up.1, down.0))
}

impl Transport for QueueTransport {
    fn check(&self, relay: &RelayAddress) -> Result<(), ConnectError> {
        if *relay == self.known { Ok(()) } else { Err(ConnectError::Tls(TlsFault::NotTls)) }
    }

    fn open_stream<'a>(&'a self, _: Destination<'a>, _: usize) -> Connecting<'a> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let (near, far) = pair();
        tokio::spawn(serve_queue(far, Arc::clone(&self.puts)));
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Box::pin(async move { Ok(ConnectedStream { stream: Box::new(near), address }) })
    }
}

impl MessageStream for QueueEnd {
    fn set_max_message(&mut self, _: usize) {}

    fn send(&mut self, message: Vec<u8>, _: usize) {
        self.written += message.len() as u64;
        let _ = self.outgoing.send(message);
    }

    fn poll_event(&mut self, context: &mut Context<'_>, read: bool) -> Poll<StreamEvent> {
        if !read {
            return Poll::Pending;
        }
        self.incoming.poll_recv(context).map(|message| match message {
            Some(message) => {
                self.read += message.len() as u64;
                StreamEvent::Message(message)
            }
            None => StreamEvent::Over,
        })
    }

    fn is_sending(&self) -> bool {
        false
    }

    fn is_in_message(&self) -> bool {
        false
    }

    fn bytes_read(&self) -> u64 {
        self.read
    }

    fn bytes_written(&self) -> u64 {
        self.written
    }

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn unsent_reply_bytes(&self) -> usize {
        0
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Plays the relay at its end of a connection, and counts the puts in `puts`.
async fn serve_queue(mut end: QueueEnd, puts: Arc<AtomicUsize>) -> Option<()> {
    let (identity, random) = (identity(), &mut crate::random::SystemRandom);
    let c1 = end.incoming.recv().await?;
    let c1 = ClientHello::parse(&c1).ok()?;
    let (handshake, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &c1, random).ok()?;
    end.outgoing.send(s1).ok()?;
    let c2 = end.incoming.recv().await?;
    let (mut link, hello) = handshake.on_c2(&identity, &c2).ok()?;
    let mut replies = vec![Hello { relay: Some(relay_hello()), ..hello }.into()];
    loop {
        for record in link.seal(&replies).ok()? {
            end.outgoing.send(record).ok()?;
        }
        let record = end.incoming.recv().await?;
        let items = link.open(&record).ok()?.items;
        puts.fetch_add(items.iter().filter(|item| kind(item) == "put").count(), Ordering::SeqCst);
        replies = items.iter().flat_map(|item| obey(item).items).collect();
    }
}

fn identity() -> RelayIdentity {
    RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]))
}

#[tokio::test(start_paused = true)]
async fn a_client_reads_and_puts_over_a_transport_without_sockets() {
    let relay = RelayAddress::new(*identity().fingerprint(), "ws://queue.example:1/").unwrap();
    let (connections, puts) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let transport = QueueTransport {
        known: relay.clone(),
        connections: Arc::clone(&connections),
        puts: Arc::clone(&puts),
    };
    let world = World::with_transport(&relay, &relay, Some(Box::new(transport))).await;
    world.supervise();
    world.until(&relay, Connectivity::CaughtUp).await;
    world.send("hello").await;
    sleep(seconds(5)).await;
    assert_eq!(world.shared.look(Engine::waiting).unwrap().0, 0);
    assert!(puts.load(Ordering::SeqCst) >= 1);
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one to read, one to put");
    // An address that the transport does not know is not connected to.
    let other = RelayAddress::new(*identity().fingerprint(), "ws://queue.example:2/").unwrap();
    let link = open_link(&world.shared, &other, &Moved::default()).await;
    assert_eq!(link.err(), Some(ConnectError::Tls(TlsFault::NotTls)));
}
