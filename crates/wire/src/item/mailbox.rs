//! Items of a mailbox's owner: create, grant, revoke, renew, delete, rekey. Each is ended by an `Answer`.

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
    /// The request's number, chosen by the client.
    pub req: u32,
    /// The owner, who may change the mailbox.
    pub own: OwnId,
    /// The right to read the mailbox.
    pub read: MailboxId,
    /// The senders, at most [`MAX_SENDS`].
    pub sends: Vec<SendGrant>,
    /// The lifetime of the mailbox.
    pub lease: LeaseClass,
    /// The number of blobs and bytes that the mailbox can hold.
    pub quota: QuotaClass,
    /// The properties of the mailbox.
    pub flags: CreateFlags,
    /// The token for a relay that lets only its holders create mailboxes, at most [`MAX_TOKEN`] bytes; empty if the relay wants none.
    pub token: Zeroizing<Vec<u8>>,
}

/// Hides the token, because its bearer may use it.
impl core::fmt::Debug for Create {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { req, sends, lease, quota, flags, .. } = self;
        let mut out = f.debug_struct("Create");
        out.field("req", req).field("sends", sends).field("lease", lease).field("quota", quota);
        out.field("flags", flags).finish_non_exhaustive()
    }
}

/// The right of a sender to put into a mailbox.
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

/// A request to let one more sender in, or to change the `via` of one that is in.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    /// The request's number.
    pub req: u32,
    /// The owner's right.
    pub own: PresentedOwn,
    /// The new sender.
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

/// A request to shut one sender out.
#[derive(Debug, PartialEq, Eq)]
pub struct Revoke {
    /// The request's number.
    pub req: u32,
    /// The owner's right.
    pub own: PresentedOwn,
    /// The sender to remove.
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

/// A request to renew the lease.
#[derive(Debug, PartialEq, Eq)]
pub struct Renew {
    /// The request's number.
    pub req: u32,
    /// The owner's right.
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

/// A request to destroy the mailbox with all that it holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Delete {
    /// The request's number.
    pub req: u32,
    /// The owner's right.
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

/// A request to replace the read capability. The old reader is displaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Rekey {
    /// The request's number.
    pub req: u32,
    /// The owner's right.
    pub own: PresentedOwn,
    /// The new name of the mailbox.
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
