//! The commands that do one thing and end.

mod meeting;
mod receive;
mod relays;
mod shared;
mod sync;
mod vault;

use std::{collections::BTreeMap, net::IpAddr};

use deaddrop_client::{
    Client, ClientError, Config, ContactInfo, ContactState, ContactSync, MAX_TEXT, MessageId, OpenError,
    Unlock, UnreachableReason,
};
use serde_json::json;

pub use self::{
    meeting::{accept, agree, begin_again, invite, invites, withdraw},
    receive::receive,
    relays::{allow_private, leave_relay, relay_about, relay_token, relays, set_relay},
    sync::sync,
};
use crate::{
    args::{self, Common},
    event,
    failure::Failure,
    home::{self, Home},
    output::{Output, Shown, Typed, counted},
    passphrase::{Ask, Passphrase},
    token,
};
use shared::{GOODBYE, STATUS_PATIENCE, clock_line, home_of, patience, patiently, relay_address};
pub(crate) use shared::{finish, open, read_stdin};
pub(crate) use sync::wait_word;

/// Runs the command `init`.
pub async fn init(output: Output, common: &Common, init: &args::Init) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    // This is checked before the user is asked for a passphrase. An attempt with a key file that was cut short is
    // continued.
    if !init.no_passphrase && home.has_vault()? {
        return Err(Failure::new(OpenError::Exists));
    }
    let relay = init.relay.as_deref().map(relay_address).transpose()?;
    let shown = relay.as_ref().map(ToString::to_string);
    let token = match (&relay, init.relay_token_file.as_deref()) {
        (None, _) => None,
        (Some(_), Some(path)) => Some(token::from_file(path)?),
        (Some(_), None) => token::from_environment()?,
    };
    let unlock = if init.no_passphrase {
        Unlock::KeyFile
    } else {
        home::with(Passphrase::obtain(common.passphrase_file.as_deref(), Ask::Twice)?)
    };
    let made = Client::create(
        home.folder(),
        unlock,
        relay.clone(),
        Config { vault_mib: init.vault_mib, tls_verify: home::tls_verify(common)?, ..Config::default() },
    )
    .await;
    let client = made.map_err(|error| home.failure(error))?;
    if let (Some(relay), Some(token)) = (&relay, token)
        && let Err(error) = client.set_create_token(relay, Some(token)).await
    {
        return Err(Failure::new(format_args!(
            "{error}. The vault in {} is made, but the token is not in it: set it with relay-token",
            home.folder().display()
        )));
    }
    client.close().await?;
    home.note_modes(output);
    let folder = home.folder().display();
    let mut text = format!("A new identity, in an encrypted vault in {folder}.");
    if init.no_passphrase {
        text += &format!(
            "\nIts key is in {}, and no passphrase protects it: anyone who can read that folder, or a copy or backup of it,\n\
             can read everything in the vault and write in your name. Only your user may read it (mode 0600).",
            home.key_file().display()
        );
    }
    match &shown {
        Some(relay) => {
            text += &format!("\nYou receive through {relay}\nNext: deaddrop --home {folder} invite NAME")
        }
        None => {
            text += "\nNo relay is set: you can accept an invite, and will receive through the inviter's relay.\n";
            text += &format!("Next: deaddrop --home {folder} accept LINK NAME");
        }
    }
    let key_file = init.no_passphrase.then(|| home.key_file());
    output.say(text, &json!({ "home": home.folder(), "relay": shown, "key_file": key_file }))
}

/// Runs the command `vault-limit`.
pub async fn vault_limit(output: Output, common: &Common, limit: &args::VaultLimit) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    let changed = Client::change_vault_limit(home.folder(), home.unlock(common)?, limit.mib).await;
    changed.map_err(|error| home.failure(error))?;
    let text = format!("The vault's file may grow to {} MiB.", limit.mib);
    output.say(text, &json!({ "vault_mib": limit.mib }))
}

/// Runs the command `contacts`.
pub async fn contacts(output: Output, common: &Common) -> Result<(), Failure> {
    let client = open(common).await?;
    let list = client.contacts();
    finish(client).await?;
    let list = list?;
    if list.is_empty() {
        output.text("No contacts yet: invite somebody, or accept an invite.")?;
    }
    for contact in list {
        output.say(contact_lines(&contact), &contact_object(&contact))?;
    }
    Ok(())
}

/// Returns the state of a contact: as a word in JSON, and as words for people.
const fn contact_state(contact: &ContactInfo) -> (&'static str, &'static str) {
    match contact.state {
        ContactState::Invited if contact.invite_until.is_none() => {
            ("invited", "no open invite (make one: invite)")
        }
        ContactState::Invited => ("invited", "invited, not accepted yet"),
        ContactState::Connecting => ("connecting", "connected"),
        ContactState::Established => ("established", "connected, both sides proven"),
        _ => ("other", "connected"),
    }
}

