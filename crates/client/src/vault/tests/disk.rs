//! Disks that rot, are busy, and hold erased records for a while.

use super::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

#[test]
fn whatever_rots_opening_has_an_answer() {
    let mut rng = StdRng::seed_from_u64(16);
    let [_, mut ben] = friends([small(); 2]);
    ben.engine().send_text("Ada", "waits", TODAY.unix_seconds()).unwrap();
    drop(ben.engine.take());
    let bytes = ben.stored.disk.to_bytes();
    let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..250 {
        let mut rotten = bytes.clone();
        match rng.random_range(0..4) {
            0 => rotten.truncate(rng.random_range(0..bytes.len())),
            flips => {
                for _ in 0..flips {
                    let at = written[rng.random_range(0..written.len())];
                    rotten[at] ^= rng.random_range(1..=255_u8);
                }
            }
        }
        let disk = Arc::new(MemoryDisk::from_bytes(rotten));
        let engine = Shred::open(disk, &unlock(), &mut SystemRandom)
            .ok()
            .and_then(|store| open_in(store, TODAY.unix_seconds()).ok());
        match engine {
            Some(engine) => {
                let _ = engine.events_after(0, usize::MAX);
                opened += 1;
            }
            None => refused += 1,
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}

#[test]
fn the_status_tells_what_is_erased_and_still_there() {
    let mut people = friends([small(); 2]);
    let text = "x".repeat(10_000);
    for _ in 0..20 {
        people[1].engine().send_text("Ada", &text, TODAY.unix_seconds()).unwrap();
    }
    pass(&mut people, 1, TODAY).unwrap();
    let [ada, _] = &mut people;
    let before = ada.engine().vault_status();
    assert_eq!(ada.take_texts().len(), 20);
    let after = ada.engine().vault_status();
    assert!(after.used_bytes + 200_000 < before.used_bytes, "{before:?} {after:?}");
    // The writer tells of it after the commit.
    let begin = Instant::now();
    let dead = loop {
        let status = ada.engine().vault_status();
        if status.dead_bytes > 200_000 && status.oldest_dead.is_some() {
            break status;
        }
        assert!(begin.elapsed() < Duration::from_secs(9), "{status:?}");
    };
    assert!(dead.file_bytes <= dead.limit_bytes && dead.oldest_dead < Some(Duration::from_secs(9)));
    // While nothing is done, it goes.
    while ada.engine().vault_status().dead_bytes > 0 {
        assert!(begin.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ada.engine().vault_status().oldest_dead, None);
    // The store was closed well, and the next opening finds nothing dead.
    ada.engine.take().unwrap().close().unwrap();
    ada.engine = Some(open_in(ada.stored.store(), TODAY.unix_seconds()).unwrap());
    assert!(ada.engine().vault_status().dead_bytes < 10_000);
}

/// A store that was not closed has dead records. With no time allowed for them, it zeroes them
/// before it takes a commit, and is busy until then.
#[test]
fn a_store_that_is_busy_is_waited_for() {
    let key = RowKey([9; 16]);
    let batch = || RowBatch {
        puts: vec![NewRow { key, expiry_day: 0, body: vec![1; 2_000].into() }],
        erases: Vec::new(),
    };
    let open = || {
        let geometry = Geometry { segment_bytes: 4 << 20, initial_segments: 10, ..small() };
        let disk = Arc::new(MemoryDisk::new());
        let mut store = Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut SystemRandom).unwrap();
        store.commit(records(&batch()), &mut SystemRandom).unwrap();
        drop(store);
        let mut store = Shred::open(disk, &unlock(), &mut SystemRandom).unwrap();
        store.set_dead_bytes_limit(Duration::ZERO);
        store
    };
    let writer = Writer::start(open(), SystemRandom).unwrap();
    let busy = (0..20).any(|_| {
        thread::sleep(Duration::from_millis(1));
        writer.commit(records(&batch())) == Err(CommitError::Busy)
    });
    assert!(busy, "the store of this test is never busy");
    let mut vault = ShredVault::start(open()).unwrap();
    thread::sleep(Duration::from_millis(5));
    let begin = Instant::now();
    assert_eq!(vault.commit(batch()), Ok(()));
    assert_eq!(vault.get(&key).unwrap().map(|body| body.len()), Some(2_000));
    assert!(begin.elapsed() >= BUSY_PAUSE, "{:?}", begin.elapsed());
}

/// A vault that is full takes texts again once the texts that were read are erased. Its file stays
/// within its limit.
#[test]
fn a_full_vault_in_a_store_goes_on_after_forgetting() {
    let mut people = friends([small(), Geometry { max_segments: 64, ..small() }]);
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for round in 0..4 {
        loop {
            let text = format!("{} {}", sent.len(), "x".repeat(20_000));
            people[1].engine().send_text("Ada", &text, TODAY.unix_seconds()).unwrap();
            sent.push(text);
            if let Err(error) = pass(&mut people, 1, TODAY) {
                assert_eq!(error, VaultError::Full);
                break;
            }
        }
        let status = people[0].engine().vault_status();
        assert_eq!(status.room, VaultRoom::Full);
        assert!(status.file_bytes <= status.limit_bytes);
        assert_eq!(status.limit_bytes, 40_960 + 16 * (256 << 10));
        if round % 2 == 1 {
            people[0].crash(TODAY);
        }
        received.append(&mut people[0].take_texts());
        assert_eq!(people[0].engine().vault_status().room, VaultRoom::Enough);
        people[0].engine().send_text("Ben", "go on", TODAY.unix_seconds()).unwrap();
        for from in [1, 0, 1] {
            pass(&mut people, from, TODAY).unwrap();
        }
        received.append(&mut people[0].take_texts());
        assert_eq!(people[1].take_texts(), ["go on"]);
        assert_eq!(received, sent);
    }
    assert!(received.len() > 4 * 80, "{}", received.len());
}
