//! The operations of vectors: one name each, computed from inputs alone.

mod attachment;
mod bundle;
mod capability;
mod content;
mod handshake;
mod key_schedule;
mod link;
mod ratchet;
mod reset;
mod wire;

use crate::{
    json::{BadField, Object},
    outcome::Outcome,
};

pub use wire::item as item_as_json;

/// Computes the operation with this name from the inputs of a vector.
///
/// # Errors
/// Fails with [`BadField`] when there is no such operation or an input is missing or has the wrong form.
pub fn run(operation: &str, input: &Object) -> Result<Outcome, BadField> {
    match operation {
        "labels" => key_schedule::labels(input),
        "derive-identity" => key_schedule::identity(input),
        "derive-invite-keys" => key_schedule::invite(input),
        "derive-session-keys" => key_schedule::session(input),
        "step-chain" => key_schedule::chain(input),
        "receive-turn" => key_schedule::turn(input),
        "derive-relay-identity" => key_schedule::relay_identity(input),
        "create-bundle" => bundle::create(input),
        "open-bundle" => bundle::open(input),
        "write-link" => bundle::write_link(input),
        "read-link" => bundle::read_link(input),
        "handshake" => handshake::handshake(input),
        "accept" => handshake::accept(input),
        "converse" => ratchet::converse(input),
        "digest-stream" => content::digest(input),
        "derive-nonces" => ratchet::nonces(input),
        "encode-content" => content::encode(input),
        "decode-content" => content::decode(input),
        "derive-reset-keys" => reset::keys(input),
        "create-reset-bundle" => reset::create(input),
        "open-reset-bundle" => reset::open(input),
        "reset" => reset::reset(input),
        "seal-segment" => attachment::seal(input),
        "open-segment" => attachment::open(input),
        "hash-attachment" => attachment::hash(input),
        "verify-attachment" => attachment::verify(input),
        "write-words" => content::write_words(input),
        "read-words" => content::read_words(input),
        "safety-number" => content::safety_number(input),
        "decode-record" => wire::record(input),
        "take-blob" => wire::blob(input),
        "parse-relay-address" => wire::relay_address(input),
        "link" => link::link(input),
        "link-relay-answer" => link::relay_answer(input),
        "link-client-step" => link::client_step(input),
        "link-relay-finish" => link::relay_finish(input),
        "cookie" => link::cookie(input),
        "present" => capability::present(input),
        "derive-client-token" => capability::client_token(input),
        "encode-mailbox-address" => capability::encode_address(input),
        "decode-mailbox-address" => capability::decode_address(input),
        _ => Err(BadField("operation".to_owned())),
    }
}
