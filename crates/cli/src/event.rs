//! Events as they are printed: one JSON object, or a line for people that says what happened and what to do.

use deaddrop_client::{Event, EventKind, MessageId};
use serde_json::{Value, json};

use crate::output::{Shown, Typed};

/// Number of bytes of a message's id that people are shown: enough to tell the messages of a
/// contact from each other.
const SHORT_ID: usize = 4;

/// Returns the id of a message in hexadecimal, as in JSON.
pub fn message_id(message: &MessageId) -> String {
    hex(&message.0)
}

/// Returns the first 4 bytes of a message's id in hexadecimal, for people.
pub fn short_id(message: &MessageId) -> String {
    hex(message.0.get(..SHORT_ID).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the JSON object of an event. Its `event` is the number to give with `--after`; its
/// `from` is the contact's name, or null if no contact is concerned.
pub fn object(event: &Event) -> Value {
    let mut object = json!({
        "event": event.number,
        "kind": name(&event.kind),
        "from": Some(&event.contact).filter(|name| !name.is_empty()),
    });
    let Some(fields) = object.as_object_mut() else { return object };
    let mut add = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(message) = &event.message {
        add("message", json!(message_id(message)));
    }
    match &event.kind {
        EventKind::MessageReceived { text, late } => {
            add("text", json!(text));
            add("late", json!(late));
        }
        EventKind::MessageOfLeftSession { text } => add("text", json!(text)),
        EventKind::PrivateAddress { address } => add("address", json!(address)),
        EventKind::RelayMoved { old, new } => {
            add("old", json!(old));
            add("new", json!(new));
        }
        EventKind::MessagesMissing { gaps } => {
            let ranges = gaps.iter().map(|(first, last)| json!({ "first": first, "last": last }));
            add("missing", ranges.collect());
        }
        _ => {}
    }
    object
}

/// Returns the line of an event for people; `None` if the event has nothing that people want to
/// read.
pub fn line(event: &Event) -> Option<String> {
    let name = Shown(&event.contact);
    let typed = Typed(&event.contact);
    Some(match &event.kind {
        EventKind::MessageReceived { text, late: false } => format!("{name}: {}", Shown(text)),
        EventKind::MessageReceived { text, late: true } => format!("{name} (late): {}", Shown(text)),
        EventKind::MessageOfLeftSession { text } => {
            format!("{name} (by a session that you two have left): {}", Shown(text))
        }
        // That both sides are proven needs no attention.
        EventKind::Established => return None,
        EventKind::Delivered => match &event.message {
            Some(message) => format!("  (delivered to {name}: message {})", short_id(message)),
            None => format!("  (delivered to {name})"),
        },
        EventKind::InviteAccepted => format!("  ({name} has accepted your invite)"),
        EventKind::InviteContested => format!(
            "  (a second person has tried to use the invite of {name}: compare safety numbers before you trust this contact: \
             deaddrop verify {typed})"
        ),
        EventKind::InviteExpired => {
            format!("  (the invite of {name} was not used in time. Make a new one: deaddrop invite {typed})")
        }
        EventKind::InviteTaken => format!(
            "  (the invite of {name} that you accepted got no answer in time: perhaps somebody else used it first. Ask {name} for a \
             new one)"
        ),
        EventKind::Unreachable => format!(
            "  ({name} takes no messages at any known address; what you send waits in the vault. If it stays so, ask {name} for a \
             new invite: deaddrop accept LINK {typed})"
        ),
        EventKind::PrivateAddress { address } => format!(
            "  ({name} reads at {address}, an address of a private network or of this machine: this program does not connect there \
             by itself. What you send waits in the vault. If you know that relay: deaddrop allow-private {address})"
        ),
        EventKind::NeedsNewerVersion => {
            format!("  ({name} sent something that needs a newer version of this program; it is kept)")
        }
        EventKind::MessagesMissing { gaps } => match count(gaps) {
            1 => format!(
                "  (1 message of {name} has not come, though later ones have. The later ones follow; the missing one is marked as late \
                 if it still comes. The program of {name} sends it again as long as it has it)"
            ),
            many => format!(
                "  ({many} messages of {name} have not come, though later ones have. The later ones follow; the missing ones are \
                 marked as late if they still come. The program of {name} sends them again as long as it has them)"
            ),
        },
        kind => return session_line(kind, &event.contact),
    })
}

/// Returns the line of an event about a session, an identity, or this vault, for people; never
/// `None`. `contact` is the contact's name.
fn session_line(kind: &EventKind, contact: &str) -> Option<String> {
    let (name, typed) = (Shown(contact), Typed(contact));
    Some(match kind {
        EventKind::PeerDisagrees => format!(
            "  (what {name} reports as received does not fit to what you sent, even after all of it was sent once more. Texts without \
             a report stay undelivered. Ask {name} by another way; a new invite begins again: deaddrop invite {typed})"
        ),
        EventKind::SessionReset => format!(
            "  (the session with {name} was lost or put back on one of the two sides, and a new one has begun by itself. You need not \
             do anything)"
        ),
        EventKind::ResetRequested => format!(
            "  ({name} asks to begin again and cannot prove that it knew the session: its device was restored, or somebody has \
             stolen its identity. Ask {name} by another way, such as a call. If {name} did this: deaddrop agree {typed})"
        ),
        EventKind::StaleReset => format!(
            "  ({name} wants to begin again because one of the two vaults was put back to an old state, and cannot prove it: there is \
             nothing to agree to. If no new session begins: deaddrop begin-again {typed}, or make a new invite: deaddrop invite {typed})"
        ),
        EventKind::BegunAgain => format!(
            "  (a new beginning with {name}, complete once {name} has answered: compare safety numbers then: deaddrop verify {typed})"
        ),
        EventKind::PeerFellBack => format!(
            "  ({name} uses an older session again: it has lost the newer one, or somebody has an old copy of its vault. Compare \
             safety numbers once more: deaddrop verify {typed})"
        ),
        EventKind::PeerRewound => format!(
            "  (the vault of {name} was put back from a copy. What {name} sent since then cannot be read; a new session begins by \
             itself if that is possible. If no texts of {name} come, make a new invite: deaddrop invite {typed})"
        ),
        EventKind::VerificationCleared => format!(
            "  ({name} was verified and is not any more: compare safety numbers once more: deaddrop verify {typed})"
        ),
        EventKind::OtherIdentity => format!(
            "  (the invite that you made for {name} was used by another identity: {name} may have it after a loss, or somebody else \
             has found the link. Ask {name} by another way, such as a call. If {name} did this: deaddrop agree {typed})"
        ),
        EventKind::IdentityChanged => format!(
            "  ({name} has another identity from now on, as you have agreed: compare safety numbers: deaddrop verify {typed})"
        ),
        EventKind::SessionLost => format!(
            "  (the session with {name} is lost or unusable. If no new session begins by itself: deaddrop begin-again {typed}, or make a \
             new invite: deaddrop invite {typed})"
        ),
        EventKind::Restored => "  (this vault was put back from a copy, or two copies of it are in use. What was sent and received \
             since the copy was made is not in it. It goes on from here; use one copy only. If no texts of a contact come: deaddrop \
             begin-again NAME, or make a new invite: deaddrop invite NAME)"
            .to_owned(),
        EventKind::RelayMoved { old, new } => format!(
            "  (your relay has moved from {old} to {new}. This program has checked that it is the same relay, uses the new address, and \
             tells your contacts. You need not do anything)"
        ),
        EventKind::Displaced => "  (another copy of this vault, or another program, reads your mailboxes. Use one copy only)".to_owned(),
        _ if contact.is_empty() => "  (something that this program does not know yet)".to_owned(),
        _ => format!("  ({name}: something that this program does not know yet)"),
    })
}

/// Returns the number of missing messages in ranges of numbers, first and last included; at most
/// [`u64::MAX`], because a contact names the ranges and can name any.
fn count(gaps: &[(u64, u64)]) -> u64 {
    let one = |(first, last): &(u64, u64)| last.saturating_sub(*first).saturating_add(1);
    gaps.iter().map(one).fold(0, u64::saturating_add)
}

/// Returns the word for a kind of event in JSON. The words are stable.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::MessageReceived { .. } => "text",
        EventKind::MessageOfLeftSession { .. } => "text_of_left_session",
        EventKind::Delivered => "delivered",
        EventKind::Established => "established",
        EventKind::InviteAccepted => "invite_accepted",
        EventKind::InviteContested => "invite_contested",
        EventKind::InviteExpired => "invite_expired",
        EventKind::InviteTaken => "invite_taken",
        EventKind::Unreachable => "unreachable",
        EventKind::PrivateAddress { .. } => "private_address",
        EventKind::NeedsNewerVersion => "needs_newer_version",
        EventKind::MessagesMissing { .. } => "messages_missing",
        EventKind::PeerDisagrees => "peer_disagrees",
        EventKind::SessionReset => "session_reset",
        EventKind::ResetRequested => "reset_requested",
        EventKind::StaleReset => "stale_reset",
        EventKind::BegunAgain => "begun_again",
        EventKind::PeerFellBack => "peer_fell_back",
        EventKind::PeerRewound => "peer_rewound",
        EventKind::VerificationCleared => "verification_cleared",
        EventKind::OtherIdentity => "other_identity",
        EventKind::IdentityChanged => "identity_changed",
        EventKind::SessionLost => "session_lost",
        EventKind::Restored => "restored",
        EventKind::Displaced => "displaced",
        EventKind::RelayMoved { .. } => "relay_moved",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_client::Day;
    use std::collections::BTreeSet;

    fn event(contact: &str, kind: EventKind) -> Event {
        let message = matches!(kind, EventKind::MessageReceived { .. } | EventKind::Delivered)
            .then_some(MessageId([0xab; 16]));
        Event { number: 7, day: Day::from_number(20_000), contact: contact.to_owned(), message, kind }
    }

    fn about_contacts() -> Vec<EventKind> {
        vec![
            EventKind::MessageReceived { text: "hello".to_owned(), late: false },
            EventKind::MessageOfLeftSession { text: "hello".to_owned() },
            EventKind::Delivered,
            EventKind::Established,
            EventKind::InviteAccepted,
            EventKind::InviteContested,
            EventKind::InviteExpired,
            EventKind::InviteTaken,
            EventKind::Unreachable,
            EventKind::PrivateAddress { address: [10, 0, 0, 1].into() },
            EventKind::NeedsNewerVersion,
            EventKind::MessagesMissing { gaps: vec![(3, 5), (9, 9)] },
            EventKind::PeerDisagrees,
            EventKind::SessionReset,
            EventKind::ResetRequested,
            EventKind::StaleReset,
            EventKind::BegunAgain,
            EventKind::PeerFellBack,
            EventKind::PeerRewound,
            EventKind::VerificationCleared,
            EventKind::OtherIdentity,
            EventKind::IdentityChanged,
            EventKind::SessionLost,
        ]
    }

    #[test]
    fn every_kind_has_a_name_and_a_line_of_its_own() {
        let events = about_contacts().into_iter().map(|kind| event("ben", kind));
        let moved = EventKind::RelayMoved { old: "ws://a/".to_owned(), new: "ws://b/".to_owned() };
        let own = [EventKind::Restored, EventKind::Displaced, moved].map(|kind| event("", kind));
        let events: Vec<Event> = events.chain(own).collect();
        let names: BTreeSet<&str> = events.iter().map(|event| name(&event.kind)).collect();
        assert!(names.len() == events.len() && !names.contains("other"), "{names:?}");
        for event in &events {
            let Some(line) = line(event) else {
                assert_eq!(event.kind, EventKind::Established);
                continue;
            };
            assert!(!line.contains("does not know") && !line.contains("  ( "), "{line}");
            assert_eq!(line.contains("ben"), !event.contact.is_empty(), "{line}");
            assert!(line.lines().count() == 1 && !line.contains("   "), "{line}");
        }
    }

    #[test]
    fn a_name_that_a_shell_would_take_apart_is_quoted_where_it_is_to_be_typed() {
        let line = line(&event("Ben's mum", EventKind::SessionLost)).unwrap();
        assert!(line.ends_with(r"deaddrop invite 'Ben'\''s mum')"), "{line}");
    }

    #[test]
    fn objects_name_messages_gaps_and_what_is_late() {
        let id = "ab".repeat(16);
        let text = object(&event("ben", EventKind::MessageReceived { text: "x".to_owned(), late: true }));
        assert_eq!(
            text,
            json!({ "event": 7, "kind": "text", "from": "ben", "message": id, "text": "x", "late": true })
        );
        let delivered = object(&event("ben", EventKind::Delivered));
        assert_eq!(delivered, json!({ "event": 7, "kind": "delivered", "from": "ben", "message": id }));
        let gaps = vec![(3, 5), (9, 9)];
        let missing = object(&event("ben", EventKind::MessagesMissing { gaps }));
        assert_eq!(
            missing["missing"],
            json!([{ "first": 3, "last": 5 }, { "first": 9, "last": 9 }]),
            "{missing}"
        );
        assert_eq!(
            object(&event("", EventKind::Restored)),
            json!({ "event": 7, "kind": "restored", "from": null })
        );
    }

    #[test]
    fn people_see_what_is_late_and_how_much_is_missing() {
        let late = EventKind::MessageReceived { text: "hello".to_owned(), late: true };
        assert_eq!(line(&event("ben", late)).unwrap(), "ben (late): hello");
        assert_eq!(
            line(&event("ben", EventKind::Delivered)).unwrap(),
            "  (delivered to ben: message abababab)"
        );
        let missing = |gaps| line(&event("ben", EventKind::MessagesMissing { gaps })).unwrap();
        assert!(missing(vec![(3, 5), (9, 9)]).contains("(4 messages of ben have not come"));
        let one = missing(vec![(4, 4)]);
        assert!(one.contains("(1 message of ben has not come") && one.contains("sends it again"), "{one}");
        missing(vec![(1, u64::MAX), (0, u64::MAX)]);
    }
}
