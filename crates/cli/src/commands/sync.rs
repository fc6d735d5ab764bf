//! `sync`, and the words for finished and waiting work.

use deaddrop_client::{Connectivity, ContactSync, SendWait, Status, SyncReport, TlsFault};
use serde_json::{Value, json};

use super::shared::{finish, open, patience, patiently};
use crate::{
    args::{self, Common},
    event,
    failure::Failure,
    output::{Output, Shown},
};

/// Runs the command `sync`.
pub async fn sync(output: Output, common: &Common, sync: &args::Sync) -> Result<(), Failure> {
    let client = open(common).await?;
    let report = patiently(output, sync.wait, client.sync(patience(sync.wait))).await;
    finish(client).await?;
    let report = report?;
    let mut lines: Vec<String> =
        report.relays.iter().map(|(relay, state)| format!("{relay}: {}", relay_line(*state))).collect();
    lines.extend(report.contacts.iter().map(contact_line));
    if lines.is_empty() {
        lines.push("There is nothing to fetch or to send.".to_owned());
    }
    output.say(
        lines.join("\n"),
        &json!({
            "done": report.is_done(),
            "relays": relays_json(&report.relays),
            "contacts": report.contacts.iter().map(contact_json).collect::<Vec<_>>(),
        }),
    )?;
    // As in `receive`: it is unknown what waits at a relay that was not read.
    match report.relays.values().find(|state| !state.is_read()) {
        Some(state) => Err(Failure::coded(relay_word(*state), "not every relay was read")),
        None => Ok(()),
    }
}

/// Returns lines for people: each relay whose state is not [`Connectivity::CaughtUp`], and each
/// contact for which something waits.
pub(super) fn left(report: &SyncReport) -> Vec<String> {
    let relays = report.relays.iter().filter(|(_, state)| **state != Connectivity::CaughtUp);
    let mut lines: Vec<String> =
        relays.map(|(relay, state)| format!("{relay}: {}", relay_line(*state))).collect();
    lines.extend(report.contacts.iter().filter(|contact| contact.why.is_some()).map(contact_line));
    lines
}

/// Returns the state of a relay in words for people.
pub(super) fn relay_line(state: Connectivity) -> &'static str {
    match state {
        Connectivity::CaughtUp => "everything that waited there has been fetched",
        Connectivity::Connecting => "does not answer so far: no connection stands yet",
        Connectivity::Fetching => "answers; fetching",
        Connectivity::WrongRelay => {
            "ANOTHER RELAY ANSWERS at this address (its fingerprint differs): nothing was told to it"
        }
        Connectivity::NoCommonVersion => {
            "answers, but it and this program SPEAK NO VERSION IN COMMON: one of the two must be updated"
        }
        Connectivity::Tls(TlsFault::UnknownIssuer) => {
            "its TLS CERTIFICATE IS NOT TRUSTED here (see --tls-verify and --tls-roots)"
        }
        Connectivity::Tls(TlsFault::Expired | TlsFault::NotYetValid) => {
            "its TLS CERTIFICATE IS NOT VALID today: check the date of this machine, or tell the operator"
        }
        Connectivity::Tls(TlsFault::WrongHost) => {
            "its TLS CERTIFICATE IS FOR ANOTHER NAME: check the address"
        }
        Connectivity::Tls(TlsFault::NotTls) => "what answers there does not speak TLS 1.3: check the address",
        Connectivity::Tls(TlsFault::NoAuthorities) => {
            "this system has no list of certificate authorities (see --tls-verify and --tls-roots)"
        }
        Connectivity::Tls(_) => "its TLS CERTIFICATE IS REFUSED: tell the operator",
        Connectivity::NeedsToken => {
            "answers, but MAKES NO MAILBOX for you without the right token from its operator (see relay-token)"
        }
        Connectivity::PrivateAddress => {
            "its name now leads to a private network or to this machine: not connected to (see allow-private)"
        }
        Connectivity::Displaced => {
            "ANOTHER COPY OF THIS VAULT, or another program, reads a mailbox there: what waits in it is not fetched (use one copy only)"
        }
        Connectivity::VaultFull => {
            "nothing is fetched there, because THE VAULT IS FULL: what lies there waits (see receive --forget)"
        }
        Connectivity::Waiting => {
            "everything that waited there has been fetched, but it makes no new mailbox for you now; tried again"
        }
        _ => "does not answer",
    }
}

