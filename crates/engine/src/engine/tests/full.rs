//! A vault without room: which calls are refused, which work continues, and how it ends.

use super::{healing::friends_of, *};
use crate::{ContactAsks, EngineError, VaultRoom};

/// Returns the limits of a vault with a room of 2.5 MiB: small, so that a few texts fill it.
fn small() -> MemoryLimits {
    MemoryLimits { room_bytes: 5 << 19, least_row_bytes: 752, capacity_bytes: 5 << 19 }
}

fn room(world: &World) -> VaultRoom {
    world.people[0].engine.as_ref().unwrap().vault_status().room
}

/// Sends a text of about `length` bytes from Ben to Ada's mailbox at the relay.
fn send_from_ben(world: &mut World, length: usize) {
    let number = world.people[1].sent.len();
    let text = format!("{number} {}", "x".repeat(length));
    world.people[1].engine().send_text("Ada", &text, NOW).unwrap();
    world.people[1].sent.push(text);
    while world.put(1, false) {}
}

/// Delivers to Ada the blobs that lie in her mailboxes at the relay, until her vault refuses one.
fn read(world: &mut World) -> Result<(), VaultError> {
    let today = world.today;
    for mailbox in world.boxes.values_mut().filter(|mailbox| mailbox.owner == 0) {
        while let Some(blob) = mailbox.blobs.first().cloned() {
            world.people[0].engine().delivered(mailbox.name, &blob, today)?;
            world.people[0].engine().acked(mailbox.name, blob.first_chunk().unwrap());
            mailbox.blobs.remove(0);
        }
    }
    Ok(())
}

/// Returns the texts that Ada has received, and erases her events.
fn take_history(world: &mut World) -> Vec<String> {
    take_history_of(world, 0)
}

fn take_history_of(world: &mut World, who: usize) -> Vec<String> {
    let texts = world.people[who].texts();
    let engine = world.people[who].engine();
    let last = engine.last_event();
    engine.forget_events_before(last + 1).unwrap();
    texts
}

#[test]
fn a_full_vault_refuses_goes_on_receiving_leaves_the_rest_and_goes_on_after_forgetting() {
    let mut world = friends_of(World::with(300, [small(), MemoryLimits::default()]));
    let before = world.people[1].sent.len();
    let today = world.today;
    let mut received = take_history(&mut world);
    for round in 0..4 {
        // The user is refused first.
        while room(&world) == VaultRoom::Enough {
            send_from_ben(&mut world, 20_000);
            read(&mut world).unwrap();
        }
        let ada = world.people[0].engine();
        assert_eq!(ada.send_text("Ben", "no", NOW), Err(EngineError::Vault(VaultError::Full)));
        assert_eq!(ada.begin_invite("Cara", today, 7), Err(EngineError::Vault(VaultError::Full)));
        assert_eq!(ada.relay_of_invite("Cara").unwrap_err(), EngineError::Vault(VaultError::Full));
        assert_eq!(ada.begin_again("Ben", NOW, today), Err(EngineError::Vault(VaultError::Full)));
        assert_eq!(ada.move_to_relay(&OTHER.parse().unwrap()), Err(EngineError::Vault(VaultError::Full)));
        assert_eq!(ada.contact_list().len(), 1, "nothing was changed");
        // What is received is taken on, up to the second mark.
        let mut taken = 0;
        while room(&world) == VaultRoom::ReceivesOnly {
            send_from_ben(&mut world, 20_000);
            read(&mut world).unwrap();
            taken += 1;
        }
        assert!(taken > 5, "{taken}");
        send_from_ben(&mut world, 20_000);
        for _ in 0..9 {
            assert_eq!(read(&mut world), Err(VaultError::Full));
        }
        // Receipts are made, and a restart changes nothing.
        assert!(world.receipt(0));
        while world.put(0, false) {}
        if round % 2 == 1 {
            world.people[0].crash(today);
        }
        assert_eq!(read(&mut world), Err(VaultError::Full));
        let ada = world.people[0].engine();
        assert!(!ada.is_dead() && ada.vault_status().percent() == 100);
        assert!(matches!(ada.decline("Ben"), Err(EngineError::NothingAsked)));
        assert!(matches!(ada.agree("Ben", &ContactAsks::Reset, today), Err(EngineError::NothingAsked)));
        // The way out.
        received.append(&mut take_history(&mut world));
        assert_eq!(room(&world), VaultRoom::Enough);
        world.people[0].engine().send_text("Ben", &format!("round {round}"), NOW).unwrap();
        read(&mut world).unwrap();
        world.settle();
        received.append(&mut take_history(&mut world));
    }
    assert_eq!(received, world.people[1].sent);
    assert!(received.len() > before + 4 * 80, "{}", received.len());
    assert_eq!(world.people[1].engine().waiting().1, 0, "all were receipted");
}

