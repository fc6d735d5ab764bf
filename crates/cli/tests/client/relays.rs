//! Relays that restart, are down, are not the pinned one, or change.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_restarts_in_the_middle_loses_and_repeats_nothing() {
    let mut world = World::hasty();
    let (ada, ben) = world.pair().await;
    let expected: Vec<String> = (0..60).map(|n| format!("text {n}")).collect();
    for (n, text) in expected.iter().enumerate() {
        ben.send("Ada", text).await.unwrap();
        if n % 20 == 10 {
            world.relay.kill();
            world.relay.serve();
        }
    }
    assert_eq!(texts(&ada, "Ben", 60).await, expected);
    settled(&ben).await;
    assert_eq!(texts(&ada, "Ben", 60).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_stops_only_what_needs_it() {
    let mut world = World::new();
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    world.relay.kill();
    assert_eq!(ada.invite("Ben").await, Err(ClientError::RelayDown));
    // Nothing was given out, and the same name goes on.
    world.relay.serve();
    let link = ada.invite("Ben").await.unwrap();
    assert_eq!(ada.invite("Ben").await, Err(ClientError::InviteOpen));

    world.relay.kill();
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::RelayDown));
    assert!(ben.contacts().unwrap().is_empty());
    world.relay.serve();
    ben.accept(&link, "Ada").await.unwrap();
    wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;

    world.relay.kill();
    let message = ben.send("Ada", "when it is back").await.unwrap();
    assert_eq!(ben.flush(Duration::from_secs(2)).await, Err(ClientError::RelayDown));
    assert_eq!(ben.wait_caught_up(Duration::from_secs(1)).await, Err(ClientError::RelayDown));
    assert!(ben.status().unwrap().relays.values().all(|state| *state == Connectivity::Down));
    world.relay.serve();
    assert_eq!(texts(&ada, "Ben", 1).await, ["when it is back"]);
    delivered(&ben, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_another_fingerprint_gets_nothing() {
    let world = World::new();
    let url = world.relay.address.split('#').next().unwrap();
    let other = format!("{url}#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let ada = world.person_at("ada", &other).await;
    assert_eq!(ada.invite("Ben").await, Err(ClientError::WrongRelay));
    assert_eq!(world.relay.inspect()["mailboxes"], 0, "{}", world.relay.inspect());
    let tls = "wss://relay.example/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert_eq!(ada.set_relay(tls.parse().unwrap()).await, Ok(()));
    let stranger =
        Client::create(world.home("stranger"), Unlock::KeyFile, None, world.config()).await.unwrap();
    assert_eq!(stranger.invite("Ben").await, Err(ClientError::NoRelay));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_left_is_not_connected_to_any_more() {
    let world = World::new();
    let other = relay_in(&world.folder, "other");
    let ada = world.person("ada").await;
    let config = Config { putter_idle: Duration::from_millis(300), ..world.config() };
    let address = other.address.parse().unwrap();
    let ben = Client::create(world.home("ben"), Unlock::KeyFile, Some(address), config).await.unwrap();
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "hello").await.unwrap();
    texts(&ada, "Ben", 1).await;
    ada.move_to_relay(other.address.parse().unwrap()).await.unwrap();
    for round in 1.. {
        ada.send("Ben", "to and").await.unwrap();
        ben.send("Ada", "fro").await.unwrap();
        settled(&ada).await;
        settled(&ben).await;
        if ada.status().unwrap().relays.into_keys().eq([other.address.clone()]) {
            break;
        }
        assert!(round < 20, "the old relay is still needed: {:?}", ada.status());
    }
    let begin = tokio::time::Instant::now();
    loop {
        let log = fs::read_to_string(world.relay.log()).unwrap();
        let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
        if count("a link began") == count("a link ended") {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "a link to it stands");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_move_to_the_relay_that_is_set() {
    let world = World::new();
    let mut other = relay_in(&world.folder, "other");
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    let link = ada.invite("Ben").await.unwrap();
    ada.set_relay(other.address.parse().unwrap()).await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "to the landing").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 1).await, ["to the landing"]);
    ada.send("Ben", "I have moved").await.unwrap();
    texts(&ben, "Ada", 1).await;
    settled(&ada).await;
    ben.send("Ada", "to the new mailbox").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 2).await[1], "to the new mailbox");
    settled(&ben).await;
    ada.flush(PATIENCE).await.unwrap();
    // The landing is gone with its relay's part in this; the old relay can go, too, as far as Ada is concerned.
    let relays: Vec<String> = ada.status().unwrap().relays.into_keys().collect();
    assert_eq!(relays, [other.address.clone()]);
    other.kill();
    ben.send("Ada", "later").await.unwrap();
    other.serve();
    assert_eq!(texts(&ada, "Ben", 3).await[2], "later");
}
