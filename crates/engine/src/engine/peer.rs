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
    /// The sessions; `None` until somebody has used the invite.
    pub(super) ratchet: Option<deaddrop_e2ee::contact::Contact>,
    pub(super) invite: Option<(InviteRow, PendingInvite)>,
    /// The numbered items of the outgoing stream, and the control message.
    pub(super) items: BTreeMap<u64, ItemRow>,
    /// The items that have no number yet, in their order.
    pub(super) drafts: BTreeMap<u64, DraftRow>,
    /// The items that a receipt showed to be missing.
    pub(super) missing: BTreeMap<u64, MissingRow>,
    /// The hour in which items were last sent again, and the number of bytes that were sent again in it.
    pub(super) again: Option<AgainRow>,
    /// Number of times that an address was learnt, since the vault was opened.
    pub(super) learnt: u64,
    /// Number of texts that a relay has stored for the first time, since the vault was opened.
    pub(super) texts_stored: u64,
    /// The day on which the app was told of a trouble with the session that may heal by itself.
    pub(super) healing_told: Option<Day>,
    /// The day on which the app was last told that a new session begins by itself.
    pub(super) rewound_told: Option<Day>,
    /// The time before which missing items are not looked at again, in seconds since 1970-01-01.
    pub(super) rests_until: u64,
    /// The newest private mailbox that the peer has used. Older ones and the landing go once all have been read.
    pub(super) uses_mailbox: Option<u32>,
    /// The day on which the peer was last told once more where its messages are awaited, for each mailbox that it used instead.
    pub(super) told_again: BTreeMap<u32, Day>,
    /// Whether more bytes wait to be sent again than an hour allows.
    pub(super) holds_back: bool,
    /// Whether all items without a receipt may be lost, and are to be noted as missing.
    pub(super) doubts_all: bool,
    /// The receipt that one step had no room to apply whole.
    pub(super) confirmed: Option<Receipt>,
    /// The IP address to which the contact's mailbox leads, if it is neither public nor allowed.
    pub(super) blocked: Option<IpAddr>,
    /// The envelopes that wait for the user's decision.
    pub(super) asked: BTreeMap<u64, Asked>,
    /// The rows of messages that were shown, and of blobs that were put aside, oldest first.
    pub(super) seen: VecDeque<RowKey>,
    pub(super) aside: VecDeque<RowKey>,
    /// The number of contents that are kept for a newer version.
    pub(super) parked: usize,
    /// The slot and the number of each held item that will be kept for a newer version; `None`: not known yet.
    pub(super) parks_later: Option<BTreeSet<(u8, u64)>>,
    /// The day on which unused sessions were last looked for after everything had been read.
    pub(super) tidied_on: Option<Day>,
    /// The session that sends, as it was when the last message was read.
    pub(super) sends_in: Option<SessionId>,
    /// The hour in which a reset was last tried.
    pub(super) reset_tried: Option<Hour>,
}

impl Peer {
    /// Creates a peer with nothing but its rows.
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
    /// The identity that asks; zeros for a reset.
    pub(super) identity: [u8; 32],
    /// The envelope's first bytes.
    pub(super) tag: [u8; 16],
}

/// The part of the outgoing stream that a peer says it has received.
#[derive(Clone)]
pub(super) struct Receipt {
    pub(super) low_water: u64,
    /// The digest at the low-water mark.
    pub(super) digest: Option<[u8; SHORT_DIGEST_LEN]>,
    pub(super) sparse: Vec<u64>,
    /// Whether the receipt was counted already among those that move no low-water mark.
    pub(super) is_counted: bool,
}
