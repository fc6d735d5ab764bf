//! Stored rows that are damaged, or of a newer version.

use crate::people::*;
use deaddrop_e2ee::contact::{Contact, ContactEvent, Hour, ResetKind, StoredSession};
use deaddrop_testkit::rng;
use rand_chacha::rand_core::Rng;

#[test]
fn a_damaged_contact_row_is_refused() {
    let (mut one, mut two) = friends(13, 2);
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    talk(&mut one, &mut two, 1);
    let good = two.rows.clone();
    for cut in 0..good.contact.len() {
        assert!(Contact::load(&good.contact[..cut], []).is_err(), "{cut}");
    }
    let mut newer = good.contact.clone();
    newer[0] = 2;
    assert_eq!(Contact::load(&newer, []).err(), Some(deaddrop_e2ee::LoadError::NewerVersion));
    // A newer session row is never taken for a lost one.
    let mut rows = good.clone();
    rows.sessions.values_mut().for_each(|session| session.snapshot[0] = 99);
    let sessions = rows.sessions.iter().map(|(id, rows)| StoredSession {
        id: *id,
        snapshot: &rows.snapshot,
        reset_secrets: &rows.resets,
        skipped: vec![],
    });
    let error = Contact::load(&rows.contact, sessions).err();
    assert_eq!(error, Some(deaddrop_e2ee::LoadError::NewerVersion));
    // Any bytes get an answer.
    let random = &mut rng(14);
    for _ in 0..2_000 {
        let mut rows = good.clone();
        let at = random.next_u32() as usize % rows.contact.len();
        rows.contact[at] ^= 1 << (random.next_u32() % 8);
        let _ = Contact::load(&rows.contact, []);
    }
}

#[test]
fn a_session_put_back_beside_a_newer_contact_row_tells_all_that_changes() {
    let (mut one, mut two) = friends(15, 2);
    one.reset(ResetKind::Soft, NOW).unwrap();
    let (begun, unanswered) = (one.sending().unwrap(), one.rows.clone());
    one.say();
    pass(&mut one, &mut two);
    two.say();
    let answer = two.sent[0].clone();
    pass(&mut two, &mut one);
    // The peer's bundle is tried once more; then the first session's rows alone are old again.
    one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 1)).unwrap();
    one.rows.sessions.insert(begun, unanswered.sessions[&begun].clone());
    one.reload();
    one.read.clear();
    // `keep` compares the contact's row with what was told.
    one.hear(&answer).unwrap();
    assert!(one.events.iter().filter(|e| matches!(e, ContactEvent::Established { .. })).count() >= 2);
}

#[test]
fn a_session_without_a_contact_is_adopted() {
    let (mut one, mut two) = friends(16, 2);
    let (verified, sending) = (true, one.sending().unwrap());
    let session = one.rows.session(sending);
    let adopted = Contact::adopt(session, verified);
    assert!(adopted.is_verified());
    assert_eq!(adopted.sending().map(deaddrop_e2ee::session::Session::id), Some(sending));
    assert_eq!(adopted.standing(), Some(deaddrop_e2ee::session::Standing::Established));
    one.rows.contact = adopted.row().to_vec();
    one.reload();
    talk(&mut one, &mut two, 2);
    // Its peer can be lost and come back, as that of any contact.
    two.lose_sessions();
    two.reset(ResetKind::Soft, NOW).unwrap();
    talk(&mut one, &mut two, 2);
    assert_converged(&mut one, &mut two);
}
