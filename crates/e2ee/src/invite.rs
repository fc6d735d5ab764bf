//! Invites: the link, the bundle that it points to, and the handshake that begins a session with it
//! (spec chapters 03 and 04).
//!
//! The person who invites keeps a [`PendingInvite`], and accepts a first message with it. The other
//! person reads the [`InviteLink`], opens the [`VerifiedBundle`], and begins a session with
//! [`Session::initiate`](crate::session::Session::initiate).

pub use crate::{
    bundle::{
        AddressTooLong, BundleError, FRAGMENT_LEN, InviteLink, InviteRead, InviteSecret, LINK_VERSION,
        LinkError, MAX_ADDRESS, PendingInvite, SUITE, VerifiedBundle,
    },
    handshake::{AcceptError, Accepted, BadBundleKey},
};
