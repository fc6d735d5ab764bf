//! The contract of a [`Vault`] as a test that every implementation runs.

use crate::vault::{NewRow, RowBatch, RowEntry, RowKey, Vault};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Storage for one vault, which the tests of [`check_contract`] fill.
pub trait VaultFixture {
    /// The implementation under test.
    type Vault: Vault;

    /// Makes empty storage whose [`StorageReport::room_bytes`](crate::StorageReport::room_bytes) is
    /// at most 64 MiB, because a test fills it.
    fn empty() -> Self;

    /// Opens the vault on the storage, with what was committed. Called again after the earlier
    /// vault was dropped or closed.
    fn open(&self) -> Self::Vault;
}

/// Checks that an implementation keeps the promises 1 to 4 of [`Vault`], as far as that shows
/// without a crash and without a disk that fails.
///
/// # Panics
/// Panics if the check finds that the implementation breaks one of them.
pub fn check_contract<F: VaultFixture>() {
    check_rows::<F>();
    check_tables::<F>();
    check_histories::<F>();
    check_room::<F>();
}

fn row_key(table: u8, number: u64) -> RowKey {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    RowKey([table, 0, 0, 0, 7, a, b, c, d, e, f, g, h, 0, 0, 0])
}

fn row(key: RowKey, expiry_day: u32, body: &[u8]) -> NewRow {
    NewRow { key, expiry_day, body: Zeroizing::new(body.to_vec()) }
}

/// Checks that rows that are put, replaced and erased read as expected, before and after the vault
/// is opened again.
fn check_rows<F: VaultFixture>() {
    let fixture = F::empty();
    let mut vault = fixture.open();
    let [one, other] = [row_key(1, 1), row_key(1, 2)];
    assert_eq!(vault.get(&one), Ok(None));
    assert_eq!(vault.entry(&one), None);
    let puts = vec![row(one, 0, b"one"), row(other, 20_000, b"")];
    assert_eq!(vault.commit(RowBatch { puts, erases: vec![row_key(1, 3)] }), Ok(()));
    let check = |vault: F::Vault| {
        assert_eq!(vault.get(&one), Ok(Some(Zeroizing::new(b"one".to_vec()))));
        assert_eq!(vault.get(&other), Ok(Some(Zeroizing::default())));
        let entry = vault.entry(&other);
        assert_eq!(entry.map(|row| (row.key, row.expiry_day, row.length)), Some((other, 20_000, 0)));
        assert_eq!(vault.entry(&one).map(|row| (row.expiry_day, row.length)), Some((0, 3)));
        assert_eq!(vault.close(), Ok(()));
    };
    check(vault);
    check(fixture.open());
    let mut vault = fixture.open();
    assert_eq!(vault.commit(RowBatch { puts: vec![row(one, 7, b"again")], erases: vec![other] }), Ok(()));
    assert_eq!(vault.erase(&[other, row_key(9, 9)]), Ok(()), "a row that is not there");
    drop(vault);
    let mut vault = fixture.open();
    assert_eq!(vault.get(&one), Ok(Some(Zeroizing::new(b"again".to_vec()))));
    assert_eq!(vault.entry(&one).map(|row| (row.expiry_day, row.length)), Some((7, 5)));
    assert_eq!((vault.get(&other), vault.entry(&other)), (Ok(None), None));
    assert_eq!(vault.erase(&[one]), Ok(()));
    drop(vault);
    assert_eq!(fixture.open().get(&one), Ok(None));
}

/// Checks that tables are listed in the order of their keys, and tell the order in which rows were
/// stored.
fn check_tables<F: VaultFixture>() {
    let fixture = F::empty();
    let mut vault = fixture.open();
    let stored = [300, 2, 70_000, 1];
    for number in stored {
        let puts = vec![row(row_key(5, number), 0, b"five"), row(row_key(6, number), 0, b"six")];
        assert_eq!(vault.commit(RowBatch { puts, erases: Vec::new() }), Ok(()));
    }
    assert_eq!(vault.commit(RowBatch { puts: Vec::new(), erases: vec![row_key(5, 2)] }), Ok(()));
    let listed = |vault: &F::Vault, table| -> Vec<RowKey> {
        vault.table(table).into_iter().map(|row| row.key).collect()
    };
    drop(vault);
    let vault = fixture.open();
    assert_eq!(listed(&vault, 5), [1, 300, 70_000].map(|number| row_key(5, number)));
    assert_eq!(listed(&vault, 6), [1, 2, 300, 70_000].map(|number| row_key(6, number)));
    assert!([0, 4, 7, u8::MAX].into_iter().all(|table| listed(&vault, table).is_empty()));
    let mut by_age = vault.table(6);
    by_age.sort_by_key(|row| row.order);
    let by_age: Vec<RowKey> = by_age.into_iter().map(|row| row.key).collect();
    assert_eq!(by_age, stored.map(|number| row_key(6, number)));
}

