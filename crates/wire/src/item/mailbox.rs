//! Items of a mailbox's owner: create, grant, revoke, renew, delete, rekey. Each is ended by an
//! `Answer`.

use super::{CreateFlags, LeaseClass, QuotaClass, encoding::Encoding};
use crate::{
    MailboxId, OwnId, PresentedOwn, SendId,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError},
    limits::{MAX_SENDS, MAX_TOKEN},
};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// A request to make a mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Create {
    /// Number of the request, chosen by the client. The `Answer` repeats it.
    pub req: u32,
    /// Hash of the secret that the mailbox's owner will present to change it.
    pub own: OwnId,
    /// Name of the mailbox: hash of the secret that its reader will present.
    pub read: MailboxId,
    /// Rights of the first senders, at most [`MAX_SENDS`].
    pub sends: Vec<SendGrant>,
    /// Number of days for which the mailbox lives without a renewal, as a class.
    pub lease: LeaseClass,
    /// Maximum number of blobs and bytes that the mailbox can hold, as a class.
    pub quota: QuotaClass,
    /// Properties of the mailbox that never change.
    pub flags: CreateFlags,
    /// Token that shows a relay that this client may create mailboxes, at most [`MAX_TOKEN`] bytes;
    /// empty if the relay asks for none
    /// ([`RelayHello::token_needed`](super::RelayHello::token_needed)).
    pub token: Zeroizing<Vec<u8>>,
}

/// Hides the two hashes, and the token, because anyone that reads the token can use it.
impl core::fmt::Debug for Create {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { req, sends, lease, quota, flags, .. } = self;
        let mut out = f.debug_struct("Create");
        out.field("req", req).field("sends", sends).field("lease", lease).field("quota", quota);
        out.field("flags", flags).finish_non_exhaustive()
    }
}

/// A right to put into a mailbox, as its owner grants it to one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendGrant {
    /// The hash of the secret that the sender will present.
    pub send: SendId,
    /// A number of the owner's choice, which the reader gets with each blob of this sender.
    pub via: u8,
}

impl Encoding for Create {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.as_bytes());
        w.bytes(self.read.as_bytes());
        w.list(&self.sends, MAX_SENDS, |w, grant| {
            w.bytes(grant.send.as_bytes());
            w.u8(grant.via);
            Ok(())
        })?;
        w.u8(self.lease.code());
        w.u8(self.quota.code());
        w.u8(self.flags.0);
        w.len(self.token.len(), MAX_TOKEN)?;
        w.bytes(&self.token);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            own: OwnId::from_bytes(r.array()?),
            read: MailboxId::from_bytes(r.array()?),
            sends: r.list(MAX_SENDS, 33, |r| {
                Ok(SendGrant { send: SendId::from_bytes(r.array()?), via: r.u8()? })
            })?,
            lease: LeaseClass::from_code(r.u8()?),
            quota: QuotaClass::from_code(r.u8()?),
            flags: CreateFlags(r.u8()?),
            token: Zeroizing::new(r.byte_string(MAX_TOKEN)?),
        })
    }
}

/// A request to let one more sender put into a mailbox, or to change the `via` of a sender that
/// already may.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// Number of the request, which the `Answer` repeats.
    pub req: u32,
    /// Secret by which the owner proves the right to the mailbox. It also tells which mailbox is
    /// meant.
    pub own: PresentedOwn,
    /// Hash of the secret that the new sender will present.
    pub send: SendId,
    /// The number that the reader gets with each blob of this sender.
    pub via: u8,
}

impl Encoding for Grant {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.expose());
        w.bytes(self.send.as_bytes());
        w.u8(self.via);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            own: PresentedOwn::copy_of(r.array_ref()?),
            send: SendId::from_bytes(r.array()?),
            via: r.u8()?,
        })
    }
}

/// A request to remove the right of one sender of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Revoke {
    /// Number of the request, which the `Answer` repeats.
    pub req: u32,
    /// Secret by which the owner proves the right to the mailbox. It also tells which mailbox is
    /// meant.
    pub own: PresentedOwn,
    /// Hash of the secret that the sender to remove presents.
    pub send: SendId,
}

impl Encoding for Revoke {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.expose());
        w.bytes(self.send.as_bytes());
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            own: PresentedOwn::copy_of(r.array_ref()?),
            send: SendId::from_bytes(r.array()?),
        })
    }
}

/// A request to renew the lease of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Renew {
    /// Number of the request, which the `Answer` repeats.
    pub req: u32,
    /// Secret by which the owner proves the right to the mailbox. It also tells which mailbox is
    /// meant.
    pub own: PresentedOwn,
}

impl Encoding for Renew {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.expose());
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()?, own: PresentedOwn::copy_of(r.array_ref()?) })
    }
}

/// A request to delete a mailbox with all blobs in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Delete {
    /// Number of the request, which the `Answer` repeats.
    pub req: u32,
    /// Secret by which the owner proves the right to the mailbox. It also tells which mailbox is
    /// meant.
    pub own: PresentedOwn,
}

impl Encoding for Delete {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.expose());
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()?, own: PresentedOwn::copy_of(r.array_ref()?) })
    }
}

/// A request to replace the read capability of a mailbox. The reader so far gets
/// [`Displaced`](super::Displaced).
#[derive(Debug, PartialEq, Eq)]
pub struct Rekey {
    /// Number of the request, which the `Answer` repeats.
    pub req: u32,
    /// Secret by which the owner proves the right to the mailbox. It also tells which mailbox is
    /// meant.
    pub own: PresentedOwn,
    /// New name of the mailbox: hash of the secret that its reader will present from now on.
    pub read: MailboxId,
}

impl Encoding for Rekey {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.own.expose());
        w.bytes(self.read.as_bytes());
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            own: PresentedOwn::copy_of(r.array_ref()?),
            read: MailboxId::from_bytes(r.array()?),
        })
    }
}
