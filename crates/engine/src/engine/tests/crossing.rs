//! Resets of both sides that cross, of a vault that was put back or of two users who begin again:
//! no state stays without messages unless the app is told.

use super::{
    healing::{assert_talk, friends, invite_again, put_back},
    *,
};
use crate::{ContactAsks, ContactInfo, EngineError};

fn info(world: &mut World, who: usize) -> ContactInfo {
    world.people[who].engine().contact_list().remove(0)
}

fn begin_again(world: &mut World, who: usize) -> Result<(), EngineError> {
    world.people[who].engine().begin_again(NAMES[1 - who], NOW + 3_600, DAY)
}

fn agree(world: &mut World, who: usize) {
    let today = world.today;
    world.people[who].engine().agree(NAMES[1 - who], &ContactAsks::Reset, today).unwrap();
}

/// Returns a world in which both people have begun a reset with a proof, and each refuses the
/// other's proof as too old.
fn both_stale() -> World {
    let mut world = friends(66);
    put_back(&mut world, &[0], 1);
    for _ in 0..4 {
        world.say(0);
        world.say(1);
        world.settle_in_time();
    }
    world
}

#[test]
fn soft_resets_that_cross_without_a_proof_are_told_to_both_users() {
    let mut world = both_stale();
    for who in [0, 1] {
        let kinds = world.people[who].kinds();
        let is_told = kinds.contains(&EventKind::SessionLost) || kinds.contains(&EventKind::StaleReset);
        assert!(is_told, "{who}: {kinds:?}");
        let info = info(&mut world, who);
        assert!(info.session_trouble.is_some(), "{who}");
        assert!(!info.begins_again, "{who}: no user has begun again");
    }
    begin_again(&mut world, 1).unwrap();
    world.settle_in_time();
    assert!(info(&mut world, 1).begins_again);
    assert_eq!(info(&mut world, 0).asks, [ContactAsks::Reset]);
    agree(&mut world, 0);
    assert_talk(&mut world);
    for who in [0, 1] {
        let info = info(&mut world, who);
        assert!(!info.begins_again && info.session_trouble.is_none() && info.asks.is_empty(), "{who}");
    }
}

#[test]
fn a_reset_that_was_to_heal_a_rewound_peer_and_cannot_is_told() {
    let mut world = friends(60);
    let today = world.today;
    // The first of two messages of a turn of Ada's is missing when she goes on with that turn, long after its end.
    for _ in 0..2 {
        world.say(0);
        while world.put(0, false) {}
    }
    world.forget_a_blob();
    let copy = world.people[0].copy();
    for who in [1, 0, 1] {
        world.say(who);
        world.settle();
    }
    world.people[0].put_back(&copy, today);
    world.say(0);
    world.settle();
    assert!(world.people[1].saw(&EventKind::PeerRewound));
    world.settle_in_time();
    for who in [0, 1] {
        let kinds = world.people[who].kinds();
        let is_told = kinds.contains(&EventKind::SessionLost) || kinds.contains(&EventKind::StaleReset);
        assert!(is_told, "{who}: {kinds:?}");
    }
    begin_again(&mut world, 0).unwrap();
    world.settle_in_time();
    agree(&mut world, 1);
    assert_talk(&mut world);
}

#[test]
fn a_user_who_is_asked_does_not_begin_again_past_the_question() {
    let mut world = both_stale();
    begin_again(&mut world, 0).unwrap();
    world.settle_in_time();
    assert_eq!(info(&mut world, 1).asks, [ContactAsks::Reset]);
    let before = world.people[1].disk.writes();
    assert_eq!(begin_again(&mut world, 1), Err(EngineError::AsksAlready));
    assert_eq!(world.people[1].disk.writes(), before, "nothing changed");
    agree(&mut world, 1);
    assert_talk(&mut world);
}

