//! Vaults that are not brought to format 2, and those that have nothing to bring.

use super::*;
use crate::vault::DraftRow;

fn refused(rows: &Stored) -> VaultError {
    let (_, mut vault) = vault_of(rows);
    let before = rows_of(&vault);
    assert!(before == *rows);
    let error = run(&mut vault, &mut random(), &mut |_| panic!("a batch was stored")).unwrap_err();
    assert!(rows_of(&vault) == before, "nothing was changed");
    error
}

fn one_contact() -> Fixture {
    let own = IdentityKeyPair::generate(&mut random());
    let mut fixture = Fixture::default();
    fixture.config(&own, 130);
    fixture.small_rows(&own, &mut StdRng::seed_from_u64(4));
    let mut contact = OldContact::new(1, "Ada");
    contact.clock = fixture.outbox(1, 1..21);
    (contact.row.in_stream, contact.row.sparse) = (Some(in_stream(1)), [3, 4].into());
    fixture.held(1, 3);
    fixture.held(1, 4);
    fixture.contact(1, contact);
    fixture.contact(2, OldContact::new(2, "Ben"));
    events(&mut fixture);
    fixture
}

#[test]
fn an_empty_vault_has_its_config_alone() {
    let own = IdentityKeyPair::generate(&mut random());
    let mut fixture = Fixture::default();
    fixture.config(&own, 1);
    let (_, mut vault) = vault_of(&fixture.old);
    let mut sizes = Vec::new();
    let mut watch = |[rows, _]: [usize; 2]| {
        sizes.push(rows);
        Ok(())
    };
    run(&mut vault, &mut random(), &mut watch).unwrap();
    assert_migrated(&vault, &fixture);
    assert_eq!(sizes, [2, 1]);
    assert_eq!(refused(&Stored::new()), VaultError::Corrupt, "a vault without config is none");
}

#[test]
fn other_formats_are_refused() {
    let fixture = one_contact();
    let format = |version, stage| {
        let row = super::super::super::encode(&FormatRow { version, stage, after: [0; 16] }).unwrap();
        let mut rows = fixture.old.clone();
        rows.insert(FORMAT_KEY, row);
        rows
    };
    assert_eq!(refused(&format(3, 0)), VaultError::NewerVersion);
    assert_eq!(refused(&format(0, 0)), VaultError::Corrupt);
    assert_eq!(refused(&format(1, 15)), VaultError::Corrupt);
    let mut rows = format(2, 0);
    rows.get_mut(&FORMAT_KEY).unwrap()[0] = 3;
    assert_eq!(refused(&rows), VaultError::NewerVersion);
    // A vault of format 2 that has lost the row of its format.
    let mut rows = fixture.new.clone();
    assert_eq!(refused(&rows), VaultError::Corrupt);
    rows.insert(key(Table::Config, 0, 0), vec![3, 1].into());
    assert_eq!(refused(&rows), VaultError::NewerVersion);
}

#[test]
fn a_damaged_row_stops_it_before_anything_is_changed() {
    let fixture = one_contact();
    let rows = [
        key(Table::Config, 0, 0),
        key(OLD_RELAYS, 0, 0),
        key(OLD_BLOCKED, 2, 0),
        key(Table::Invite, 3, 0),
        key(Table::Cursor, 0, 0),
        key(Table::Attempt, 0x0102_0304, 5),
        key(Table::Running, 0, 0),
        key(Table::StaleTried, 0, 0),
        key(Table::Again, 1, 0),
        key(Table::Event, 0, 2_999),
        key(Table::Held, 1, 4),
        key(Table::Outbox, 1, 20),
        key(Table::Person, 1, 0),
    ];
    for row in rows {
        let mut damaged = fixture.old.clone();
        let body = damaged.get_mut(&row).unwrap();
        let half = body.len() / 2;
        body.truncate(half);
        assert_eq!(refused(&damaged), VaultError::Corrupt, "{:?}", row.0);
        if row.0[0] != Table::Held.code() {
            for (version, wanted) in
                [(0, VaultError::Corrupt), (2, VaultError::Corrupt), (3, VaultError::NewerVersion)]
            {
                let mut damaged = fixture.old.clone();
                damaged.get_mut(&row).unwrap()[0] = version;
                assert_eq!(refused(&damaged), wanted, "{:?}", row.0);
            }
        }
    }
    // An item that is neither a text nor a move, and two in one.
    let void = content::encode(&[Content::Void { stream: StreamId([1; 16]), number: 1 }]).unwrap();
    let two = Zeroizing::new([text([1; 16], 1, "a").to_vec(), text([1; 16], 2, "b").to_vec()].concat());
    for content in [void, two] {
        let item = format1::ItemRow { kind: format1::ItemKind::Text, content, sealed: None, again_on: None };
        let mut damaged = fixture.old.clone();
        damaged.insert(key(Table::Outbox, 1, 20), old_row(&item));
        assert_eq!(refused(&damaged), VaultError::Corrupt);
    }
}

#[test]
fn a_session_of_a_newer_version_stops_it() {
    let mut fixture = one_contact();
    let rng = &mut StdRng::seed_from_u64(5);
    let own = IdentityKeyPair::generate(rng);
    let pair = fixture.session(1, &own, 2, rng);
    let mut contact = OldContact::new(1, "Ada");
    contact.row.identity = Some(*pair.peer_identity.identity_key().hash().as_bytes());
    fixture.contact(1, contact);
    fixture.old.get_mut(&key(Table::Session, 1, 0)).unwrap()[0] = 99;
    assert_eq!(refused(&fixture.old), VaultError::NewerVersion);
}

/// If the row of a contact is lost because the disk is damaged, the rows that belong to it stay
/// where they are.
#[test]
fn what_belongs_to_no_contact_is_left() {
    let mut fixture = one_contact();
    let item =
        |content| format1::ItemRow { kind: format1::ItemKind::Text, content, sealed: None, again_on: None };
    let alone = old_row(&item(text(out_stream(9), 1, "a")));
    fixture.stays(key(Table::Outbox, 9, 0), &alone);
    fixture.stays(key(Table::Outbox, 9, 1), &alone);
    let (_, mut vault) = vault_of(&fixture.old);
    migrate(&mut vault, &mut random()).unwrap();
    assert_migrated(&vault, &fixture);
    assert!(vault.read::<DraftRow>(&rows::draft_key(1, 20)).unwrap().is_some());
}
