//! Invites and their links: accepted, contested, expired, unusable.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_two_use_at_once_is_contested() {
    let world = World::new();
    // The guests' own relay is down: both have read the bundle before either can answer.
    let mut other = relay_in(&world.folder, "other");
    let ada = world.person("ada").await;
    let (ben, eve) =
        (world.person_at("ben", &other.address).await, world.person_at("eve", &other.address).await);
    other.kill();
    let link = ada.invite("Ben").await.unwrap();
    ada.close().await.unwrap();
    let accepted = tokio::join!(ben.accept(&link, "Ada"), eve.accept(&link, "Ada"));
    assert_eq!(accepted, (Ok(()), Ok(())));
    other.serve();
    tokio::try_join!(ben.flush(PATIENCE), eve.flush(PATIENCE)).unwrap();

    let ada = world.open("ada").await;
    wait_for(&ada, |kind| *kind == EventKind::InviteContested).await;
    let contacts = ada.contacts().unwrap();
    assert!(contacts.len() == 1 && contacts[0].contested && !contacts[0].verified, "{contacts:?}");
    // One of them is the contact, and the safety number tells which.
    let number = ada.safety_number("Ben").unwrap();
    let same = [&ben, &eve].map(|guest| guest.safety_number("Ada").unwrap() == number);
    assert!(same[0] != same[1]);
    // Who comes later finds the invite used.
    let late = world.person("late").await;
    assert_eq!(late.accept(&link, "Ada").await, Err(ClientError::InviteUsed));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_cannot_be_used_say_why() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    ada.send("Ben", "answered").await.unwrap();
    assert_eq!(texts(&ben, "Ada", 1).await, ["answered"]);
    for link in ["", "hello", "deaddrop:ws://x/i#", "https://example.org/i#AAAA"] {
        assert!(matches!(ben.accept(link, "x").await, Err(ClientError::Link(_))), "{link}");
    }
    let link = ada.invite("Cara").await.unwrap();
    assert!(matches!(ben.accept(&link[..link.len() - 3], "x").await, Err(ClientError::Link(_))));
    assert_eq!(ada.accept(&link, "me").await, Err(ClientError::Bundle(BundleError::Own)));
    assert_eq!(ben.accept(&link, "Ada again").await, Err(ClientError::AlreadyContact));
    // The name of a contact stands for one identity.
    let dan = world.person("dan").await;
    let other = dan.invite("Ben").await.unwrap();
    assert_eq!(ben.accept(&other, "Ada").await, Err(ClientError::OtherIdentity));
    assert_eq!(ben.accept_new_identity(&link, "Cara").await, Err(ClientError::AlreadyContact));
    for name in ["", " ", "x\u{200b}", "a\nb", &"n".repeat(65)] {
        assert_eq!(ada.invite(name).await, Err(ClientError::BadName));
    }
    // It was looked at and not used up.
    let cara = world.person("cara").await;
    cara.accept(&link, "Ada").await.unwrap();
    cara.send("Ada", "still good").await.unwrap();
    assert_eq!(texts(&ada, "Cara", 1).await, ["still good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_on_after_each_step_of_meeting() {
    let mut world = World::new();
    for polite in [true, false] {
        let (a, b) = (format!("ada {polite}"), format!("ben {polite}"));
        let again = async |client: Client, name: &str| {
            if polite {
                client.close().await.unwrap();
            } else {
                drop(client);
            }
            world.open(name).await
        };
        let ada = again(world.person(&a).await, &a).await;
        let link = ada.invite("Ben").await.unwrap();
        let ada = again(ada, &a).await;
        let ben = again(world.person(&b).await, &b).await;
        ben.accept(&link, "Ada").await.unwrap();
        let ben = again(ben, &b).await;
        wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
        let ada = again(ada, &a).await;
        ada.send("Ben", "one").await.unwrap();
        let ada = again(ada, &a).await;
        assert_eq!(texts(&ben, "Ada", 1).await, ["one"]);
        let ben = again(ben, &b).await;
        ben.send("Ada", "two").await.unwrap();
        let ben = again(ben, &b).await;
        assert_eq!(texts(&ada, "Ben", 1).await, ["two"]);
        let ada = again(ada, &a).await;
        tokio::join!(settled(&ada), settled(&ben));
        for client in [&ada, &ben] {
            wait_for(client, |kind| *kind == EventKind::Established).await;
            assert_eq!(client.contacts().unwrap()[0].state, ContactState::Established);
            client.flush(PATIENCE).await.unwrap();
        }
        // What one has sent again lately the other may not have read yet.
        let begin = tokio::time::Instant::now();
        while world.relay.inspect()["blobs"] != 0 {
            assert!(begin.elapsed() < PATIENCE, "{}", world.relay.inspect());
            sleep(Duration::from_millis(20)).await;
        }
        ada.close().await.unwrap();
        ben.close().await.unwrap();
    }
    world.relay.kill();
    // Two private mailboxes a pair; landings and invites are gone or empty.
    assert_eq!(world.relay.inspect()["blobs"], 0, "{}", world.relay.inspect());
}
