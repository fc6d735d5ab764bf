//! A vault that the first version of the store wrote: it opens, and its file is changed to the
//! present format in place.

use super::*;
use std::sync::Arc;

/// Ada's vault, made by the commands of commit a308ae6: she knows Ben, has received three texts
/// that she has not read, and has sent him two texts without receipts; Cara has an open invite, and
/// a text waits for her. The file holds the key (32 bytes), the length of the vault's file (u64),
/// and each sector of 512 bytes that is not all zeros, after its number (u32).
const FIXTURE: &[u8] = include_bytes!("fixtures/vault-of-store-1.bin");
/// The time when the vault was made, in seconds since 1970-01-01: the test sets the clock to it,
/// because a later day would end the invite.
const MADE: u64 = 1_795_881_028;
const SECTOR: usize = 512;
/// Offset in the vault's file of the first segment's records: after the superblocks, and the
/// segment's header and table of 4,096 slots of 128 bytes.
const BODIES: usize = 40_960 + 4_096 + 4_096 * 128;

fn unpack(home: &std::path::Path) -> Vec<u8> {
    let (key, rest) = FIXTURE.split_at(32);
    let (length, rest) = rest.split_at(8);
    let mut vault = vec![0; usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap()];
    for sector in rest.chunks(4 + SECTOR) {
        let at = usize::try_from(u32::from_le_bytes(sector[..4].try_into().unwrap())).unwrap() * SECTOR;
        vault[at..at + SECTOR].copy_from_slice(&sector[4..]);
    }
    fs::create_dir(home).unwrap();
    fs::write(home.join("vault"), &vault).unwrap();
    fs::write(home.join("vault.key"), key).unwrap();
    #[cfg(unix)]
    for file in ["vault", "vault.key"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(home.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    vault
}

/// Returns the number of bytes that are not zero in the part of the file that holds records: a
/// measure of records that are not erased.
fn body_bytes(vault: &[u8]) -> usize {
    vault[BODIES..].iter().filter(|byte| **byte != 0).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_of_the_first_version_of_the_store_opens_and_is_improved_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("ada");
    let before = unpack(&home);
    let config = || Config { now: Arc::new(|| MADE), ..config() };
    let received = |client: &Client| -> Vec<String> {
        let events = client.events_after(0).unwrap().into_iter();
        let texts = events.filter_map(|event| match event.kind {
            EventKind::MessageReceived { text, .. } => Some(text),
            _ => None,
        });
        texts.collect()
    };
    let is_whole = |client: &Client, waiting: usize| {
        let contacts = client.contacts().unwrap();
        let states: Vec<_> = contacts.iter().map(|it| (it.name.as_str(), it.state, it.waiting)).collect();
        assert_eq!(states, [("ben", ContactState::Established, 2), ("cara", ContactState::Invited, waiting)]);
        assert!(contacts[1].invite_until.is_some());
        assert!(client.safety_number("ben").is_ok() && client.invite_link("cara").is_ok());
    };
    let client = Client::open(&home, Unlock::KeyFile, config()).await.unwrap();
    is_whole(&client, 1);
    assert_eq!(received(&client), ["unread 1", "unread 2", "unread 3"]);
    let vault = client.status().unwrap().vault;
    assert_eq!(vault.limit_bytes, 40_960 + (4 << 30));
    // The upkeep may have made a second segment ahead of need already.
    let grown = vault.file_bytes - before.len() as u64;
    assert!([0, 4 << 20].contains(&grown), "{grown}");
    client.send("cara", "after the way to the present version").await.unwrap();
    client.forget_events_before(u64::MAX).await.unwrap();
    // What was dead before, and never zeroed by the version that made it, goes, too.
    let begin = std::time::Instant::now();
    while client.status().unwrap().vault.dead_bytes > 0 {
        assert!(begin.elapsed() < PATIENCE, "{:?}", client.status());
        sleep(Duration::from_millis(100)).await;
    }
    client.close().await.unwrap();
    let after = fs::read(home.join("vault")).unwrap();
    assert!(after[16..20] != before[16..20], "the superblock has the present version");
    assert!(body_bytes(&after) < body_bytes(&before) / 2, "{} {}", body_bytes(&after), body_bytes(&before));
    let client = Client::open(&home, Unlock::KeyFile, config()).await.unwrap();
    is_whole(&client, 2);
    assert!(received(&client).is_empty());
    assert_eq!(client.status().unwrap().vault.dead_bytes, 0, "closing has left nothing");
    client.close().await.unwrap();
}