/// Returns the reason for which messages for a contact are not sent, as a word in JSON, and the
/// private IP address that is not connected to; `None` where there is no such thing.
const fn unreachable_state(contact: &ContactInfo) -> (Option<&'static str>, Option<IpAddr>) {
    match contact.unreachable {
        Some(UnreachableReason::PrivateAddress(address)) => (Some("private_address"), Some(address)),
        Some(UnreachableReason::Refused) => (Some("refused"), None),
        Some(_) => (Some("other"), None),
        None => (None, None),
    }
}

/// Returns a line for people with the state of a contact, and one for each thing that needs the
/// user's attention.
fn contact_lines(contact: &ContactInfo) -> String {
    let (name, typed) = (Shown(&contact.name), Typed(&contact.name));
    let verified = if contact.verified { "verified" } else { "not verified" };
    let mut lines = vec![format!("{name}: {}, {verified}", contact_state(contact).1)];
    if contact.contested {
        lines.push("CONTESTED: a second person tried to use the invite".to_owned());
    }
    if contact.begins_again {
        lines.push(format!("begins again with you: {name} has not answered yet"));
    }
    if let Some(day) = contact.session_trouble {
        lines.push(format!(
            "SESSION LOST or put back (last told on {}). If no texts come: deaddrop begin-again {typed}, or make a new invite",
            day
        ));
    }
    match unreachable_state(contact) {
        (_, Some(address)) => lines.push(format!(
            "MESSAGES WAIT: {name} reads at {address}, in a private network or on this machine (allow-private {address} if you know \
             that relay)"
        )),
        (Some(_), None) => lines.push("MESSAGES WAIT: no known address takes them".to_owned()),
        (None, None) => {}
    }
    let asks = contact.asks.iter().map(|asks| meeting::asks_line(&contact.name, asks, &contact.asks));
    lines.extend(asks.map(|line| format!("WAITS FOR YOUR WORD: {name} {line}")));
    lines.join("\n    ")
}

fn contact_object(contact: &ContactInfo) -> serde_json::Value {
    let (unreachable, address) = unreachable_state(contact);
    json!({
        "name": contact.name,
        "state": contact_state(contact).0,
        "verified": contact.verified,
        "contested": contact.contested,
        "waiting": contact.waiting,
        "asked": contact.begins_again,
        "session_trouble": contact.session_trouble.map(|day| day.to_string()),
        "invite_until": contact.invite_until.map(|day| day.to_string()),
        "relays": contact.relays,
        "asks": contact.asks.iter().map(|asks| meeting::asks_json(&contact.name, asks)).collect::<Vec<_>>(),
        "unreachable": unreachable,
        "address": address,
    })
}

/// Runs the command `send`.
pub async fn send(output: Output, common: &Common, send: &args::Send) -> Result<(), Failure> {
    let text = match send.text.as_str() {
        "-" => read_stdin(MAX_TEXT)?.ok_or(ClientError::TextTooLong)?,
        text => text.to_owned(),
    };
    if text.is_empty() {
        return Err(Failure::new("the text is empty; there is nothing to send"));
    }
    let client = open(common).await?;
    let message = match client.send(&send.name, &text).await {
        Ok(message) => message,
        Err(error) => {
            finish(client).await?;
            return Err(error.into());
        }
    };
    // From here on it is in the vault: whatever the relay does, this command has done its work.
    let sent = patiently(output, send.wait, client.flush_to(&send.name, patience(send.wait))).await;
    let invited = is_invited(&client, &send.name);
    let said = match sent {
        Ok(report) => say_sent(output, send, &message, report, invited),
        Err(error) => Err(error.into()),
    };
    // Other waiting messages leave now, as far as their relays answer.
    let _ = client.flush_reachable(GOODBYE).await;
    finish(client).await?;
    said
}

fn say_sent(
    output: Output,
    send: &args::Send,
    message: &MessageId,
    report: ContactSync,
    invited: bool,
) -> Result<(), Failure> {
    let name = Shown(&send.name);
    let is_stored = !report.waiting.contains(message);
    let why = report.why.filter(|_| !is_stored);
    let (state, human) = match &why {
        None if is_stored => ("stored", format!("Stored on the relay, until {name} reads it.")),
        _ if invited => ("queued", format!("Queued: it leaves when {name} has accepted your invite.")),
        why => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            (
                "queued",
                format!(
                    "Queued in your vault, not sent yet{why}\nIt leaves with your next send, receive or chat."
                ),
            )
        }
    };
    output.say(
        format_args!("{human} (message {})", event::short_id(message)),
        &json!({
            "to": send.name,
            "message": event::message_id(message),
            "state": state,
            "why": why.as_ref().map(sync::wait_word),
        }),
    )
}

