//! The commands that do one thing and end.

mod meeting;
mod receive;
mod relays;
mod sync;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    time::Duration,
};

use deaddrop_client::{
    Client, ClientError, ClockStatus, Config, ContactState, MAX_TEXT, RelayAddress, Unlock, UnreachableReason,
};
use serde_json::json;

pub use self::{
    meeting::{accept, agree, begin_again, invite},
    receive::receive,
    relays::{allow_private, relay_token},
    sync::sync,
};
use crate::{
    args::{self, Common},
    event,
    failure::Failure,
    home::{self, Home},
    output::{Output, Shown},
    passphrase::{Ask, Passphrase},
    token,
};

/// What a command may wait at its end for receipts and other politeness.
const GOODBYE: Duration = Duration::from_secs(3);
/// How long `status` waits for an answer of the relay.
const STATUS_PATIENCE: Duration = Duration::from_secs(3);

/// Opens the vault that the options name.
pub(crate) async fn open(common: &Common) -> Result<Client, Failure> {
    Home::find(common.home.as_deref())?.open(common, Config::default()).await
}

/// `init`
pub async fn init(output: Output, common: &Common, init: &args::Init) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    if home.has_vault()? {
        return Err(Failure::new(deaddrop_client::OpenError::Exists));
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
    let client = Client::create(home.folder(), unlock, relay.clone(), Config::default()).await?;
    if let (Some(relay), Some(token)) = (&relay, token) {
        client.set_create_token(relay, Some(token)).await?;
    }
    client.close().await?;
    let folder = home.folder().display();
    let mut text = format!("A new identity, in an encrypted vault in {folder}.");
    if init.no_passphrase {
        text += &format!(
            "\nIts key is in {}, and no passphrase protects it: whoever can read that folder, or a copy or backup of it,\n\
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

/// `contacts`
pub async fn contacts(output: Output, common: &Common) -> Result<(), Failure> {
    let client = open(common).await?;
    let list = client.contacts();
    finish(client).await?;
    let list = list?;
    if list.is_empty() {
        output.text("No contacts yet: invite somebody, or accept an invite.")?;
    }
    for contact in list {
        let (state, human) = match contact.state {
            ContactState::Invited => ("invited", "invited, not accepted yet"),
            ContactState::Connecting => ("connecting", "connected"),
            ContactState::Established => ("established", "connected, both sides proven"),
            _ => ("other", "connected"),
        };
        let verified = if contact.verified { ", verified" } else { ", not verified" };
        let contested =
            if contact.contested { ", CONTESTED: a second person tried to use the invite" } else { "" };
        let (unreachable, address) = match contact.unreachable {
            Some(UnreachableReason::PrivateAddress(address)) => (Some("private_address"), Some(address)),
            Some(UnreachableReason::Refused) => (Some("refused"), None),
            Some(_) => (Some("other"), None),
            None => (None, None),
        };
        let waits = match (unreachable, address) {
            (_, Some(address)) => format!(
                ", MESSAGES WAIT: reads at {address}, in a private network or on this machine (allow-private {address} if you know that relay)"
            ),
            (Some(_), None) => ", MESSAGES WAIT: no known address takes them".to_owned(),
            (None, None) => String::new(),
        };
        let asks: String = contact
            .asks
            .iter()
            .map(|asks| {
                format!(", WAITS FOR YOUR WORD: {}", meeting::asks_line(&contact.name, asks, &contact.asks))
            })
            .collect();
        output.say(
            format_args!("{}: {human}{verified}{contested}{waits}{asks}", Shown(&contact.name)),
            &json!({
                "name": contact.name,
                "state": state,
                "verified": contact.verified,
                "contested": contact.contested,
                "waiting": contact.waiting,
                "asks": contact.asks.iter().map(|asks| meeting::asks_json(&contact.name, asks)).collect::<Vec<_>>(),
                "unreachable": unreachable,
                "address": address,
            }),
        )?;
    }
    Ok(())
}

/// `send`
pub async fn send(output: Output, common: &Common, send: &args::Send) -> Result<(), Failure> {
    let text = if send.text == "-" { from_stdin()? } else { send.text.clone() };
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
    let report = client.flush_to(&send.name, Duration::from_secs(send.wait)).await;
    // What else waits leaves now, as far as its relays answer.
    let _ = client.flush_reachable(GOODBYE).await;
    let invited = is_invited(&client, &send.name);
    finish(client).await?;
    let report = report?;
    let name = Shown(&send.name);
    let is_stored = !report.waiting.contains(&message);
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
        format_args!("{human} (message {})", event::short_id(&message)),
        &json!({
            "to": send.name,
            "message": event::message_id(&message),
            "state": state,
            "why": why.as_ref().map(sync::wait_word),
        }),
    )
}

/// `verify`
pub async fn verify(output: Output, common: &Common, verify: &args::Verify) -> Result<(), Failure> {
    let client = open(common).await?;
    let number = client.safety_number(&verify.name);
    let confirmed = match &number {
        Ok(_) if verify.confirm => client.set_verified(&verify.name, true).await,
        _ => Ok(()),
    };
    let contacts = client.contacts();
    finish(client).await?;
    let number = number?.to_digits();
    confirmed?;
    let verified = contacts?.iter().any(|contact| contact.name == verify.name && contact.verified);
    let name = Shown(&verify.name);
    let advice = if verified {
        format!("{name} is verified.")
    } else {
        format!(
            "Compare it with {name}, face to face or on a call. If it is the same on both sides: deaddrop --home {} verify {name} --confirm",
            home_of(common)?
        )
    };
    output.say(
        format_args!("{}\n{advice}", in_rows(&number)),
        &json!({ "name": verify.name, "safety_number": number, "verified": verified }),
    )
}

/// `status`
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
    lines.push(format!("{} queued, {} sent texts without receipt yet", status.unsent, status.unreceipted));
    if status.held > 0 {
        lines.push(format!("{} received messages came before an earlier one that is missing", status.held));
    }
    if status.missing > 0 {
        lines.push(format!(
            "{} sent messages are missing at their reader; they are sent again",
            status.missing
        ));
    }
    lines.extend(asks.iter().map(|(contact, asks)| {
        format!("{} {}", Shown(&contact.name), meeting::asks_line(&contact.name, asks, &contact.asks))
    }));
    output.say(
        lines.join("\n"),
        &json!({
            "relay": relay,
            "relay_answers": all,
            "relays": sync::relays_json(&status.relays),
            "clock": {
                "machine": status.clock.clock.to_string(),
                "believed": status.clock.believed.to_string(),
                "relays": status.clock.relays.iter().map(|(relay, day)| (relay.clone(), day.to_string())).collect::<BTreeMap<_, _>>(),
                "agrees": status.clock.disagreement().is_none(),
            },
            "queued": status.unsent,
            "unreceipted": status.unreceipted,
            "held": status.held,
            "missing": status.missing,
            "asks": asks.iter().map(|(contact, asks)| meeting::asks_json(&contact.name, asks)).collect::<Vec<_>>(),
        }),
    )
}

/// What to tell the user if the clock of this machine and a relay show different days.
fn clock_line(clock: &ClockStatus) -> Option<String> {
    let (relay, day) = clock.disagreement()?;
    Some(format!(
        "THE CLOCK IS WRONG, or the relay's: this machine says {}, {relay} says {day}. Set the clock; until the two agree, invites and \
         sessions end by {}",
        clock.clock, clock.believed
    ))
}

/// Lets go of the vault, and says on the error output if the clock is wrong.
pub(crate) async fn finish(client: Client) -> Result<(), Failure> {
    if let Some(line) = client.status().ok().and_then(|status| clock_line(&status.clock)) {
        Output::new(false).note(line);
    }
    Ok(client.close().await?)
}

pub(crate) fn is_invited(client: &Client, name: &str) -> bool {
    let contacts = client.contacts().unwrap_or_default();
    contacts.iter().any(|contact| contact.name == name && contact.state == ContactState::Invited)
}

/// Sixty digits in three rows, as they are read aloud.
pub(crate) fn in_rows(digits: &str) -> String {
    let groups: Vec<&str> = digits.split(' ').collect();
    groups.chunks(4).map(|row| format!("    {}", row.join(" "))).collect::<Vec<_>>().join("\n")
}

/// The folder, as it is typed behind `--home`.
fn home_of(common: &Common) -> Result<String, Failure> {
    Ok(Home::find(common.home.as_deref())?.folder().display().to_string())
}

fn client_patience() -> Duration {
    Config::default().patience
}

fn relay_address(text: &str) -> Result<RelayAddress, Failure> {
    let address: RelayAddress = text.trim().parse().map_err(|error| {
        Failure::new(format_args!(
            "this is no relay address ({error}); give what `deaddrop-relay serve` prints: ws://HOST:PORT/#FINGERPRINT"
        ))
    })?;
    if address.is_tls() { Err(ClientError::NoTls.into()) } else { Ok(address) }
}

fn from_stdin() -> Result<String, Failure> {
    // One byte more than fits, and the newline, so that what is too long is seen to be.
    const ENOUGH: u64 = 2 + MAX_TEXT as u64;
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(ENOUGH)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format_args!("standard input cannot be read: {error}")))?;
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Failure::new("standard input is not UTF-8 text; only texts can be sent"))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
