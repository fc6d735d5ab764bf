//! The fill level of the vault, for people and for programs.

use deaddrop_client::{VaultRoom, VaultStatus};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// Returns the fill level for people: one line, and one more each if the vault does not take
/// everything and if erased bytes are still on the disk.
pub(super) fn lines(vault: &VaultStatus) -> Vec<String> {
    let mut lines = vec![format!(
        "The vault is {} % full; its file has {} MiB, at most {} MiB",
        vault.percent(),
        vault.file_bytes / MIB,
        vault.limit_bytes / MIB
    )];
    match vault.room {
        VaultRoom::Enough => {}
        VaultRoom::ReceivesOnly => lines.push(
            "THE VAULT IS ALMOST FULL: it receives, but takes no new text, invite or contact. Erase what you have read: receive \
             --forget"
                .to_owned(),
        ),
        _ => lines.push(
            "THE VAULT IS FULL: what others send waits at the relays. Erase what you have read: receive --forget".to_owned(),
        ),
    }
    if vault.dead_bytes > 0 {
        let age = vault.oldest_dead.map_or(0, |age| age.as_secs());
        lines.push(format!(
            "{} KiB of the file may hold erased records, encrypted under keys that are destroyed, for {age} s at least; they are \
             overwritten while a command runs",
            vault.dead_bytes.div_ceil(1_024)
        ));
    }
    lines
}

/// Returns the fill level in JSON. The words in it are stable.
pub(super) fn json(vault: &VaultStatus) -> Value {
    json!({
        "file_bytes": vault.file_bytes,
        "limit_bytes": vault.limit_bytes,
        "used_bytes": vault.used_bytes,
        "send_bytes": vault.send_bytes,
        "receive_bytes": vault.receive_bytes,
        "percent": vault.percent(),
        "room": match vault.room {
            VaultRoom::Enough => "enough",
            VaultRoom::ReceivesOnly => "receives_only",
            _ => "full",
        },
        "dead_bytes": vault.dead_bytes,
        "oldest_dead_seconds": vault.oldest_dead.map(|age| age.as_secs()),
    })
}
