//! Commands about relays: tokens for new mailboxes, addresses that are allowed; and the words for errors about them.

use std::time::Duration;

use deaddrop_client::{Client, ClientError, RelayAddress};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    shared::{STATUS_PATIENCE, finish, home_of, open, patience, patiently, relay_address},
    sync,
};
use crate::{
    args::{self, Common},
    failure::Failure,
    output::{Output, Shown, Typed},
    token,
};

/// Runs the command `relay-token`.
pub async fn relay_token(output: Output, common: &Common, wanted: &args::RelayToken) -> Result<(), Failure> {
    let named = wanted.relay.as_deref().map(relay_address).transpose()?;
    let client = open(common).await?;
    let relay = match (named, client.relay()) {
        (Some(relay), _) => Ok(relay),
        (None, Ok(Some(relay))) => Ok(relay),
        (None, Ok(None)) => {
            Err(Failure::new("no relay is set; name the relay that wants the token with --relay"))
        }
        (None, Err(error)) => Err(error.into()),
    };
    let done = match relay {
        Ok(relay) => set(&client, &relay, wanted).await.map(|()| relay),
        Err(failure) => Err(failure),
    };
    finish(client).await?;
    let relay = done?;
    let human = match wanted.forget {
        true => format!("The token for {relay} is forgotten."),
        false => format!("The token is kept in the vault, and shown to {relay} alone."),
    };
    output.say(human, &json!({ "relay": relay.to_string(), "token": !wanted.forget }))
}

async fn set(client: &Client, relay: &RelayAddress, wanted: &args::RelayToken) -> Result<(), Failure> {
    let token = match wanted.forget {
        true => None,
        false => Some(token::obtain(wanted.file.as_deref())?),
    };
    Ok(client.set_create_token(relay, token).await?)
}

/// Runs the command `allow-private`.
pub async fn allow_private(
    output: Output,
    common: &Common,
    allow: &args::AllowPrivate,
) -> Result<(), Failure> {
    let client = open(common).await?;
    let done = client.allow_private_address(allow.address).await;
    finish(client).await?;
    done?;
    output.say(
        format_args!(
            "Allowed: contacts and invites may lead to {}. What waits for it leaves with your next send, receive or chat.",
            allow.address
        ),
        &json!({ "address": allow.address }),
    )
}

