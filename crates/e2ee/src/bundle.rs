//! Bundles: what a person publishes so that another can begin a session (spec/03-invite.md).
//!
//! The body is the same for invites and for reset bundles; an invite adds a signature, a sealed
//! blob and a link.

pub(crate) mod body;
pub(crate) mod invite;
mod link;
#[cfg(feature = "hazmat")]
pub(crate) mod trace;

pub use body::{AddressTooLong, BundleError, MAX_ADDRESS, SUITE};
pub use invite::{PendingInvite, VerifiedBundle};
pub use link::{FRAGMENT_LEN, InviteLink, InviteRead, InviteSecret, LINK_VERSION, LinkError};
