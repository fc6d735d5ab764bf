//! The items that the client of a link sends. Owners, readers, senders and blobs are named by small
//! numbers, from which the secrets and bytes are made.

use super::super::value::{blob, hello, own, read, send};
use deaddrop_link::capability::{mailbox_id, own_id, send_id};
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass};

/// A request of an owner or a sender. `own`, `read` and `send` are the numbers of rights, `sends`
/// the numbers of rights to send, each with its `via`, and `number` is that of a blob.
#[derive(Clone, Debug)]
pub enum Asked {
    Create {
        own: u8,
        read: u8,
        sends: Vec<(u8, u8)>,
        lease: LeaseClass,
        quota: QuotaClass,
        flags: CreateFlags,
    },
    Grant {
        own: u8,
        send: u8,
        via: u8,
    },
    Revoke {
        own: u8,
        send: u8,
    },
    Renew {
        own: u8,
    },
    Rekey {
        own: u8,
        read: u8,
    },
    Delete {
        own: u8,
    },
    Put {
        send: u8,
        number: u32,
        class: SizeClass,
    },
}

/// An item that a client sends. The first number of a request is its `req`. The numbers of a Window
/// are blobs and bytes.
#[derive(Clone, Debug)]
pub enum Said {
    Asked(u32, Asked),
    /// A Subscribe: for each subscription its number, and the number of its right to read.
    Subscribe(u32, Vec<(u32, u8)>),
    Unsubscribe(u32, Vec<u32>),
    Ack(Vec<AckEntry>),
    Window(u16, u32),
    Ping(u32),
    About(u32),
    /// A second Hello, which breaks a rule.
    Hello,
    /// A CaughtUp, which only a relay sends: a client that sends it breaks a rule.
    CaughtUp,
}

impl Said {
    pub fn item(&self) -> Item {
        match self {
            Self::Asked(req, asked) => asked.item(*req),
            Self::Subscribe(req, subs) => {
                let mailboxes =
                    subs.iter().map(|(sub, number)| Subscription { sub: *sub, read: read(*number) });
                Subscribe { req: *req, mailboxes: mailboxes.collect() }.into()
            }
            Self::Unsubscribe(req, subs) => Unsubscribe { req: *req, subs: subs.clone() }.into(),
            Self::Ack(acks) => Ack { acks: acks.clone() }.into(),
            Self::Window(blobs, bytes) => Window { blobs: *blobs, bytes: *bytes }.into(),
            Self::Ping(nonce) => Ping { nonce: *nonce }.into(),
            Self::About(req) => About { req: *req }.into(),
            Self::Hello => hello(1, 1, 1).into(),
            Self::CaughtUp => CaughtUp { req: 1 }.into(),
        }
    }
}

impl Asked {
    fn item(&self, req: u32) -> Item {
        let grant = |(sender, via): &(u8, u8)| SendGrant { send: send_id(&send(*sender)), via: *via };
        match self {
            Self::Create { own: owner, read: reader, sends, lease, quota, flags } => Create {
                req,
                own: own_id(&own(*owner)),
                read: mailbox_id(&read(*reader)),
                sends: sends.iter().map(grant).collect(),
                lease: *lease,
                quota: *quota,
                flags: *flags,
                token: vec![].into(),
            }
            .into(),
            Self::Grant { own: owner, send: sender, via } => {
                Grant { req, own: own(*owner), send: send_id(&send(*sender)), via: *via }.into()
            }
            Self::Revoke { own: owner, send: sender } => {
                Revoke { req, own: own(*owner), send: send_id(&send(*sender)) }.into()
            }
            Self::Renew { own: owner } => Renew { req, own: own(*owner) }.into(),
            Self::Rekey { own: owner, read: reader } => {
                Rekey { req, own: own(*owner), read: mailbox_id(&read(*reader)) }.into()
            }
            Self::Delete { own: owner } => Delete { req, own: own(*owner) }.into(),
            Self::Put { send: sender, number, class } => {
                Put { req, send: send(*sender), blob: blob(*class, *number) }.into()
            }
        }
    }
}