/// Messages whose events were erased leave rows by which they are recognised if they come again.
/// These rows alone must not keep a vault full.
#[test]
fn a_vault_in_which_nothing_is_left_to_read_has_room_once_events_are_erased() {
    let mut world = friends_of(World::with(304, [small(), MemoryLimits::default()]));
    let mut received = take_history(&mut world);
    let mut refused = 0;
    while refused < 3 {
        for _ in 0..50 {
            send_from_ben(&mut world, 1);
        }
        let read_all = read(&mut world);
        received.append(&mut take_history(&mut world));
        assert_eq!(room(&world), VaultRoom::Enough, "after {} texts", received.len());
        if read_all.is_err() {
            refused += 1;
            read(&mut world).unwrap();
        }
        refused += usize::from(received.len() > 6_000) * 3;
        world.people[0].engine().send_text("Ben", "ok", NOW).unwrap();
        world.settle();
        received.append(&mut take_history(&mut world));
    }
    assert_eq!(received, world.people[1].sent);
    let kept = world.people[0].engine().vault.keys(Table::Seen).len();
    assert_eq!(world.people[0].engine().contacts[&1].seen.len(), kept);
}

/// The vault refuses in the middle of a step, as on a disk that is full before the vault is.
#[test]
fn a_store_without_room_refuses_and_nothing_is_changed() {
    // The marks are those of a store that is sixteen times as large.
    let limits = MemoryLimits { room_bytes: 40 << 20, ..small() };
    let mut world = friends_of(World::with(301, [limits, MemoryLimits::default()]));
    let today = world.today;
    let (mut refused, mut received) = (0, take_history(&mut world));
    for _ in 0..1_000 {
        send_from_ben(&mut world, 20_000);
        let Err(error) = read(&mut world) else { continue };
        assert_eq!(error, VaultError::Full);
        refused += 1;
        // More often than a blob may be begun.
        for _ in 0..5 {
            assert_eq!(read(&mut world), Err(VaultError::Full));
        }
        let ada = world.people[0].engine();
        assert!(!ada.is_dead());
        assert!(ada.vault.keys(Table::Attempt).is_empty());
        // Memory is what the disk holds.
        let known = |ada: &TestEngine| (ada.waiting(), ada.events.len(), ada.gaps(), ada.contact_list());
        let before = known(ada);
        let refused_send = ada.send_text("Ben", &"y".repeat(50_000), NOW);
        assert_eq!(refused_send, Err(EngineError::Vault(VaultError::Full)));
        assert!(known(ada) == before);
        world.people[0].crash(today);
        assert!(known(world.people[0].engine()) == before, "it opens, too");
        received.append(&mut take_history(&mut world));
        read(&mut world).unwrap();
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3);
    world.settle();
    received.append(&mut take_history(&mut world));
    assert_eq!(received, world.people[1].sent);
    world.people[0].engine().send_text("Ben", "it goes on", NOW).unwrap();
    world.settle();
    assert!(world.people[1].texts().contains(&"it goes on".to_owned()));
}

#[test]
fn a_full_vault_empties_its_outbox() {
    // An eighth of it has room for the largest step.
    let limits = MemoryLimits { room_bytes: 24 << 20, least_row_bytes: 764, capacity_bytes: 24 << 20 };
    let mut world = World::with(302, [limits; 2]);
    // Texts wait for the invite to be accepted; then they are sealed, which takes room once more.
    let mut sent = 0;
    while world.people[0].engine().send_text("Ben", &format!("{sent} {}", "z".repeat(59_000)), NOW).is_ok() {
        sent += 1;
    }
    assert!(sent > 100, "{sent}");
    while world.put(1, false) {}
    assert!(world.deliver(0, false), "Ada learns of Ben");
    let mut was_full = false;
    while world.put(0, false) {
        was_full |= room(&world) == VaultRoom::Full;
        assert!(world.people[0].engine().vault_status().used_bytes < 7 * limits.room_bytes / 8);
        // Ben's vault is as small.
        while world.deliver(1, false) {}
        take_history_of(&mut world, 1);
    }
    assert!(was_full);
    world.settle();
    assert_eq!(world.people[0].engine().waiting(), (0, 0));
    assert_eq!(room(&world), VaultRoom::Enough);
}

#[test]
fn a_day_that_had_no_room_is_not_believed_before_it_is_stored() {
    let (today, copy) = (Day::FIRST_PLAUSIBLE.plus(1), Person::new().copy());
    let now = today.unix_seconds();
    copy.lose(&key(Table::Calendar, 0, 0));
    copy.refuse(Some(VaultError::Full));
    let mut engine = Engine::open(copy.clone(), random(), now).unwrap();
    assert_eq!(engine.believed_day(), Day::FIRST_PLAUSIBLE, "the vault holds no day");
    copy.refuse(None);
    assert_eq!(engine.today(now + 120, &[]), Ok(today));
    drop(engine);
    let engine = Engine::open_on_day(copy, random(), today).unwrap();
    assert_eq!(engine.believed_day(), today, "it is stored");
}
