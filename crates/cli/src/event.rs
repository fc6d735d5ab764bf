//! Events as they are printed: one JSON object, or a line for people.

use deaddrop_client::{Event, EventKind};
use serde_json::{Value, json};

use crate::output::Shown;

/// The object of an event. Its `event` is the number to give with `--after`.
pub fn object(event: &Event) -> Value {
    let (number, from) = (event.number, &event.contact);
    match &event.kind {
        EventKind::MessageReceived { number: place, text } => {
            json!({ "event": number, "kind": "text", "from": from, "number": place, "text": text })
        }
        EventKind::Delivered { number: place } => {
            json!({ "event": number, "kind": "delivered", "from": from, "number": place })
        }
        EventKind::PrivateAddress { address } => {
            json!({ "event": number, "kind": "private_address", "from": from, "address": address })
        }
        other => json!({ "event": number, "kind": name(other), "from": from }),
    }
}

/// The line of an event; none if people do not want to read it.
pub fn line(event: &Event) -> Option<String> {
    let name = Shown(&event.contact);
    Some(match &event.kind {
        EventKind::MessageReceived { text, .. } => format!("{name}: {}", Shown(text)),
        EventKind::Delivered { number } => format!("  (delivered to {name}: message {number})"),
        EventKind::InviteAccepted => format!("  ({name} has accepted your invite)"),
        EventKind::InviteContested => format!(
            "  (a second person has tried to use the invite of {name}: compare safety numbers with `verify` before you trust this contact)"
        ),
        EventKind::Unreachable => {
            format!(
                "  ({name} takes no messages at any known address; what you send waits in the vault. If it stays so, ask {name} for a new invite and accept it under another name)"
            )
        }
        EventKind::PrivateAddress { address } => {
            format!(
                "  ({name} reads at {address}, an address of a private network or of this machine: this program does not connect there by itself. What you send waits in the vault. If you know that relay: deaddrop allow-private {address})"
            )
        }
        EventKind::NeedsNewerVersion => {
            format!("  ({name} sent something that needs a newer version of this program; it is kept)")
        }
        EventKind::InviteExpired => format!("  (nobody used the invite of {name} in time; make a new one)"),
        // That both sides are proven needs no attention.
        EventKind::Established => return None,
        _ => format!("  ({name}: something this program does not know yet)"),
    })
}

fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Established => "established",
        EventKind::InviteAccepted => "invite_accepted",
        EventKind::InviteContested => "invite_contested",
        EventKind::Unreachable => "unreachable",
        EventKind::NeedsNewerVersion => "needs_newer_version",
        EventKind::InviteExpired => "invite_expired",
        _ => "other",
    }
}
