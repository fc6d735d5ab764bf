//! Bundles and links.

use super::key_schedule::invite_keys;
use crate::{
    json::{BadField, Object},
    outcome::Outcome,
    random::Script,
};
use deaddrop_e2ee::{
    hazmat,
    identity::{IdentityHash, IdentityKeyPair, IdentitySeed},
    invite::{InviteLink, InviteSecret, PendingInvite, VerifiedBundle},
};
use deaddrop_primitives::aead;
use deaddrop_wire::{Day, RelayAddress};

/// Number of random bytes that a bundle takes whose nonce is derived: salt 32, X25519 prekey 32,
/// ML-KEM prekey seed 64. With 12 more bytes the last ones are the nonce.
const DRAWN_WITHOUT_NONCE: usize = 128;

/// Makes an invite and its bundle, as an inviter does.
pub(super) fn create(input: &Object) -> Result<Outcome, BadField> {
    let identity = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array("identity_seed")?));
    let mut random = Script::new(input.bytes("random")?);
    let day = Day::from_number(input.number("not_after")?);
    let address = input.bytes("address")?;
    let created = if input.bytes("random")?.len() == DRAWN_WITHOUT_NONCE {
        PendingInvite::create(&identity, day, &address, &mut random)
    } else {
        hazmat::create_invite(&identity, day, &address, &mut random)
    };
    let (invite, blob) = match created {
        Ok(created) => created,
        Err(error) => return Ok(Outcome::refused(error)),
    };
    random.finish("random")?;
    let h = *invite.secret().expose();
    let body = open_body(&h, &blob).ok_or_else(|| BadField("random".to_owned()))?;
    let (body, signature) = body.split_at_checked(body.len().saturating_sub(64)).unwrap_or_default();
    let intermediate =
        Object::new().hex("body", body).hex("signature", signature).with("keys", invite_keys(&h));
    let output = Object::new().hex("h", h).hex("blob", blob).hex("stored", &*invite.to_bytes());
    Ok(Outcome::traced(intermediate, output))
}

/// Returns body and signature of a bundle; checks nothing but the box and the padding. Returns
/// `None` if one of these two fails.
fn open_body(h: &[u8; 32], blob: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = blob.split_first_chunk()?;
    let mut padded =
        aead::open(&hazmat::invite(h).k_bundle, nonce, &crate::second::label("invite"), sealed).ok()?;
    padded.truncate(padded.iter().rposition(|byte| *byte != 0)?);
    Some(padded)
}

/// Opens a bundle with all checks, as an acceptor does.
pub(super) fn open(input: &Object) -> Result<Outcome, BadField> {
    let expected = match input.find("expected") {
        Some(_) => Some(IdentityHash::from_bytes(input.array("expected")?)),
        None => None,
    };
    let opened = VerifiedBundle::open(
        &InviteSecret::from_bytes(input.array("h")?),
        &input.bytes("blob")?,
        &IdentityHash::from_bytes(input.array("own")?),
        expected.as_ref(),
        Day::from_number(input.number("today")?),
    );
    Ok(match opened {
        Err(error) => Outcome::refused(error),
        Ok(bundle) => Outcome::ok(
            Object::new()
                .hex("identity_hash", bundle.identity().hash().as_bytes())
                .hex("address", bundle.address())
                .with("not_after", bundle.not_after().number()),
        ),
    })
}

/// Writes a link from a relay and a secret.
pub(super) fn write_link(input: &Object) -> Result<Outcome, BadField> {
    let relay: RelayAddress = input.text("relay")?.parse().map_err(|_| BadField("relay".to_owned()))?;
    let link = InviteLink::new(relay, InviteSecret::from_bytes(input.array("h")?));
    Ok(Outcome::ok(Object::new().with("link", link.to_text().as_str())))
}

/// Reads a relay and a secret from a link.
pub(super) fn read_link(input: &Object) -> Result<Outcome, BadField> {
    Ok(match input.text("link")?.parse::<InviteLink>() {
        Err(error) => Outcome::refused(error),
        Ok(link) => Outcome::ok(
            Object::new().with("relay", link.relay().to_string()).hex("h", link.secret().expose()),
        ),
    })
}
