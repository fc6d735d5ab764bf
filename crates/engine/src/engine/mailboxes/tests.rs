//! A relay that loses a mailbox again and again.

use crate::{
    engine::{Acceptance, Engine, tests::TestEngine},
    testing::{MemoryVault, random},
    vault::{ItemKind, MailboxState},
};
use deaddrop_e2ee::invite::InviteLink;
use deaddrop_wire::Day;

const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn engine() -> TestEngine {
    Engine::create(MemoryVault::new(), random(), Some(&RELAY.parse().unwrap()), 0).unwrap()
}

#[test]
fn a_relay_that_loses_a_mailbox_again_and_again_queues_one_move() {
    let today = Day::from_number(20_000);
    let (mut ada, mut ben) = (engine(), engine());
    let id = ada.begin_invite("Ben", today, 7).unwrap();
    let bundle = ada.publication(id).unwrap().bundle;
    ada.published(id).unwrap();
    let link: InviteLink = ada.link_text(id).unwrap().parse().unwrap();
    let id = ben.begin_accept(&Acceptance::of("Ada", &link, &bundle), today).unwrap();
    let private = ben.mailboxes_at(RELAY).remove(0).name;
    ben.mailbox_created(private).unwrap();
    // As after the peer's first answer: an address is told by a move from then on.
    ben.contacts.get_mut(&id).unwrap().row.hello_due = false;
    for _ in 0..20 {
        ben.mailbox_lost(private).unwrap();
        ben.mailbox_created(private).unwrap();
    }
    let moves = ben.contacts[&id].drafts.values().filter(|draft| draft.kind == ItemKind::Move).count()
        + ben.contacts[&id].items.values().filter(|item| item.kind == ItemKind::Move).count();
    assert_eq!(moves, 1);
    assert!(ben.mailboxes_at(RELAY)[0].state == MailboxState::Live, "the mailbox is read again");
}
