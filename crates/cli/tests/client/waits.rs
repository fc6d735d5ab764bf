//! A relay that is dead or wrong delays nothing at other relays, and does not change what calls
//! report of them.

use super::*;
use common::Person;
use deaddrop_client::SendWait;
use std::time::Instant;

/// Ada, who reads at one relay, and her two contacts: Ben reads at the same relay, Carol at
/// another.
struct Three {
    world: World,
    other: Relay,
    ada: Client,
    ben: Client,
    carol: Client,
}

impl Three {
    async fn new() -> Self {
        let world = World::new();
        let other = relay_in(&world.folder, "other");
        let (ada, ben) = world.pair().await;
        let carol = world.person_at("carol", &other.address).await;
        let link = ada.invite("Carol").await.unwrap();
        carol.accept(&link, "Ada").await.unwrap();
        for (client, name) in [(&ben, "Ben"), (&carol, "Carol")] {
            client.send("Ada", "hello").await.unwrap();
            texts(&ada, name, 1).await;
            ada.send(name, "hello").await.unwrap();
            texts(client, "Ada", 1).await;
            settled(client).await;
        }
        settled(&ada).await;
        Self { world, other, ada, ben, carol }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_whose_relay_is_dead_delays_no_other() {
    let Three { world: _world, mut other, ada, ben, carol } = Three::new().await;
    other.kill();
    let lost = ada.send("Carol", "for later").await.unwrap();
    let message = ada.send("Ben", "for now").await.unwrap();
    let begin = Instant::now();
    let sent = ada.flush_to("Ben", PATIENCE).await.unwrap();
    assert!(begin.elapsed() < PATIENCE / 4, "{:?}", begin.elapsed());
    assert_eq!((sent.waiting.as_slice(), &sent.why), ([].as_slice(), &None), "{sent:?}");
    let sent = ada.flush_to("Carol", Duration::from_secs(1)).await.unwrap();
    assert_eq!((sent.stored, sent.waiting, sent.why), (0, vec![lost], Some(SendWait::RelayDown)));
    // An app that closes does not wait for what is known to be down.
    let begin = Instant::now();
    assert_eq!(ada.flush_reachable(PATIENCE).await, Err(ClientError::RelayDown));
    assert!(begin.elapsed() < PATIENCE / 4, "{:?}", begin.elapsed());
    assert_eq!(ada.flush(Duration::from_secs(1)).await, Err(ClientError::RelayDown));
    delivered(&ada, message).await;

    ben.send("Ada", "an answer").await.unwrap();
    ben.flush(PATIENCE).await.unwrap();
    let before = ada.sync(Duration::from_secs(2)).await.unwrap();
    assert!(!before.is_done());
    assert!(before.relays.values().all(|state| *state == Connectivity::CaughtUp), "{before:?}");
    assert_eq!(texts(&ada, "Ben", 2).await[1], "an answer");
    let why: Vec<_> = before.contacts.iter().map(|contact| (contact.name.as_str(), &contact.why)).collect();
    assert!(why.contains(&("Carol", &Some(SendWait::RelayDown))), "{before:?}");
    assert!(!why.iter().any(|(name, why)| *name == "Ben" && why.is_some()), "{before:?}");

    other.serve();
    let after = ada.sync(PATIENCE).await.unwrap();
    assert!(after.is_done(), "{after:?}");
    let stored: Vec<_> =
        after.contacts.iter().map(|contact| (contact.name.as_str(), contact.stored)).collect();
    assert_eq!(stored, [("Carol", 1)]);
    assert_eq!(texts(&carol, "Ada", 2).await[1], "for later");
    assert_eq!(ada.flush_to("Dan", PATIENCE).await, Err(ClientError::UnknownContact));
}

/// Starts another relay, with another fingerprint, at the URL of a relay that was killed.
fn usurp(world: &World, gone: &Relay) -> Relay {
    let mut usurper = relay_in(&world.folder, "usurper");
    usurper.kill();
    let fingerprint = usurper.address.split_once('#').unwrap().1.to_owned();
    let url = gone.address.split_once('#').unwrap().0;
    usurper.address = format!("{url}#{fingerprint}");
    usurper.serve();
    usurper
}

/// Makes Ada, who has mailboxes at two relays and is offline: at the URL of one there is another
/// relay now, which is returned; the other one is down, and a text waits for her there.
async fn between_two_relays() -> (World, Relay) {
    let Three { mut world, mut other, ada, ben, .. } = Three::new().await;
    ada.set_relay(other.address.parse().unwrap()).await.unwrap();
    let dan = world.person("dan").await;
    dan.accept(&ada.invite("Dan").await.unwrap(), "Ada").await.unwrap();
    dan.send("Ada", "hello").await.unwrap();
    texts(&ada, "Dan", 1).await;
    settled(&dan).await;
    assert_eq!(ada.sync(PATIENCE).await.unwrap().relays.len(), 2);
    ada.close().await.unwrap();
    ben.send("Ada", "behind a wrong relay").await.unwrap();
    ben.flush(PATIENCE).await.unwrap();
    other.kill();
    let usurper = usurp(&world, &other);
    world.relay.kill();
    (world, usurper)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_relay_does_not_end_the_wait_for_another_one() {
    let (mut world, _usurper) = between_two_relays().await;
    let ada = world.open("ada").await;
    let waiting = async {
        let result = ada.wait_caught_up(PATIENCE).await;
        (result, ada.events_after(0).unwrap())
    };
    let restarting = async {
        sleep(Duration::from_millis(700)).await;
        world.relay.serve();
    };
    let ((result, events), ()) = tokio::join!(waiting, restarting);
    assert_eq!(result, Err(ClientError::WrongRelay), "once everything else was read");
    let is_it = |event: &Event| matches!(&event.kind, EventKind::MessageReceived { text, .. } if text == "behind a wrong relay");
    assert!(events.iter().any(is_it), "{events:?}");
    let relays = ada.status().unwrap().relays;
    assert_eq!(relays[&world.relay.address], Connectivity::CaughtUp, "{relays:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_fetches_from_one_relay_while_another_is_wrong() {
    let (mut world, usurper) = between_two_relays().await;
    world.relay.serve();
    let shell = Person { home: world.home("ada") };
    let done = tokio::task::spawn_blocking(move || {
        let said = shell.json(&["receive"]);
        (said, shell.run(&["receive"]), shell.json(&["sync", "--wait", "5"]))
    });
    let (said, again, synced) = done.await.unwrap();
    assert_eq!(synced.code, 1, "{synced:?}");
    let report = synced.json();
    assert_eq!(said.code, 1, "{said:?}");
    let lines = said.lines();
    assert!(common::texts(&lines).contains(&"behind a wrong relay".to_owned()), "{said:?}");
    let unread: Vec<_> = lines.iter().filter(|line| line["kind"] == "unread").collect();
    assert_eq!(unread.len(), 1, "{said:?}");
    assert_eq!(unread[0]["state"], "wrong_relay", "{said:?}");
    let wrong = usurper.address.split('#').next().unwrap().to_owned();
    again.fails(&[&wrong, "another relay answers", "stays there"]);
    assert_eq!(report["done"], false, "{report}");
    let states: Vec<_> = report["relays"].as_array().unwrap().iter().map(|relay| &relay["state"]).collect();
    assert!(states.contains(&&"caught_up".into()) && states.contains(&&"wrong_relay".into()), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_of_each_text_whether_it_was_stored() {
    let Three { world, mut other, ada, ben, carol } = Three::new().await;
    for client in [ada, ben, carol] {
        client.close().await.unwrap();
    }
    other.kill();
    let shell = Person { home: world.home("ada") };
    let check = move || {
        let queued = shell.json(&["send", "Carol", "for later", "--wait", "1"]).ok().json();
        assert_eq!((&queued["state"], &queued["why"]), (&"queued".into(), &"relay_down".into()), "{queued}");
        let begin = Instant::now();
        let stored = shell.json(&["send", "Ben", "for now", "--wait", "60"]).ok().json();
        assert_eq!(
            (&stored["state"], &stored["why"]),
            (&"stored".into(), &serde_json::Value::Null),
            "{stored}"
        );
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        let human = shell.run(&["send", "Carol", "and this", "--wait", "1"]).ok().out;
        assert!(human.contains("not sent yet: the contact's relay cannot be reached"), "{human}");
        let report = shell.json(&["sync", "--wait", "1"]).ok().json();
        assert_eq!(report["done"], false, "{report}");
        assert_eq!(report["relays"][0]["state"], "caught_up", "{report}");
        let contact = &report["contacts"][0];
        assert_eq!((&contact["name"], &contact["why"]), (&"Carol".into(), &"relay_down".into()), "{report}");
        assert_eq!(contact["waiting"].as_array().unwrap().len(), 2, "{report}");
        assert_eq!(contact["waiting"][0], queued["message"], "{report}");
        let human = shell.run(&["sync", "--wait", "1"]).ok().out;
        assert!(human.contains("Carol: 0 texts stored on the relay, 2 texts wait"), "{human}");
        shell.run(&["receive"]).ok();
        shell
    };
    let shell = tokio::task::spawn_blocking(check).await.unwrap();
    other.serve();
    let check = move || {
        let report = shell.json(&["sync"]).ok().json();
        assert_eq!(
            (&report["done"], &report["contacts"][0]["stored"]),
            (&true.into(), &2.into()),
            "{report}"
        );
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

/// Ada reads Ben's texts at one relay, and Dan's at another, in whose place a socket accepts
/// connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn receiving_from_one_contact_waits_for_the_relays_of_its_mailboxes_alone() {
    let Three { world, mut other, ada, ben, .. } = Three::new().await;
    ada.set_relay(other.address.parse().unwrap()).await.unwrap();
    let dan = world.person("dan").await;
    dan.accept(&ada.invite("Dan").await.unwrap(), "Ada").await.unwrap();
    dan.send("Ada", "hello").await.unwrap();
    texts(&ada, "Dan", 1).await;
    assert_eq!(ada.sync(PATIENCE).await.unwrap().relays.len(), 2);
    ada.close().await.unwrap();
    ben.send("Ada", "for now").await.unwrap();
    ben.flush(PATIENCE).await.unwrap();
    let address = other.listen().to_owned();
    other.kill();
    let _hole = tokio::net::TcpListener::bind(&address).await.unwrap();
    let shell = Person { home: world.home("ada") };
    let (silent, answers) = (other.address.clone(), world.relay.address.clone());
    let check = move || {
        let begin = Instant::now();
        let said = shell.json(&["receive", "--from", "Ben"]).ok();
        assert!(common::texts(&said.lines()).contains(&"for now".to_owned()), "{said:?}");
        assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
        let said = shell.json(&["receive", "--from", "Dan", "--wait", "1"]);
        assert_eq!(said.code, 1, "{said:?}");
        let lines = said.lines();
        let unread: Vec<_> = lines.iter().filter(|line| line["kind"] == "unread").collect();
        assert_eq!(unread.len(), 1, "{said:?}");
        assert_eq!(unread[0]["relay"], silent.as_str(), "not {answers}");
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

/// Makes a world with Ada and Ben, in which Ada's receipts wait for a minute, unless a call flushes
/// them.
async fn slow_receipts() -> (World, Client, Client) {
    let world = World::new();
    let slow = Config { receipt_delay: Duration::from_secs(60)..Duration::from_secs(61), ..world.config() };
    let relay = Some(world.relay.address.parse().unwrap());
    let ada = Client::create(world.home("ada"), Unlock::KeyFile, relay, slow).await.unwrap();
    let ben = world.person("ben").await;
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "hello").await.unwrap();
    texts(&ada, "Ben", 1).await;
    ada.flush(PATIENCE).await.unwrap();
    settled(&ben).await;
    (world, ada, ben)
}

/// Lets Ben send a text, and waits until Ada has `count` texts. Returns whether the receipt comes
/// within 700 ms.
async fn is_receipted_at_once(ben: &Client, ada: &Client, count: usize) -> bool {
    ben.send("Ada", "and another").await.unwrap();
    texts(ada, "Ben", count).await;
    sleep(Duration::from_millis(700)).await;
    ben.status().unwrap().unreceipted == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_leaves_nothing_switched() {
    let (world, ada, ben) = slow_receipts().await;
    type Waiting<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    let calls: [fn(&Client) -> Waiting<'_>; 4] = [
        |client| Box::pin(async { assert!(client.flush(PATIENCE).await.is_err()) }),
        |client| Box::pin(async { assert!(client.flush_reachable(PATIENCE).await.is_err()) }),
        |client| Box::pin(async { drop(client.flush_to("Ben", PATIENCE).await) }),
        |client| Box::pin(async { drop(client.sync(PATIENCE).await) }),
    ];
    // Something waits, so that no call ends by itself: a contact whose relay is gone.
    let mut elsewhere = relay_in(&world.folder, "elsewhere");
    let carol = world.person_at("carol", &elsewhere.address).await;
    carol.accept(&ada.invite("Carol").await.unwrap(), "Ada").await.unwrap();
    carol.send("Ada", "hello").await.unwrap();
    texts(&ada, "Carol", 1).await;
    ada.flush(PATIENCE).await.unwrap();
    elsewhere.kill();
    ada.send("Carol", "for later").await.unwrap();
    for (number, call) in calls.iter().enumerate() {
        let _ = timeout(Duration::from_millis(1), call(&ada)).await;
        assert!(!is_receipted_at_once(&ben, &ada, 2 + number).await, "call {number}");
    }
    // A call that ends does not end the others.
    let mut long = Box::pin(ada.flush(PATIENCE));
    let _ = timeout(Duration::from_millis(1), &mut long).await;
    assert!(ada.flush(Duration::from_millis(1)).await.is_err());
    assert!(is_receipted_at_once(&ben, &ada, 6).await);
    drop(long);
    assert!(!is_receipted_at_once(&ben, &ada, 7).await);
}

/// Milliseconds after which a call is dropped: from before it begins to about its end.
const GIVEN_UP_AFTER: [u64; 6] = [0, 1, 3, 8, 20, 50];

/// Makes a call and drops its future after `after_ms` milliseconds. Returns `None` if the call had
/// not ended.
async fn give_up<T>(call: impl Future<Output = T>, after_ms: u64) -> Option<T> {
    timeout(Duration::from_millis(after_ms), call).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_given_up_can_be_made_again() {
    let world = World::new();
    let ada = world.person("ada").await;
    for after_ms in GIVEN_UP_AFTER {
        let name = format!("ben{after_ms}");
        let relay = Some(world.relay.address.parse().unwrap());
        let created = Client::create(world.home(&name), Unlock::KeyFile, relay, world.config());
        // A vault that is made after the call was given up is whole.
        let ben = match give_up(created, after_ms).await {
            Some(client) => client.unwrap(),
            None => {
                let begun = Instant::now();
                loop {
                    let relay = Some(world.relay.address.parse().unwrap());
                    match Client::create(world.home(&name), Unlock::KeyFile, relay, world.config()).await {
                        Ok(client) => break client,
                        Err(OpenError::Exists) => break world.open(&name).await,
                        Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let link = match Box::pin(give_up(ada.invite(&name), after_ms)).await {
            Some(link) => link.unwrap(),
            // A link that was made and not returned is there to be shown.
            None => match Box::pin(ada.invite(&name)).await {
                Err(ClientError::InviteOpen) => ada.invite_link(&name).unwrap(),
                link => link.unwrap(),
            },
        };
        let _ = give_up(ben.accept(&link, "Ada"), after_ms).await;
        ben.accept(&link, "Ada").await.unwrap();
        let _ = give_up(ben.wait_caught_up(PATIENCE), after_ms).await;
        ben.send("Ada", "before closing").await.unwrap();
        let _ = give_up(ben.close(), after_ms).await;
        let _ = give_up(Client::open(world.home(&name), Unlock::KeyFile, world.config()), after_ms).await;
        let ben = world.open(&name).await;
        ben.send("Ada", "and after").await.unwrap();
        assert_eq!(texts(&ada, &name, 2).await, ["before closing", "and after"]);
        settled(&ben).await;
    }
}