/// Checks that the rows after each batch of a pseudorandom history, with openings between them, are
/// those of a map with the same changes.
fn check_histories<F: VaultFixture>() {
    let fixture = F::empty();
    let mut vault = fixture.open();
    let mut model: BTreeMap<RowKey, (u32, Vec<u8>)> = BTreeMap::new();
    let mut numbers = Numbers(1);
    for turn in 0..300_u64 {
        let mut batch = RowBatch::default();
        let mut named = BTreeMap::new();
        for _ in 0..numbers.below(12) {
            let (table, number) = (numbers.below(3), numbers.below(40));
            named.insert(row_key(table.to_le_bytes().first().copied().unwrap_or(0), number), ());
        }
        for key in named.into_keys() {
            if numbers.below(3) == 0 {
                model.remove(&key);
                batch.erases.push(key);
            } else {
                let length = usize::try_from(numbers.below(3_000)).unwrap_or(0);
                let day = if turn % 2 == 0 { 0 } else { 20_000 };
                let body: Vec<u8> = turn.to_le_bytes().into_iter().cycle().take(length).collect();
                batch.puts.push(row(key, day, &body));
                model.insert(key, (day, body));
            }
        }
        assert_eq!(vault.commit(batch), Ok(()));
        if numbers.below(9) == 0 {
            let gone: Vec<RowKey> = model.keys().take(3).copied().collect();
            assert_eq!(vault.erase(&gone), Ok(()));
            gone.iter().for_each(|key| drop(model.remove(key)));
        }
        if numbers.below(20) == 0 {
            drop(vault);
            vault = fixture.open();
        }
        let held: Vec<RowEntry> = (0..=u8::MAX).flat_map(|table| vault.table(table)).collect();
        assert_eq!(held.len(), model.len());
        for (entry, (key, (day, body))) in held.iter().zip(&model) {
            assert_eq!((entry.key, entry.expiry_day, entry.length), (*key, *day, body.len()));
            assert_eq!(vault.entry(key), Some(*entry));
            assert_eq!(vault.get(key), Ok(Some(Zeroizing::new(body.clone()))));
        }
    }
}

/// Checks that a commit does not fail for lack of room below seven eighths of the room, whatever
/// was stored and erased before, and that a vault that is full refuses a commit without a change.
fn check_room<F: VaultFixture>() {
    let fixture = F::empty();
    let mut vault = fixture.open();
    let report = vault.report();
    assert!(report.room_bytes <= 64 << 20, "this check fills the vault");
    let weight =
        |length: usize| u64::try_from(length).map_or(u64::MAX, |bytes| bytes.max(report.least_row_bytes));
    let mut held: BTreeMap<u64, usize> = BTreeMap::new();
    let (mut used, mut added, mut numbers) = (0, 0, Numbers(2));
    for number in 0.. {
        let length = match numbers.below(3) {
            0 => numbers.below(700),
            1 => 2_000 + numbers.below(2_000),
            _ => 20_000 + numbers.below(45_000),
        };
        let length = usize::try_from(length).unwrap_or(0);
        // Room is made by erasing rows from the whole of what is there.
        while used + weight(length) >= report.room_bytes / 8 * 7 {
            let some = numbers.below(number);
            let Some((old, gone)) = held.range(some..).next().or_else(|| held.iter().next()) else { break };
            let (old, gone) = (*old, *gone);
            assert_eq!(vault.erase(&[row_key(3, old)]), Ok(()));
            held.remove(&old);
            used -= weight(gone);
        }
        let puts = vec![row(row_key(3, number), 0, &vec![7; length])];
        assert_eq!(vault.commit(RowBatch { puts, erases: Vec::new() }), Ok(()), "{used} of {report:?}");
        held.insert(number, length);
        used += weight(length);
        added += weight(length);
        if added > 4 * report.room_bytes {
            break;
        }
    }
    // Full is full, and changes nothing.
    let large = vec![7; 60_000];
    let mut refused = None;
    for number in 0..report.room_bytes / 20_000 {
        let puts = vec![row(row_key(4, number), 0, &large)];
        if let Err(error) = vault.commit(RowBatch { puts, erases: Vec::new() }) {
            refused = Some((number, error));
            break;
        }
    }
    let Some((number, error)) = refused else {
        assert!(refused.is_some(), "a vault takes more than it has room for");
        return;
    };
    assert!(error.is_passing(), "{error}");
    assert_eq!(vault.get(&row_key(4, number)), Ok(None));
    assert_eq!(vault.table(4).len(), usize::try_from(number).unwrap_or(usize::MAX));
    let all: Vec<RowKey> = vault.table(4).into_iter().map(|row| row.key).collect();
    assert_eq!(vault.erase(&all), Ok(()));
    assert_eq!(
        vault.commit(RowBatch { puts: vec![row(row_key(4, 0), 0, &large)], erases: Vec::new() }),
        Ok(())
    );
}

/// A generator of pseudorandom numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    /// Returns a number below a bound; 0 if the bound is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }
}
