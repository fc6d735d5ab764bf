//! The engine's entry of a contact in memory.

use crate::vault::{
    AgainRow, ConversationRow, DraftRow, InviteRow, ItemRow, MissingRow, PeerRow, PersonRow, Question, RowKey,
};
use deaddrop_e2ee::{contact::Hour, content::SHORT_DIGEST_LEN, invite::PendingInvite, session::SessionId};
use deaddrop_wire::Day;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

/// The engine's entry of a contact: the person, its one device, and the one conversation with it.
pub(super) struct Peer {
    pub(super) person: PersonRow,
    pub(super) conversation: ConversationRow,
    pub(super) row: PeerRow,
    /// The sessions with the contact; `None` until the first one begins.
    pub(super) ratchet: Option<deaddrop_e2ee::contact::Contact>,
    pub(super) invite: Option<(InviteRow, PendingInvite)>,
    /// The items of the outgoing stream by their numbers; 0 is the control message (a Hello, or a
    /// receipt).
    pub(super) items: BTreeMap<u64, ItemRow>,
    /// The items that have no number in the stream yet, by their places in the order of sending.
    pub(super) drafts: BTreeMap<u64, DraftRow>,
    /// The items that a receipt showed to be missing, by their numbers.
    pub(super) missing: BTreeMap<u64, MissingRow>,
    /// The hour of the machine's clock in which items were last sent again, and the number of bytes
    /// that were sent again in it; `None`: none ever was.
    pub(super) again: Option<AgainRow>,
    /// Number of times that an address of the contact was learnt since the vault was opened.
    pub(super) learnt: u64,
    /// Number of texts that a relay has stored for the first time since the vault was opened.
    pub(super) texts_stored: u64,
    /// The day on which the app was last told of a trouble with the session that may heal by
    /// itself: a stale reset, or a vault of the contact that was put back.
    pub(super) healing_told: Option<Day>,
    /// The day on which the app was last told that the contact's vault was put back
    /// ([`PeerRewound`](crate::EventKind::PeerRewound)), if that was the newest trouble.
    pub(super) rewound_told: Option<Day>,
    /// The time before which missing items are not looked at again, in seconds since 1970-01-01.
    pub(super) rests_until: u64,
    /// The number of the newest private mailbox that the peer has used. Older ones and the landing
    /// are retired once everything in them has been read; `None`: there are no older ones to
    /// retire.
    pub(super) uses_mailbox: Option<u32>,
    /// For each own mailbox, by number, that the peer used although a better one was told: the day
    /// on which the peer was last told the better one once more.
    pub(super) told_again: BTreeMap<u32, Day>,
    /// Whether all drafts are items of an earlier stream of which none can be sent again now,
    /// because of the bounds on what is sent again.
    pub(super) holds_back: bool,
    /// Whether all items without a receipt may be lost, because of a change of sessions, and are to
    /// be noted as missing.
    pub(super) doubts_all: bool,
    /// The receipt of which a part is still to be applied, because one step had no room for all;
    /// `None`: there is none.
    pub(super) confirmed: Option<Receipt>,
    /// The IP address to which the contact's mailbox leads, if it is neither public nor allowed;
    /// `None` otherwise.
    pub(super) blocked: Option<IpAddr>,
    /// The envelopes that wait for the user's decision, by their places: the oldest has the lowest.
    pub(super) asked: BTreeMap<u64, Asked>,
    /// The keys of the rows of messages that were shown, and below of blobs that were put aside
    /// (kept unread), oldest first.
    pub(super) seen: VecDeque<RowKey>,
    pub(super) aside: VecDeque<RowKey>,
    /// Number of contents that are kept for a newer version of this program.
    pub(super) parked: usize,
    /// The stream's slot and the number of each held item that will be kept for a newer version;
    /// `None`: the held items were not searched yet.
    pub(super) parks_later: Option<BTreeSet<(u8, u64)>>,
    /// The day on which unused sessions were last dropped, after everything had been read; `None`:
    /// not since the vault was opened.
    pub(super) tidied_on: Option<Day>,
    /// The session that was used for sending when a message was last read or encrypted.
    pub(super) sends_in: Option<SessionId>,
    /// The hour in which a new session was last tried to begin by itself; `None`: not since the
    /// vault was opened.
    pub(super) reset_tried: Option<Hour>,
}

impl Peer {
    /// Creates a peer from its three rows, with nothing else.
    pub(super) fn new(person: PersonRow, conversation: ConversationRow, row: PeerRow) -> Self {
        Self {
            person,
            conversation,
            row,
            ratchet: None,
            invite: None,
            items: BTreeMap::new(),
            drafts: BTreeMap::new(),
            missing: BTreeMap::new(),
            again: None,
            learnt: 0,
            texts_stored: 0,
            rests_until: 0,
            healing_told: None,
            rewound_told: None,
            uses_mailbox: None,
            told_again: BTreeMap::new(),
            holds_back: false,
            doubts_all: false,
            confirmed: None,
            blocked: None,
            asked: BTreeMap::new(),
            seen: VecDeque::new(),
            aside: VecDeque::new(),
            parked: 0,
            parks_later: None,
            tidied_on: None,
            sends_in: None,
            reset_tried: None,
        }
    }
}

/// An envelope that waits for the user's decision.
pub(super) struct Asked {
    pub(super) question: Question,
    /// The identity that asks to be the contact; zeros if the contact asks for a reset.
    pub(super) identity: [u8; 32],
    /// The first 16 bytes of the envelope, by which a repeat is recognised.
    pub(super) tag: [u8; 16],
}

/// The part of the outgoing stream that a peer has received, as it says: all items up to
/// `low_water`, and those that `sparse` names.
#[derive(Clone)]
pub(super) struct Receipt {
    pub(super) low_water: u64,
    /// The short digest of the items up to `low_water`, as the peer holds them; `None`: the receipt
    /// had none.
    pub(super) digest: Option<[u8; SHORT_DIGEST_LEN]>,
    pub(super) sparse: Vec<u64>,
    /// Whether the receipt was counted already in
    /// [`OutStream::still`](crate::vault::OutStream::still).
    pub(super) is_counted: bool,
}
