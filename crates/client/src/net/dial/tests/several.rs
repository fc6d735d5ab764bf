//! Names with several addresses, over real sockets, and names that are slow to resolve.

use super::*;
use socket2::{Domain, Type};
use std::net::SocketAddr;

/// A third address of this machine, at which a [`black_hole`] listens.
const HOLE: &str = "127.0.0.3";

/// Returns a listener at [`HOLE`] to which connecting never ends: its queue is full, so the system
/// drops all further connections. The connections in the queue are returned too, because they must
/// stay open.
async fn black_hole(port: u16) -> (socket2::Socket, Vec<TcpStream>) {
    let address = SocketAddr::new(HOLE.parse().unwrap(), port);
    let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.set_reuse_address(true).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queued.push(stream.unwrap());
        assert!(queued.len() < 10, "the queue does not fill");
    }
    (listener, queued)
}

#[tokio::test]
async fn a_black_holed_address_does_not_keep_the_client_from_the_next_one() {
    let world = World::new(OWN, PrivateAddresses::Allow).await;
    let port = world.own.local_addr().unwrap().port();
    let _hole = black_hole(port).await;
    let own_ip: IpAddr = OWN.parse().unwrap();
    world.names.set("several.example", &[&[HOLE, OWN]]);
    let several = relay("several.example", port);
    let dialled = world.dial(&several, Consent::Rule);
    assert_eq!(tokio::time::timeout(PATIENCE, dialled).await, Ok(Ok(own_ip)));
}

#[tokio::test]
async fn the_rule_is_applied_to_each_address_before_the_race() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let port = world.canary.local_addr().unwrap().port();
    // The canary listens at the same port as the black hole: only a connection to it would succeed.
    let hole: IpAddr = HOLE.parse().unwrap();
    world.shared.step(move |engine, _| engine.allow_private(hole)).await.unwrap();
    let _hole = black_hole(port).await;
    world.names.set("several.example", &[&[HOLE, CANARY, "10.0.0.1"]]);
    let several = relay("several.example", port);
    let dialled = world.dial(&several, Consent::Rule);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), dialled).await.is_err(),
        "the black hole alone is tried"
    );
    assert!(!is_heard(&world.canary).await);
}

/// A client with two relays of its own, of which one has a name that is never resolved.
#[tokio::test]
async fn an_own_relay_whose_name_is_slow_delays_no_other() {
    let world = World::new("slow.example", PrivateAddresses::Refuse).await;
    let port = world.own.local_addr().unwrap().port();
    let other = relay("other.example", port);
    // Mailboxes stay at the first relay.
    world.contact(&other, &[]).await;
    world.shared.step(move |engine, _| engine.set_relay(&other)).await.unwrap();
    world.names.set("other.example", &[&[OWN]]);
    world.names.set("contact.example", &[&[OWN]]);
    world.names.set("elsewhere.example", &[&[CANARY]]);
    world.names.never("slow.example");
    let (own_ip, canary_ip): (IpAddr, IpAddr) = (OWN.parse().unwrap(), CANARY.parse().unwrap());
    let begun = Instant::now();
    let contact = relay("contact.example", port);
    let dialled = world.dial(&contact, Consent::Rule);
    assert_eq!(tokio::time::timeout(PATIENCE, dialled).await, Ok(Ok(own_ip)));
    assert!(begun.elapsed() < Duration::from_millis(900), "it waits for no name that it does not need");
    // Half of the patience of 2 s: what is not known by then allows nothing.
    let elsewhere = world.canary("elsewhere.example");
    let refused = world.dial(&elsewhere, Consent::Rule);
    let refused = tokio::time::timeout(PATIENCE, refused).await;
    assert_eq!(refused, Ok(Err(ConnectError::Private(canary_ip))));
}
