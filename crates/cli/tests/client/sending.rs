//! Texts and events: to a peer that is offline, long, many, and to many contacts.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_person_gets_it_on_landing_and_the_sender_gets_the_receipt() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
    ada.close().await.unwrap();
    let messages = [ben.send("Ada", "one").await.unwrap(), ben.send("Ada", "two").await.unwrap()];
    assert_ne!(messages[0], messages[1]);
    ben.flush(PATIENCE).await.unwrap();
    assert_eq!(ben.status().unwrap().unreceipted, 2);
    ben.close().await.unwrap();

    let ada = world.open("ada").await;
    assert_eq!(texts(&ada, "Ben", 2).await, ["one", "two"]);
    ada.wait_caught_up(PATIENCE).await.unwrap();
    ada.flush(PATIENCE).await.unwrap();
    let seen = ada.events_after(0).unwrap();
    ada.close().await.unwrap();

    let ben = world.open("ben").await;
    for message in messages {
        delivered(&ben, message).await;
    }
    settled(&ben).await;
    // Nothing is given twice, and what was given stays until it is forgotten.
    let ada = world.open("ada").await;
    ada.wait_caught_up(PATIENCE).await.unwrap();
    assert_eq!(ada.events_after(0).unwrap()[..seen.len()], seen);
    assert_eq!(texts(&ada, "Ben", 2).await, ["one", "two"]);
    ada.forget_events_before(u64::MAX).await.unwrap();
    assert!(ada.events_after(0).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_at_most_the_longest() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    let longest = "\u{e4}".repeat(MAX_TEXT / 2);
    assert_eq!(ben.send("Ada", &format!("{longest}x")).await, Err(ClientError::TextTooLong));
    assert_eq!(ben.send("Unknown", "x").await, Err(ClientError::UnknownContact));
    // The first message carries the most besides the text.
    ben.send("Ada", &longest).await.unwrap();
    ben.send("Ada", "").await.unwrap();
    assert!(texts(&ada, "Ben", 2).await == [longest.clone(), String::new()]);
    ada.send("Ben", &longest).await.unwrap();
    assert!(texts(&ben, "Ada", 1).await == [longest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_event_can_be_given_up_and_taken_up() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    let first = wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
    for n in 0..20 {
        let wait = Duration::from_millis(n % 7);
        assert!(timeout(wait, ada.next_event(first.number + 9)).await.is_err());
    }
    for n in 0..10 {
        ben.send("Ada", &format!("text {n}")).await.unwrap();
    }
    let (mut after, mut got) = (0, Vec::new());
    while got.len() < 10 {
        if let Ok(event) = timeout(Duration::from_millis(3), ada.next_event(after)).await {
            let event = event.unwrap();
            assert!(event.number > after);
            after = event.number;
            if let EventKind::MessageReceived { text, late: false } = event.kind {
                got.push(text);
            }
        }
    }
    assert_eq!(got, (0..10).map(|n| format!("text {n}")).collect::<Vec<_>>());
    // Two who wait get the same event.
    let both = async { tokio::join!(ada.next_event(after), ada.next_event(after)) };
    let (both, _) = tokio::join!(both, async {
        sleep(Duration::from_millis(50)).await;
        ben.send("Ada", "last").await.unwrap()
    });
    assert_eq!(both.0, both.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_contacts_at_once() {
    let world = World::new();
    let ada = world.person("ada").await;
    let mut guests = Vec::new();
    for n in 0..8 {
        let name = format!("guest {n}");
        let link = ada.invite(&name).await.unwrap();
        let guest = world.person(&name).await;
        guest.accept(&link, "Ada").await.unwrap();
        guests.push((name, guest));
    }
    for round in 0..5 {
        for (name, guest) in &guests {
            guest.send("Ada", &format!("{round} from {name}")).await.unwrap();
            ada.send(name, &format!("{round} to {name}")).await.unwrap();
        }
    }
    for (name, guest) in &guests {
        let from: Vec<String> = (0..5).map(|round| format!("{round} from {name}")).collect();
        let to: Vec<String> = (0..5).map(|round| format!("{round} to {name}")).collect();
        assert_eq!(texts(&ada, name, 5).await, from);
        assert_eq!(texts(guest, "Ada", 5).await, to);
        settled(guest).await;
    }
    settled(&ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_send_two_hundred_at_once() {
    let world = World::hasty();
    let (ada, ben) = world.pair().await;
    let all = |who: &str| (0..200).map(|n| format!("{who} {n}")).collect::<Vec<String>>();
    let say = async |client: &Client, to: &str, who: &str| {
        for text in all(who) {
            client.send(to, &text).await.unwrap();
        }
    };
    tokio::join!(say(&ada, "Ben", "ada"), say(&ben, "Ada", "ben"));
    let (at_ada, at_ben) = tokio::join!(texts(&ada, "Ben", 200), texts(&ben, "Ada", 200));
    assert_eq!(at_ada, all("ben"));
    assert_eq!(at_ben, all("ada"));
    tokio::join!(settled(&ada), settled(&ben));
    let delivered = |client: &Client| {
        let events = client.events_after(0).unwrap();
        events.iter().filter(|event| event.kind == EventKind::Delivered).count()
    };
    assert_eq!((delivered(&ada), delivered(&ben)), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_landing_is_left_for_the_private_mailbox() {
    let world = World::new();
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    let link = ada.invite("Ben").await.unwrap();
    ada.close().await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    let expected: Vec<String> = (0..12).map(|n| format!("text {n}")).collect();
    for text in &expected {
        ben.send("Ada", text).await.unwrap();
    }
    // A landing takes four.
    assert_eq!(ben.flush(Duration::from_secs(1)).await, Err(ClientError::TimedOut));
    assert!(ben.status().unwrap().unsent >= 8);
    let ada = world.open("ada").await;
    ada.send("Ben", "I am here").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 12).await, expected);
    tokio::join!(settled(&ada), settled(&ben));
}
