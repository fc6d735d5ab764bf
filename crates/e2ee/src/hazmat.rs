//! Intermediate values for test vectors. Everything here is a real secret: never enable this
//! feature in an app.
//!
//! Behind the additive feature `hazmat`. Names are those of the spec's chapters 02 to 05. Each
//! trace lies beside the code that it shows; this module only re-exports them.

pub use crate::{
    bundle::trace::{InviteTrace, create_invite, invite, invite_nonce, seal_bundle},
    contact::reset_bundle::trace::{
        OpenedResetBundle, ResetBundleTrace, ResetOutcome, ResetRules, create_reset_bundle, initiate_reset,
        open_reset_bundle, reset,
    },
    handshake::trace::{HandshakeTrace, handshake},
    identity::trace::identity_secrets,
    session::trace::{
        SendingTrace, SessionTrace, TurnTrace, body_key, chain_step, nonces, open_header, receive_turn,
        session,
    },
};