/// Runs the command `relay-about`. Shows the relay's JSON text on lines of its own, or as it is if
/// it is not JSON.
pub async fn relay_about(output: Output, common: &Common, relay: Option<&str>) -> Result<(), Failure> {
    let named = relay.map(relay_address).transpose()?;
    let client = open(common).await?;
    let relay = match (named, client.relay()) {
        (Some(relay), _) => Ok(relay),
        (None, Ok(Some(relay))) => Ok(relay),
        (None, Ok(None)) => Err(Failure::new("no relay is set; name the relay: deaddrop relay-about URL")),
        (None, Err(error)) => Err(error.into()),
    };
    let asked = match &relay {
        Ok(relay) => client.ask_about(relay).await.map_err(Failure::from),
        Err(_) => Ok(String::new()),
    };
    finish(client).await?;
    let (relay, text) = (relay?.to_string(), asked?);
    let about: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    let human = match about.as_object() {
        Some(fields) => fields
            .iter()
            .map(|(name, value)| {
                format!(
                    "{}: {}",
                    Shown(name),
                    Shown(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                )
            })
            .collect::<Vec<_>>()
            .join("\n"),
        None => Shown(&text).to_string(),
    };
    output.say(human, &json!({ "relay": relay, "about": about }))
}

/// Runs the command `relays`.
pub async fn relays(output: Output, common: &Common) -> Result<(), Failure> {
    let client = open(common).await?;
    // A timeout is an answer here.
    let _ = client.wait_caught_up(STATUS_PATIENCE).await;
    let (status, set, contacts) = (client.status(), client.relay(), client.contacts());
    finish(client).await?;
    let (status, set, contacts) = (status?, set?.map(|relay| relay.to_string()), contacts?);
    let mut names: Vec<&String> = status.relays.keys().collect();
    names.extend(set.iter().filter(|set| !status.relays.contains_key(*set)));
    if names.is_empty() {
        output.text("No relay is set, and no contact has a mailbox to write to.")?;
    }
    for relay in names {
        let state = status.relays.get(relay).copied();
        let is_set = set.as_ref() == Some(relay);
        let here: Vec<&str> = contacts
            .iter()
            .filter(|contact| contact.relays.contains(relay))
            .map(|contact| contact.name.as_str())
            .collect();
        let role = if is_set { "new mailboxes are made here" } else { "you leave this relay" };
        let answers = state.map_or("nothing lies there yet", sync::relay_line);
        let who = match (here.as_slice(), is_set) {
            ([], true) => "no contact writes here yet".to_owned(),
            ([], false) => "no contact writes here any more; it is left as soon as it answers".to_owned(),
            (names, _) => {
                let names = names.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(", ");
                if is_set {
                    format!("mailboxes here are for: {names}")
                } else {
                    format!("who may still write here: {names}")
                }
            }
        };
        output.say(
            format_args!("{relay}\n    {role}; {answers}\n    {who}"),
            &json!({ "relay": relay, "set": is_set, "state": state.map(sync::relay_word), "contacts": here }),
        )?;
    }
    Ok(())
}

/// Runs the command `set-relay`.
pub async fn set_relay(output: Output, common: &Common, set: &args::SetRelay) -> Result<(), Failure> {
    let relay = relay_address(&set.relay)?;
    let token = match &set.relay_token_file {
        Some(path) => Some(token::from_file(path)?),
        None => token::from_environment()?,
    };
    let client = open(common).await?;
    let moved = move_to(&client, &relay, token).await;
    let flushed = match moved {
        Ok(()) => patiently(output, set.wait, client.flush(patience(set.wait))).await,
        Err(error) => {
            finish(client).await?;
            return Err(error.into());
        }
    };
    let left = match flushed {
        Ok(()) => Vec::new(),
        Err(_) => sync::left(&client.sync(Duration::ZERO).await?),
    };
    let contacts = client.contacts();
    finish(client).await?;
    let text = relay.to_string();
    let (all, home) = (contacts?, home_of(common)?);
    let others: Vec<&str> = all
        .iter()
        .filter(|contact| contact.relays.iter().any(|relay| *relay != text))
        .map(|contact| contact.name.as_str())
        .collect();
    let mut human = format!("You receive through {text} from now on.");
    if !others.is_empty() {
        let names = others.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(", ");
        human += &format!(
            "\nThe old relay is read, too, until your contacts have used the new one. Who has not yet: {names}. To look again: \
             deaddrop --home {home} relays"
        );
    }
    let state = match flushed {
        Ok(()) => "told",
        Err(ClientError::NeedsToken) => {
            human += &format!(
                "\nThe relay makes mailboxes only with a token from its operator, and the right one is not set: deaddrop --home {home} \
                 relay-token"
            );
            "needs_token"
        }
        Err(_) => {
            human += "\nNot all is done yet; the rest is done with your next commands.";
            left.iter().for_each(|line| human += &format!("\n{line}"));
            "queued"
        }
    };
    output.say(human, &json!({ "relay": text, "state": state, "not_moved": others }))
}

async fn move_to(
    client: &Client,
    relay: &RelayAddress,
    token: Option<Zeroizing<String>>,
) -> Result<(), ClientError> {
    if let Some(token) = token {
        client.set_create_token(relay, Some(token)).await?;
    }
    client.move_to_relay(relay.clone()).await
}

/// Runs the command `leave-relay`.
pub async fn leave_relay(output: Output, common: &Common, leave: &args::LeaveRelay) -> Result<(), Failure> {
    let relay = relay_address(&leave.relay)?;
    let client = open(common).await?;
    let left = client.leave_relay(&relay).await;
    finish(client).await?;
    left?;
    output.say(
        format_args!("Nothing is read at {relay} any more."),
        &json!({ "relay": relay.to_string(), "left": true }),
    )
}

/// Returns the failure of `accept`, with what the user can do. `relay` is the relay in the link.
pub(super) fn accept_failure(
    error: ClientError,
    relay: &RelayAddress,
    common: &Common,
    accept: &args::Accept,
) -> Result<Failure, Failure> {
    // The relay's part of a link is not secret.
    let relay = relay.to_string();
    Ok(match error {
        ClientError::PrivateAddress => Failure::of(
            error,
            format_args!(
                "the link leads to a private network or to this machine (relay {}), and that is not your own relay's address. \
             A stranger's link could point this program at any device near you, so nothing was connected to. If you expect this \
             relay there: give the same command with --allow-private",
                Shown(&relay)
            ),
        ),
        ClientError::NeedsToken => Failure::of(
            error,
            format_args!(
                "you would receive through the relay {}, which makes mailboxes only with a token from its operator. Ask the operator for \
             one, put it into a file, and give the same command with --relay-token-file FILE; or set a relay of your own first. \
             The link is not used up",
                Shown(&relay)
            ),
        ),
        ClientError::OtherIdentity => {
            let (name, typed, home) = (Shown(&accept.name), Typed(&accept.name), home_of(common)?);
            Failure::of(
                error,
                format_args!(
                    "the link is from another identity than your contact {name} has. That is so after a contact has lost its vault, and also if somebody else sends you a link in the contact's name: ask {name} by another way, such as a call. If the link is from {name}: deaddrop --home {home} accept --new-identity LINK {typed}. If it is from another person: choose another name. \
                 The link is not used up"
                ),
            )
        }
        other => return Ok(needs_token(other, &relay, common)?.unwrap_or_else(|| other.into())),
    })
}

/// Returns the failure for a relay that wants a token, with the command to set one; `None` if
/// `error` is another one.
pub(super) fn needs_token(
    error: ClientError,
    relay: &str,
    common: &Common,
) -> Result<Option<Failure>, Failure> {
    if error != ClientError::NeedsToken {
        return Ok(None);
    }
    let home = home_of(common)?;
    Ok(Some(Failure::of(
        error,
        format_args!(
            "the relay {relay} makes mailboxes only with a token from its operator, and the right one is not set. Ask the operator for one, \
         and set it: deaddrop --home {home} relay-token --relay '{relay}'"
        ),
    )))
}
