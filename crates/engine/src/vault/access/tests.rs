//! Rows are read by their version, and listed by table.

use super::*;
use crate::{
    testing::MemoryVault,
    vault::{key::key, key::parts},
};

fn rows() -> Rows<MemoryVault> {
    Rows::new(MemoryVault::new())
}

#[test]
fn a_row_is_read_by_its_version() {
    let mut vault = rows();
    let name = key(Table::Cursor, 0, 0);
    assert_eq!(vault.read::<u64>(&name), Ok(None));
    let mut changes = Changes::default();
    changes.put(name, &300_u64).unwrap();
    vault.commit(changes).unwrap();
    assert_eq!(vault.read_bytes(&name), Ok(Some(vec![2, 0xac, 0x02].into())));
    assert_eq!(vault.read::<u64>(&name), Ok(Some(300)));
    for (bytes, wanted) in [
        (vec![], VaultError::Corrupt),
        (vec![0, 1], VaultError::Corrupt),
        (vec![1, 0xac, 0x02], VaultError::Corrupt),
        (vec![2], VaultError::Corrupt),
        (vec![2, 0xac], VaultError::Corrupt),
        (vec![3, 0xac, 0x02], VaultError::NewerVersion),
    ] {
        let mut changes = Changes::default();
        changes.put_bytes(name, bytes.into());
        vault.commit(changes).unwrap();
        assert_eq!(vault.read::<u64>(&name), Err(wanted));
    }
    let mut changes = Changes::default();
    changes.erase(name);
    vault.commit(changes).unwrap();
    assert_eq!(vault.read::<u64>(&name), Ok(None));
}

#[test]
fn a_table_is_listed_in_order_and_without_the_rows_of_others() {
    let mut vault = rows();
    let mut changes = Changes::default();
    for number in [300, 2, 70_000] {
        changes.put(key(Table::Event, 0, number), &number).unwrap();
        changes.put(key(Table::Outbox, 7, number), &number).unwrap();
    }
    assert_eq!(changes.pending(&key(Table::Event, 0, 2)), Some(&[2, 2][..]));
    changes.erase(key(Table::Event, 0, 2));
    assert_eq!(changes.pending(&key(Table::Event, 0, 2)), None);
    vault.commit(changes).unwrap();
    let numbers = |table| vault.keys(table).iter().map(|key| parts(key).1).collect::<Vec<_>>();
    assert_eq!(numbers(Table::Event), [300, 70_000]);
    assert_eq!(numbers(Table::Outbox), [2, 300, 70_000]);
    assert!(numbers(Table::Held).is_empty());
}

/// The weight of all rows that is kept up to date with each change must equal the one that an
/// opening computes.
#[test]
fn the_room_in_use_is_counted_as_an_opening_counts_it() {
    let memory = MemoryVault::new();
    let mut vault = Rows::new(memory.clone());
    let least = memory.report().least_row_bytes;
    let put = |number: u64, length: usize| {
        let mut changes = Changes::default();
        changes.put_bytes(key(Table::Held, 1, number), vec![7; length].into());
        changes
    };
    assert_eq!(vault.status().used_bytes, 0);
    vault.commit(put(1, 10)).unwrap();
    assert_eq!(vault.status().used_bytes, least);
    vault.commit(put(2, 9_000)).unwrap();
    assert_eq!(vault.status().used_bytes, least + 9_000);
    vault.commit(put(2, 5_000)).unwrap();
    assert_eq!(vault.status().used_bytes, least + 5_000);
    assert_eq!(Rows::new(memory.clone()).status(), vault.status());
    memory.refuse(Some(VaultError::Full));
    assert_eq!(vault.commit(put(3, 100)), Err(VaultError::Full));
    memory.refuse(None);
    assert_eq!(vault.status().used_bytes, least + 5_000);
    vault.erase(&[key(Table::Held, 1, 2), key(Table::Held, 1, 3)]).unwrap();
    let mut changes = put(4, 2_000);
    changes.erase_later([key(Table::Held, 1, 1)].into_iter());
    vault.commit(changes).unwrap();
    assert_eq!(vault.status().used_bytes, 2_000);
    assert_eq!(Rows::new(memory).status(), vault.status());
}
