//! Capabilities and mailbox addresses.

use crate::{
    json::{BadField, Object},
    outcome::Outcome,
};
use deaddrop_link::{
    ClientTokenSecret, MailboxAddress,
    capability::{OwnCapability, ReadCapability, SendCapability},
};
use deaddrop_wire::Fingerprint;

/// Computes the two forms that a capability has at a relay: the value that is shown, and the id
/// that is stored.
pub(super) fn present(input: &Object) -> Result<Outcome, BadField> {
    let secret = input.array("secret")?;
    let relay = Fingerprint::from_bytes(input.array("fingerprint")?);
    let (presented, id) = match input.text("role")? {
        "own" => {
            let capability = OwnCapability::from_bytes(secret);
            (*capability.present(&relay).expose(), *capability.id(&relay).as_bytes())
        }
        "read" => {
            let capability = ReadCapability::from_bytes(secret);
            (*capability.present(&relay).expose(), *capability.id(&relay).as_bytes())
        }
        "send" => {
            let capability = SendCapability::from_bytes(secret);
            (*capability.present(&relay).expose(), *capability.id(&relay).as_bytes())
        }
        _ => return Err(BadField("role".to_owned())),
    };
    Ok(Outcome::ok(Object::new().hex("presented", presented).hex("id", id)))
}

/// Computes the token by which a relay knows a client, from the client's secret.
pub(super) fn client_token(input: &Object) -> Result<Outcome, BadField> {
    let secret = ClientTokenSecret::from_bytes(input.array("secret")?);
    let relay = Fingerprint::from_bytes(input.array("fingerprint")?);
    Ok(Outcome::ok(Object::new().hex("token", secret.token(&relay).as_bytes())))
}

/// Encodes a mailbox address from a relay and a send secret.
pub(super) fn encode_address(input: &Object) -> Result<Outcome, BadField> {
    let relay = input.text("relay")?.parse().map_err(|_| BadField("relay".to_owned()))?;
    let address = MailboxAddress { relay, send: SendCapability::from_bytes(input.array("send")?) };
    Ok(Outcome::ok(Object::new().hex("bytes", address.encode())))
}

/// Decodes a mailbox address into a relay and a send secret.
pub(super) fn decode_address(input: &Object) -> Result<Outcome, BadField> {
    Ok(match MailboxAddress::decode(&input.bytes("bytes")?) {
        Err(error) => Outcome::refused(error),
        Ok(address) => Outcome::ok(
            Object::new().with("relay", address.relay.to_string()).hex("send", address.send.expose()),
        ),
    })
}