/// Returns the state of a relay as a word in JSON. The words are stable.
pub(super) fn relay_word(state: Connectivity) -> &'static str {
    match state {
        Connectivity::Connecting => "connecting",
        Connectivity::Fetching => "fetching",
        Connectivity::CaughtUp => "caught_up",
        Connectivity::WrongRelay => "wrong_relay",
        Connectivity::NoCommonVersion => "no_common_version",
        Connectivity::Tls(fault) => fault.word(),
        Connectivity::NeedsToken => "needs_token",
        Connectivity::PrivateAddress => "private_address",
        Connectivity::Displaced => "displaced",
        Connectivity::Waiting => "waiting",
        Connectivity::VaultFull => "vault_full",
        _ => "down",
    }
}

/// Whether a relay in this state answers: a link to it is open.
pub(super) fn answers(state: Connectivity) -> bool {
    matches!(
        state,
        Connectivity::CaughtUp
            | Connectivity::Fetching
            | Connectivity::NeedsToken
            | Connectivity::Displaced
            | Connectivity::Waiting
    )
}

pub(super) fn relays_json<'a>(relays: impl IntoIterator<Item = (&'a String, &'a Connectivity)>) -> Value {
    let relay =
        |(relay, state): (&String, &Connectivity)| json!({ "relay": relay, "state": relay_word(*state) });
    relays.into_iter().map(relay).collect()
}

/// Returns the addresses of the relays at which something may wait that was not fetched
/// ([`Connectivity::is_read`] is false), each with its state.
pub(super) fn unread(status: &Status) -> Vec<(&String, Connectivity)> {
    status.relays.iter().map(|(relay, state)| (relay, *state)).filter(|(_, state)| !state.is_read()).collect()
}

/// Returns the reason for a wait as a word in JSON. The words are stable.
pub(crate) fn wait_word(why: &SendWait) -> &'static str {
    match why {
        SendWait::UnderWay => "under_way",
        SendWait::Connecting => "connecting",
        SendWait::Sending => "sending",
        SendWait::NotAccepted => "not_accepted",
        SendWait::RelayDown => "relay_down",
        SendWait::WrongRelay => "wrong_relay",
        SendWait::NoCommonVersion => "no_common_version",
        SendWait::Tls(fault) => fault.word(),
        SendWait::PrivateAddress(_) => "private_address",
        SendWait::MailboxFull { .. } => "mailbox_full",
        SendWait::RelayBusy { .. } => "relay_busy",
        SendWait::NoAddress => "no_address",
        SendWait::NeedsToken { .. } => "needs_token",
        SendWait::OwnMailbox { .. } => "own_mailbox",
        SendWait::NoAnswer => "no_answer",
        _ => "other",
    }
}

fn contact_line(contact: &ContactSync) -> String {
    let name = Shown(&contact.name);
    let texts = |count: u64| if count == 1 { "1 text".to_owned() } else { format!("{count} texts") };
    let waiting = u64::try_from(contact.waiting.len()).unwrap_or(u64::MAX);
    let mut line = format!("{name}: {} stored on the relay", texts(contact.stored));
    if waiting > 0 {
        line += &format!(", {} {}", texts(waiting), if waiting == 1 { "waits" } else { "wait" });
    }
    match &contact.why {
        Some(why) if waiting > 0 => line += &format!(": {why}"),
        Some(why) => line += &format!(", a receipt or an answer waits: {why}"),
        None => {}
    }
    line
}

fn contact_json(contact: &ContactSync) -> Value {
    json!({
        "name": contact.name,
        "stored": contact.stored,
        "waiting": contact.waiting.iter().map(event::message_id).collect::<Vec<_>>(),
        "why": contact.why.as_ref().map(wait_word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_client::MessageId;

    #[test]
    fn a_relay_of_another_version_has_words_of_its_own() {
        let state = Connectivity::NoCommonVersion;
        assert!(relay_line(state).ends_with("one of the two must be updated"));
        assert_eq!(
            (relay_word(state), wait_word(&SendWait::NoCommonVersion)),
            ("no_common_version", "no_common_version")
        );
        assert_eq!(Failure::from(deaddrop_client::ClientError::NoCommonVersion).code(), "no_common_version");
    }

    #[test]
    fn a_line_says_what_was_stored_and_why_something_waits() {
        let line = |stored, waiting: &[MessageId], why| {
            let contact = ContactSync { name: "ben".to_owned(), stored, waiting: waiting.to_vec(), why };
            contact_line(&contact)
        };
        let id = MessageId([1; 16]);
        assert_eq!(line(1, &[], None), "ben: 1 text stored on the relay");
        assert_eq!(
            line(0, &[id, id], Some(SendWait::RelayDown)),
            "ben: 0 texts stored on the relay, 2 texts wait: the contact's relay cannot be reached"
        );
        assert_eq!(
            line(2, &[], Some(SendWait::UnderWay)),
            "ben: 2 texts stored on the relay, a receipt or an answer waits: it takes longer than allowed"
        );
    }
}
