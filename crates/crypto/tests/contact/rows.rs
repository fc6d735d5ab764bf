//! Stored rows that are damaged, or of a newer version.

use crate::people::*;
use deaddrop_crypto::{Contact, ResetKind, StoredSession};
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
    assert_eq!(Contact::load(&newer, []).err(), Some(deaddrop_crypto::LoadError::NewerVersion));
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
    assert_eq!(error, Some(deaddrop_crypto::LoadError::NewerVersion));
    // Any bytes get an answer.
    let random = &mut rng(14);
    for _ in 0..2_000 {
        let mut rows = good.clone();
        let at = random.next_u32() as usize % rows.contact.len();
        rows.contact[at] ^= 1 << (random.next_u32() % 8);
        let _ = Contact::load(&rows.contact, []);
    }
}