#[test]
fn users_who_begin_again_at_once_are_both_asked_and_one_answer_heals() {
    for answers in [&[0][..], &[1], &[0, 1], &[1, 0]] {
        let mut world = both_stale();
        for who in [0, 1] {
            begin_again(&mut world, who).unwrap();
        }
        world.settle_in_time();
        for who in [0, 1] {
            assert_eq!(info(&mut world, who).asks, [ContactAsks::Reset], "{who}");
            assert!(info(&mut world, who).begins_again, "{who}");
        }
        for who in answers {
            agree(&mut world, *who);
        }
        assert_talk(&mut world);
        for who in [0, 1] {
            let info = info(&mut world, who);
            assert!(
                info.asks.is_empty() && !info.begins_again,
                "{answers:?}: {who} has nothing left to answer"
            );
        }
    }
}

#[test]
fn a_contact_that_moved_since_the_copy_is_told_as_unreachable_and_a_new_invite_heals_it() {
    let mut world = friends(61);
    let (today, copy) = (world.today, world.people[0].copy());
    world.people[1].engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
    for who in [1, 0, 1, 0] {
        world.say(who);
        world.settle();
    }
    world.people[0].put_back(&copy, today);
    begin_again(&mut world, 0).unwrap();
    world.settle_in_time();
    assert!(world.people[0].saw(&EventKind::Unreachable));
    let ada = info(&mut world, 0);
    assert_eq!(ada.unreachable, Some(crate::UnreachableReason::Refused));
    assert!(info(&mut world, 1).asks.is_empty(), "the question does not arrive");
    invite_again(&mut world, 0, 1);
    assert_talk(&mut world);
    assert_eq!(info(&mut world, 0).unreachable, None);
}

/// Makes and publishes an invite of Ben's for Ada. Returns its link and its bundle.
fn invite_of_ben(world: &mut World) -> (InviteLink, Vec<u8>) {
    let today = world.today;
    let ben = world.people[1].engine();
    let id = ben.begin_invite("Ada", today, 7).unwrap();
    let bundle = ben.publication(id).unwrap().bundle;
    ben.published(id).unwrap();
    let link = ben.link_text(id).unwrap().parse().unwrap();
    world.make_mailboxes();
    (link, bundle)
}

#[test]
fn a_peer_that_was_led_to_the_landing_of_an_invite_by_a_session_that_is_not_used_is_led_back() {
    let mut world = friends(67);
    let today = world.today;
    begin_again(&mut world, 0).unwrap();
    world.put(0, false);
    world.deliver(1, false);
    assert_eq!(info(&mut world, 1).asks, [ContactAsks::Reset]);
    // Ada accepts an invite as well, and her first message by it is lost. Ben agrees to the reset.
    let (link, bundle) = invite_of_ben(&mut world);
    world.people[0].engine().begin_accept(&Acceptance::of("Ben", &link, &bundle), today).unwrap();
    while world.put(0, false) {}
    world.boxes.values_mut().for_each(|mailbox| mailbox.blobs.clear());
    agree(&mut world, 1);
    world.settle();
    for _ in 0..2 {
        world.say(0);
        world.settle_in_time();
    }
    assert!(info(&mut world, 1).invite_until.is_some(), "the invite is open, and its landing is read");
    world.say(0);
    let used = world.people[0].engine().take_puts(1, &BTreeSet::new(), 1).remove(0).address;
    let mut own = world.people[1].engine().mailboxes_at(RELAY).into_iter();
    let own = own.rfind(|mailbox| mailbox.kind == crate::vault::MailboxKind::Private).unwrap();
    assert!(used.send.expose() == own.send.expose(), "Ada writes to the private mailbox");
    assert_talk(&mut world);
}

#[test]
fn an_inviter_is_told_of_an_acceptance_at_once_whatever_waits() {
    for is_receipt in [false, true] {
        let mut world = friends(68);
        let today = world.today;
        if is_receipt {
            world.say(1);
            while world.put(1, false) {}
            while world.deliver(0, false) {}
            assert!(world.receipt(0), "a receipt of the session before is under way");
        } else {
            world.say(0);
            world.put(0, false);
            world.forget_a_blob();
        }
        let (link, bundle) = invite_of_ben(&mut world);
        world.people[0].engine().begin_accept(&Acceptance::of("Ben", &link, &bundle), today).unwrap();
        while world.put(0, false) {}
        while world.deliver(1, false) {}
        assert!(info(&mut world, 1).invite_until.is_none(), "the invite is used, receipt: {is_receipt}");
        assert_talk(&mut world);
    }
}
