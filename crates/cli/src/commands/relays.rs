//! Commands about relays: tokens for new mailboxes, addresses that are allowed; and the words for errors about them.

use deaddrop_client::{Client, ClientError, InviteLink};
use serde_json::json;

use super::{finish, home_of, open, relay_address};
use crate::{
    args::{self, Common},
    failure::Failure,
    output::{Output, Shown, Typed},
    token,
};

/// `relay-token`
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

async fn set(
    client: &Client,
    relay: &deaddrop_client::RelayAddress,
    wanted: &args::RelayToken,
) -> Result<(), Failure> {
    let token = match wanted.forget {
        true => None,
        false => Some(token::obtain(wanted.file.as_deref())?),
    };
    Ok(client.set_create_token(relay, token).await?)
}

/// `allow-private`
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

/// Describes why an invite was not accepted, and says what to do.
pub(super) fn accept_failure(
    error: ClientError,
    common: &Common,
    accept: &args::Accept,
) -> Result<Failure, Failure> {
    // The relay's part of a link is not secret.
    let link = accept.link.parse::<InviteLink>().ok();
    let relay = link.as_ref().map_or_else(String::new, |link| link.relay().to_string());
    Ok(match error {
        ClientError::PrivateAddress => Failure::new(format_args!(
            "the link leads to a private network or to this machine (relay {}), and that is not your own relay's address. \
             A stranger's link could point this program at any device near you, so nothing was connected to. If you expect this \
             relay there: give the same command with --allow-private",
            Shown(&relay)
        )),
        ClientError::NeedsToken => Failure::new(format_args!(
            "you would receive through the relay {}, which makes mailboxes only with a token from its operator. Ask the operator for \
             one, put it into a file, and give the same command with --relay-token-file FILE; or set a relay of your own first. \
             The link is not used up",
            Shown(&relay)
        )),
        ClientError::OtherIdentity => {
            let (name, typed, home) = (Shown(&accept.name), Typed(&accept.name), home_of(common)?);
            Failure::new(format_args!(
                "the link is from another identity than your contact {name} has. That is so after a contact has lost its vault, and also if somebody else sends you a link in the contact's name: ask {name} by another way, such as a call. If the link is from {name}: deaddrop --home {home} accept --new-identity LINK {typed}. If it is from another person: choose another name. \
                 The link is not used up"
            ))
        }
        other => return Ok(needs_token(other, &relay, common)?.unwrap_or_else(|| other.into())),
    })
}

/// Words for a relay that wants a token; none for other errors.
pub(super) fn needs_token(
    error: ClientError,
    relay: &str,
    common: &Common,
) -> Result<Option<Failure>, Failure> {
    if error != ClientError::NeedsToken {
        return Ok(None);
    }
    let home = home_of(common)?;
    Ok(Some(Failure::new(format_args!(
        "the relay {relay} makes mailboxes only with a token from its operator, and the right one is not set. Ask the operator for one, \
         and set it: deaddrop --home {home} relay-token --relay '{relay}'"
    ))))
}
