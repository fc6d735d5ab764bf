//! Slow lines: links are opened one after the other, and the client waits for those that make progress.

use super::{connection::Connection, *};
use deaddrop_engine::LinkPurpose;
use deaddrop_engine::conversation::MAX_OPENING;
use deaddrop_wire::ClientToken;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::Mutex as Turn,
};

/// Starts a slow line to a relay, and returns the address of its near end, and its task. All
/// connections through the line share `bytes_per_s`, in each direction.
async fn line_to(relay: &RelayAddress, bytes_per_s: u64) -> (RelayAddress, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = SocketAddr::from(([127, 0, 0, 1], relay.port()));
    let (up, down) = (Arc::new(Turn::new(())), Arc::new(Turn::new(())));
    let carrying = tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (up, down) = (Arc::clone(&up), Arc::clone(&down));
            tokio::spawn(async move {
                let far = TcpStream::connect(server).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::join!(
                    pass(near_read, far_write, &up, bytes_per_s),
                    pass(far_read, near_write, &down, bytes_per_s)
                );
            });
        }
    });
    (RelayAddress::new(*relay.fingerprint(), &url).unwrap(), carrying)
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    turn: &Turn<()>,
    bytes_per_s: u64,
) {
    let mut piece = [0; 100];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let turn = turn.lock().await;
        sleep(Duration::from_millis(1_000 * count as u64 / bytes_per_s)).await;
        drop(turn);
        if to.write_all(&piece[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Starts a relay that accepts connections and says nothing. Returns its address, the number of
/// connections that are open, and its task.
async fn silent() -> (RelayAddress, Arc<AtomicUsize>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]));
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, open, accepting)
}

/// Opens a link as a putter does. Returns a task with the result, and the time since `begin` at
/// which it was there.
fn open(
    world: &World,
    relay: &RelayAddress,
    begin: Instant,
) -> JoinHandle<(Result<Connection, ConnectError>, Duration)> {
    let (shared, relay) = (Arc::clone(&world.shared), relay.clone());
    tokio::spawn(async move {
        let token = ClientToken::from_bytes([0; 16]);
        let opened = follow::open(&shared, LinkPurpose::Errand, &relay, &token, &Moved::default()).await;
        (opened, begin.elapsed())
    })
}

#[tokio::test(start_paused = true)]
async fn twenty_links_over_a_slow_line_all_open_within_their_time() {
    let relay = Scripted::start(|_, item| obey(item)).await;
    let (_peer, world) = World::at(&relay.address).await;
    let (address, _carrying) = line_to(&relay.address, 2_000).await;
    let begin = Instant::now();
    let opening: Vec<_> = (0..20).map(|_| open(&world, &address, begin)).collect();
    let mut links = Vec::new();
    for (number, opening) in opening.into_iter().enumerate() {
        let (opened, took) = opening.await.unwrap();
        assert!(opened.is_ok(), "link {number}: {:?} after {took:?}", opened.err());
        links.push(opened);
    }
    assert_eq!(relay.connections(), 20, "none was thrown away");
    assert!(begin.elapsed() < seconds(90), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_stalls_holds_a_turn_no_longer_than_the_deadline_and_errands_go_first() {
    let (address, connected, _accepting) = silent().await;
    let (_peer, world) = World::at(&address).await;
    let begin = Instant::now();
    let opening: Vec<_> = (0..6).map(|_| open(&world, &address, begin)).collect();
    sleep(seconds(1)).await;
    assert_eq!(connected.load(Ordering::SeqCst), MAX_OPENING);
    let errand = open_link(&world.shared, &address, &Moved::default()).await;
    assert_eq!(errand.err(), Some(ConnectError::Down));
    let patience = world.shared.config.patience;
    assert_eq!(begin.elapsed().as_secs(), patience.as_secs() * 2, "its own time begins with its turn");
    assert!(connected.load(Ordering::SeqCst) <= MAX_OPENING);
    let mut times = Vec::new();
    for opening in opening {
        let (opened, took) = opening.await.unwrap();
        assert_eq!(opened.err(), Some(ConnectError::Down));
        times.push(took.as_secs() / patience.as_secs());
    }
    assert_eq!(times, [1, 1, 2, 3, 3, 4]);
    // The turns are free again, also those of links that were given up.
    for _ in 0..9 {
        let token = ClientToken::from_bytes([0; 16]);
        let moved = Moved::default();
        let opening = follow::open(&world.shared, LinkPurpose::Errand, &address, &token, &moved);
        assert!(tokio::time::timeout(seconds(1), opening).await.is_err());
    }
    let last = open(&world, &address, Instant::now()).await.unwrap();
    assert_eq!(last.1.as_secs(), patience.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_does_not_stand_yet_is_being_connected() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let (address, _, _accepting) = silent().await;
    let world = World::new(&own.address, &address).await;
    world.supervise();
    world.send("hello").await;
    let state = || world.shared.progress.putting().values().map(|dated| dated.state).collect::<Vec<_>>();
    sleep(seconds(10)).await;
    assert_eq!(state(), [PutState::Connecting]);
    sleep(seconds(6)).await;
    assert_eq!(state(), [PutState::Down]);
    sleep(seconds(10)).await;
    assert_eq!(state(), [PutState::Down], "a second attempt is not news");
}

#[test]
fn the_specification_has_these_numbers() {
    let spec = include_str!("../../../../../spec/14-client.md");
    let (opening, moving) = (MAX_OPENING, moved::MOVING.as_secs());
    let errand = deaddrop_engine::conversation::LONGEST_ERRAND.as_secs();
    for text in [
        format!("At most {opening} links are opened to one address of a relay at once"),
        format!("| links that are opened to one address of a relay at once | {opening} |"),
        format!("| an errand of an invite link whose link moves | {errand} s |"),
        format!("it goes on afterwards, to {errand} s in all"),
        format!("within the last {moving} s a part of a message"),
    ] {
        assert!(spec.contains(&text), "{text}");
    }
}