/// Runs the command `verify`.
pub async fn verify(output: Output, common: &Common, verify: &args::Verify) -> Result<(), Failure> {
    let client = open(common).await?;
    let number = client.safety_number(&verify.name);
    let confirmed = match &number {
        Ok(_) if verify.confirm => client.set_verified(&verify.name, true).await,
        _ => Ok(()),
    };
    let contact = client.contact(&verify.name);
    finish(client).await?;
    let number = number?.to_digits();
    confirmed?;
    let verified = contact?.is_some_and(|contact| contact.verified);
    let name = Shown(&verify.name);
    let advice = if verified {
        format!("{name} is verified.")
    } else {
        format!(
            "Compare it with {name}, face to face or on a call. If it is the same on both sides: deaddrop --home {} verify {} --confirm",
            home_of(common)?,
            Typed(&verify.name)
        )
    };
    output.say(
        format_args!("{}\n{advice}", in_rows(&number)),
        &json!({ "name": verify.name, "safety_number": number, "verified": verified }),
    )
}

/// Runs the command `status`.
pub async fn status(output: Output, common: &Common) -> Result<(), Failure> {
    let client = open(common).await?;
    // A timeout is an answer here.
    let _ = client.wait_caught_up(STATUS_PATIENCE).await;
    let (status, relay, contacts) = (client.status(), client.relay(), client.contacts());
    client.close().await?;
    let (status, relay) = (status?, relay?.map(|relay| relay.to_string()));
    let contacts = contacts?;
    let asks: Vec<_> =
        contacts.iter().flat_map(|contact| contact.asks.iter().map(move |asks| (contact, asks))).collect();
    let all = status.relays.values().all(|state| sync::answers(*state));
    let mut lines = vec![match &relay {
        Some(relay) => format!("New mailboxes are made on {relay}"),
        None => "No relay is set.".to_owned(),
    }];
    for (relay, state) in &status.relays {
        lines.push(format!("{relay}: {}", sync::relay_line(*state)));
    }
    lines.extend(clock_line(&status.clock));
    let count = |number: usize, thing| counted(u64::try_from(number).unwrap_or(u64::MAX), thing);
    lines.push(format!(
        "{} queued, {} without receipt yet",
        count(status.unsent, "message"),
        count(status.unreceipted, "sent text")
    ));
    lines.extend(vault::lines(&status.vault));
    if status.damaged > 0 {
        lines.push(format!("{} of this vault lost by a damaged disk", counted(status.damaged, "record")));
    }
    if status.held > 0 {
        lines.push(format!(
            "{} came before an earlier one that is missing",
            count(status.held, "received message")
        ));
    }
    if status.missing > 0 {
        let (what, goes) = match status.missing {
            1 => ("1 sent message is", "it is"),
            _ => ("sent messages are", "they are"),
        };
        let number = if status.missing == 1 { String::new() } else { format!("{} ", status.missing) };
        lines.push(format!("{number}{what} missing at the reader; {goes} sent again"));
    }
    lines.extend(asks.iter().map(|(contact, asks)| {
        format!("{} {}", Shown(&contact.name), meeting::asks_line(&contact.name, asks, &contact.asks))
    }));
    output.say(
        lines.join("\n"),
        &json!({
            "relay": relay,
            "relay_answers": (!status.relays.is_empty()).then_some(all),
            "relays": sync::relays_json(&status.relays),
            "clock": {
                "machine": status.clock.clock.to_string(),
                "believed": status.clock.believed.to_string(),
                "relays": status.clock.relays.iter().map(|(relay, day)| (relay.clone(), day.to_string())).collect::<BTreeMap<_, _>>(),
                "agrees": (!status.clock.relays.is_empty()).then(|| status.clock.disagreement().is_none()),
            },
            "queued": status.unsent,
            "unreceipted": status.unreceipted,
            "held": status.held,
            "missing": status.missing,
            "damaged": status.damaged,
            "vault": vault::json(&status.vault),
            "asks": asks.iter().map(|(contact, asks)| meeting::asks_json(&contact.name, asks)).collect::<Vec<_>>(),
        }),
    )
}

pub(crate) fn is_invited(client: &Client, name: &str) -> bool {
    client.contact(name).ok().flatten().is_some_and(|contact| contact.state == ContactState::Invited)
}

/// Returns the sixty digits of a safety number in three rows of groups, as they are read aloud.
pub(crate) fn in_rows(digits: &str) -> String {
    let groups: Vec<&str> = digits.split(' ').collect();
    groups.chunks(4).map(|row| format!("    {}", row.join(" "))).collect::<Vec<_>>().join("\n")
}
