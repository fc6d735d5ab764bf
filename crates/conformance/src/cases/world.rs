//! Two people, a bundle, and the session between them.

use crate::{json::Object, random::Recorder};
use deaddrop_e2ee::{
    content::{self, Content},
    hazmat,
    identity::{IdentityKeyPair, IdentitySeed},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_wire::Day;

/// The day of all vectors, counted from 1970-01-01: 2026-11-23. Any day does.
pub(super) const TODAY: u32 = 20_780;
/// The last day of the bundles: a week later.
pub(super) const NOT_AFTER: u32 = TODAY + 7;

/// The mailbox address of both people: the protocol between people does not look into it.
pub(super) const ADDRESS: &[u8] = b"an address of up to 512 bytes";

/// Initiator, responder, the responder's invite, the session of the initiator, and the inputs of a
/// vector that lead there.
pub(super) struct World {
    pub(super) recorder: Recorder,
    pub(super) initiator_seed: [u8; 32],
    pub(super) responder_seed: [u8; 32],
    pub(super) initiator: IdentityKeyPair,
    pub(super) responder: IdentityKeyPair,
    pub(super) invite: PendingInvite,
    pub(super) blob: Vec<u8>,
    pub(super) session: Session,
    pub(super) input: Object,
}

pub(super) fn person(seed: [u8; 32]) -> IdentityKeyPair {
    IdentityKeyPair::from_seed(IdentitySeed::from_bytes(seed))
}

/// Returns content that begins with a Hello item and carries a text.
pub(super) fn hello(text: &str) -> Vec<u8> {
    let items = [Content::Hello { address: ADDRESS.to_vec() }, note(text)];
    content::encode(&items).expect("short").to_vec()
}

/// Returns content of one text.
pub(super) fn plain(text: &str) -> Vec<u8> {
    content::encode(&[note(text)]).expect("short").to_vec()
}

fn note(text: &str) -> Content {
    Content::Text { stream: deaddrop_e2ee::content::StreamId([0x5a; 16]), number: 1, text: text.to_owned() }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut recorder = Recorder::new(seed);
        let (initiator_seed, responder_seed) = (recorder.bytes(), recorder.bytes());
        let (initiator, responder) = (person(initiator_seed), person(responder_seed));
        let (invite, blob) =
            hazmat::create_invite(&responder, Day::from_number(NOT_AFTER), ADDRESS, &mut recorder)
                .expect("short address");
        let bundle_random = recorder.take();
        let own = initiator.identity_key().hash();
        let today = Day::from_number(TODAY);
        let bundle = VerifiedBundle::open(invite.secret(), &blob, own, None, today).expect("just made");
        let (session, _) = Session::initiate(&initiator, &bundle, &mut recorder).expect("honest keys");
        let initiator_random = recorder.take();
        let input = Object::new()
            .hex("initiator_seed", initiator_seed)
            .hex("responder_seed", responder_seed)
            .with("today", TODAY)
            .with("not_after", NOT_AFTER)
            .hex("bundle_address", ADDRESS)
            .hex("bundle_random", bundle_random)
            .hex("initiator_random", initiator_random);
        Self { recorder, initiator_seed, responder_seed, initiator, responder, invite, blob, session, input }
    }
}
