//! Saved sessions: rows of any bytes load or are refused, and a loaded session can be used.

use super::{
    input::Input,
    scenes::{self, Rows},
};
use deaddrop_e2ee::session::{Session, SkippedId};
use deaddrop_testkit::rng;

pub fn session(data: &[u8]) {
    let mut input = Input(data);
    let scene = &scenes::scenes()[input.pick(scenes::scenes().len())];
    let flags = input.u8();
    let mut rows = if flags & 1 == 0 { scene.receiver.clone() } else { scene.sender.clone() };
    input.change(&mut rows.session);
    input.change(&mut rows.resets);
    if let Some((_, row)) = rows.skipped.iter_mut().next() {
        input.change(row);
    }
    if flags & 2 != 0 {
        let id = SkippedId { turn: input.u32(), message_number: input.u32() };
        rows.skipped.insert(id, input.short().to_vec());
    }
    if flags & 4 != 0 {
        rows.resets = input.short().to_vec();
    }
    if flags & 8 != 0 {
        rows.session.truncate(usize::from(input.u16()));
    }
    rows.session.extend_from_slice(input.rest());

    let load = |rows: &Rows| {
        let skipped = rows.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
        Session::load(&rows.session, &rows.resets, skipped)
    };
    let Ok(mut session) = load(&rows) else { return };
    // A loaded session is saved, and loads again, as the same.
    let saved = session.snapshot();
    let mut again = rows.clone();
    again.session = saved.to_vec();
    assert!(*load(&again).expect("just saved").snapshot() == *saved);
    assert_eq!(saved.len(), rows.session.len());
    let whole = |row: &&Vec<u8>| row.len() == 37 && row[0] == 1;
    assert_eq!(session.skipped_keys(), rows.skipped.values().filter(whole).count());

    let _ = session.room(deaddrop_wire::SizeClass::Small);
    for message in &scene.sent {
        let before = session.snapshot();
        if session.decrypt(scene.identity, &message.envelope, scenes::TODAY).is_err() {
            assert!(*session.snapshot() == *before);
        }
    }
    for _ in 0..2 {
        let before = session.snapshot();
        if session.encrypt(b"text", &mut rng(1)).is_err() {
            assert!(*session.snapshot() == *before);
        }
    }
    let _ = session.expire(scenes::TODAY.plus(100));
    let _ = session.snapshot();
}
