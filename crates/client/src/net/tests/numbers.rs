//! Numbers that a hostile relay names: none silences the client for long, none makes it busy.

use super::*;

/// Returns the times between successive moments, in seconds, rounded. A moment at most 3 s after
/// the last one that counts does not count: virtual time passes a little while bytes are under
/// way. Panics without any moment.
fn gaps(moments: &[Instant]) -> Vec<u64> {
    let mut gaps = Vec::new();
    let mut last = moments[0];
    for at in moments {
        let gap = at.duration_since(last);
        if gap > seconds(3) {
            gaps.push(u64::try_from((gap.as_millis() + 500) / 1_000).unwrap());
            last = *at;
        }
    }
    gaps
}

/// Whether the first gaps are the wanted ones, within 2 s each. `false` if there are fewer gaps;
/// further ones do not matter.
fn are(gaps: &[u64], wanted: &[u64]) -> bool {
    gaps.len() >= wanted.len() && gaps.iter().zip(wanted).all(|(gap, wanted)| gap.abs_diff(*wanted) <= 2)
}

/// Returns a relay that answers each Put with this code and this number of seconds after which to
/// try again.
async fn answering_puts(code: AnswerCode, retry_s: u16) -> Scripted {
    Scripted::start(move |_, item| match item {
        Item::Put(put) => say(vec![answer(put.req, code, retry_s)]),
        item => obey(item),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_names_the_longest_wait_silences_a_contact_for_a_quarter_of_an_hour() {
    let own = Scripted::start(|_, item| obey(item)).await;
    for code in [AnswerCode::Full, AnswerCode::Busy, AnswerCode::NeedToken, AnswerCode::from_code(0xfffe)] {
        let relay = answering_puts(code, u16::MAX).await;
        let world = World::new(&own.address, &relay.address).await;
        world.supervise();
        world.send("hello").await;
        sleep(seconds(3_700)).await;
        let gaps = gaps(&relay.heard("put"));
        assert!(gaps.len() == 4 && are(&gaps, &[900; 4]), "{code:?}: {gaps:?}");
        assert_eq!(relay.connections(), 1, "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_always_asks_to_wait_for_a_moment_is_asked_less_and_less_often() {
    let own = Scripted::start(|_, item| obey(item)).await;
    for retry_s in [0, 1] {
        let relay = answering_puts(AnswerCode::Full, retry_s).await;
        let world = World::new(&own.address, &relay.address).await;
        world.supervise();
        world.send("hello").await;
        sleep(seconds(7_200)).await;
        let gaps = gaps(&relay.heard("put"));
        // The short waits at the beginning blur into each other.
        let from = gaps.iter().position(|gap| *gap > 12).unwrap();
        assert!(from < 6 && are(&gaps[from..], &[16, 32, 64, 128, 256, 300]), "{gaps:?}");
        assert!(gaps.len() < 40, "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_sends_is_tried_at_once_but_not_more_often_than_a_floor_allows() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = answering_puts(AnswerCode::Busy, u16::MAX).await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.send("hello").await;
    sleep(seconds(100)).await;
    assert_eq!(gaps(&relay.heard("put")), []);
    world.send("and again").await;
    sleep(seconds(1)).await;
    let tried = gaps(&relay.heard("put"));
    assert!(tried.len() == 1 && are(&tried, &[100]), "{tried:?}: it is tried as soon as the user acts");
    // Four actions a second, for ten minutes.
    let begin = Instant::now();
    while begin.elapsed() < seconds(600) {
        world.shared.retry_now();
        sleep(Duration::from_millis(250)).await;
    }
    let tries = gaps(&relay.heard("put")).len();
    assert!((5..40).contains(&tries), "{tries} tries for 2,400 actions");
}

#[tokio::test(start_paused = true)]
async fn a_wait_outlives_the_link() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = Scripted::start(|_, item| match item {
        Item::Put(put) => Reply { items: vec![answer(put.req, AnswerCode::Busy, 600)], closes: true },
        item => obey(item),
    })
    .await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.send("hello").await;
    sleep(seconds(2_000)).await;
    let gaps = gaps(&relay.heard("put"));
    assert!(gaps.len() == 3 && are(&gaps, &[600; 3]), "{gaps:?}");
    assert!(relay.connections() < 12, "{}", relay.connections());
}

#[tokio::test(start_paused = true)]
async fn a_wait_does_not_hold_for_another_address() {
    for closes in [false, true] {
        let own = Scripted::start(|_, item| obey(item)).await;
        let busy = Scripted::start(move |_, item| match item {
            Item::Put(put) => Reply { items: vec![answer(put.req, AnswerCode::Busy, u16::MAX)], closes },
            item => obey(item),
        })
        .await;
        let (newer, world) = World::at(&own.address).await;
        let told = |relay: &RelayAddress, send| {
            let send = SendCapability::from_bytes([send; 32]);
            MailboxAddress { relay: relay.clone(), send }.encode()
        };
        let learn = |address: zeroize::Zeroizing<Vec<u8>>| {
            world.shared.step(move |engine: &mut Engine<_>, _| {
                let id = engine.contact_id("Eve").unwrap();
                engine.learn_address(id, &address);
                Ok::<_, VaultError>(())
            })
        };
        learn(told(&busy.address, 1)).await.unwrap();
        world.supervise();
        world.send("hello").await;
        sleep(seconds(30)).await;
        assert!(!busy.heard("put").is_empty() && newer.heard("put").is_empty());
        learn(told(&newer.address, 2)).await.unwrap();
        sleep(seconds(10)).await;
        assert!(!newer.heard("put").is_empty(), "closes: {closes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_made_within_a_quarter_of_an_hour_whatever_the_relay_names() {
    for (retry_s, first) in [(0, 5), (u16::MAX, 900)] {
        let own = Scripted::start(move |_, item| match item {
            Item::Create(create) => say(vec![answer(create.req, AnswerCode::Busy, retry_s)]),
            item => obey(item),
        })
        .await;
        let (_peer, world) = World::at(&own.address).await;
        world.supervise();
        sleep(seconds(7_200)).await;
        assert_eq!(world.link(&own.address), Some(Connectivity::Waiting));
        let creates = own.heard("create");
        let gaps = gaps(&creates);
        assert!(gaps.iter().all(|gap| *gap <= first.max(300) + 2), "{gaps:?}");
        assert!(are(&gaps, &[first]), "{gaps:?}");
        assert!(creates.len() < 120, "{}", creates.len());
        // The user wants something now.
        let before = own.heard("create").len();
        world.shared.begin_round();
        sleep(seconds(31)).await;
        assert!(own.heard("create").len() > before);
    }
}

#[tokio::test(start_paused = true)]
async fn extreme_numbers_in_a_hello_change_nothing() {
    let zero = RelayHello {
        day: TODAY,
        max_subscriptions: 0,
        max_in_flight: 0,
        puts_per_s: 0,
        put_burst: 0,
        blob_days: 0,
        large_blob_days: 0,
        token_needed: false,
    };
    let most = RelayHello {
        day: TODAY,
        max_subscriptions: u32::MAX,
        max_in_flight: u16::MAX,
        puts_per_s: u16::MAX,
        put_burst: u16::MAX,
        blob_days: u16::MAX,
        large_blob_days: u16::MAX,
        token_needed: true,
    };
    for hello in [zero, most] {
        let relay = Scripted::with_hello(hello, |_, item| obey(item)).await;
        let world = World::new(&relay.address, &relay.address).await;
        world.supervise();
        world.until(&relay.address, Connectivity::CaughtUp).await;
        world.send("hello").await;
        sleep(seconds(30)).await;
        // What is taken as stored leaves again by the bounded number of days, not at once and not never.
        assert_eq!(relay.heard("put").len(), 2, "the address of the private mailbox, and the text");
        assert_eq!(world.shared.look(Engine::waiting).unwrap().0, 0);
        let again = |days| {
            world
                .shared
                .step(move |engine, today| engine.begin_day(today.plus(days)).map(|()| engine.waiting().0))
        };
        assert_eq!(again(1).await, Ok(0));
        assert!(again(31).await.unwrap() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_says_go_away_is_connected_to_again_whatever_it_names() {
    for within_s in [0, u16::MAX] {
        let relay = Scripted::start(move |connection, item| match item {
            Item::Hello(_) if connection == 0 => say(vec![GoAway { within_s }.into()]),
            item => obey(item),
        })
        .await;
        let (_peer, world) = World::at(&relay.address).await;
        world.supervise();
        world.until(&relay.address, Connectivity::CaughtUp).await;
        assert_eq!(relay.connections(), 2);
    }
}
