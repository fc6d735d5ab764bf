//! The list of what is left to be sent, and the reasons for which it waits.

use super::*;

const TODAY: Day = Day::from_number(20_000);

/// Returns Ada, who has invited Ben, and Ben, who has accepted.
fn ada_and_ben() -> (Person, Person) {
    let (mut ada, mut ben) = (Person::new(), Person::new());
    let id = ada.engine().begin_invite("Ben", TODAY, 7).unwrap();
    let publication = ada.engine().publication(id).unwrap();
    ada.engine().published(id).unwrap();
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    ben.engine().begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), TODAY).unwrap();
    (ada, ben)
}

/// Answers every put of a person as a relay does that stores the envelope. Returns the number of
/// envelopes.
fn store_all(person: &mut Person) -> usize {
    let mut count = 0;
    loop {
        let puts: Vec<SentPut> =
            person.engine().take_puts(1, &BTreeSet::new(), 16).iter().map(PutJob::sent).collect();
        if puts.is_empty() {
            return count;
        }
        count += puts.len();
        person.engine().mark_stored_at_relay(1, &puts, LIVES, TODAY).unwrap();
    }
}

#[test]
fn each_need_is_named_and_ends_with_what_it_waits_for() {
    let (mut ada, mut ben) = ada_and_ben();
    assert_eq!(ada.engine().needs(), BTreeMap::new());
    let early = ada.engine().send_text("Ben", "before you are there", NOW).unwrap();
    assert_eq!(ada.engine().needs(), [(1, Need::Session)].into());
    let texts = ada.engine().texts_to(1);
    assert_eq!((texts.name.as_str(), texts.stored, texts.waiting), ("Ben", 0, vec![early]));

    // The answer to the invite tells an own mailbox, which is not made yet.
    assert_eq!(ben.engine().needs(), [(1, Need::Mailbox(RELAY.to_owned()))].into());
    assert_eq!(ben.engine().mailbox_needs(NOW).make, [RELAY.to_owned()].into());
    let name = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(name).unwrap();
    assert_eq!(ben.engine().needs(), [(1, Need::Put)].into());
    assert_eq!(ben.engine().mailbox_needs(NOW).make, BTreeSet::new());

    let message = ben.engine().send_text("Ada", "hello", NOW).unwrap();
    assert_eq!(ben.engine().texts_to(1).waiting, [message]);
    assert!(store_all(&mut ben) > 0);
    assert_eq!(ben.engine().needs(), BTreeMap::new());
    assert_eq!((ben.engine().texts_to(1).stored, ben.engine().texts_to(1).waiting), (1, vec![]));
    assert_eq!(ben.engine().mailbox_needs(NOW).empty, [1].into(), "the used invite is to be emptied");
    ben.engine().invite_emptied(1).unwrap();
    assert_eq!(ben.engine().mailbox_needs(NOW).empty, BTreeSet::new());

    // What has expired at the relay is sent again, and was stored before.
    ben.engine().begin_day(TODAY.plus(40)).unwrap();
    assert_eq!(ben.engine().needs(), [(1, Need::Put)].into());
    assert_eq!(ben.engine().texts_to(1).waiting, vec![]);
    store_all(&mut ben);
    assert_eq!(ben.engine().texts_stored(), [(1, 1)].into());
}

#[test]
fn a_full_turn_waits_for_the_peer_and_a_refused_address_for_another_one() {
    let (_, mut ben) = ada_and_ben();
    let name = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(name).unwrap();
    for number in 0..2_100 {
        ben.engine().send_text("Ada", &number.to_string(), NOW).unwrap();
    }
    let stored = store_all(&mut ben);
    assert_eq!(ben.engine().needs(), [(1, Need::Peer)].into());
    let texts = ben.engine().texts_to(1);
    assert_eq!(texts.waiting.len() + usize::try_from(texts.stored).unwrap(), 2_100, "{stored} envelopes");

    let (_, mut ben) = ada_and_ben();
    let name = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(name).unwrap();
    let put = ben.engine().take_puts(1, &BTreeSet::new(), 1).remove(0).sent();
    ben.engine().refused(1, &put, TODAY).unwrap();
    assert_eq!(ben.engine().needs(), [(1, Need::Address)].into());
}
