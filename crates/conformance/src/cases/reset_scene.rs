//! One reset, from its bundle to the first message.

use super::world::{TODAY, person};
use crate::{
    json::{Json, Object, hex},
    random::Recorder,
};
use deaddrop_e2ee::hazmat::{self, ResetBundleTrace};
use deaddrop_primitives::hash::sha256;
use deaddrop_wire::Day;

/// One reset that cases vary: the identity seeds of both people, the reset secrets that they share
/// (newest first), and the responder's reset bundle.
pub(super) struct Scene {
    pub(super) initiator: [u8; 32],
    pub(super) responder: [u8; 32],
    pub(super) proofs: [[u8; 32]; 2],
    pub(super) bundle: ResetBundleTrace,
    pub(super) input: Object,
    random: (Vec<u8>, Vec<u8>),
}

impl Scene {
    pub(super) fn new(seed: u64, not_after: u32) -> Self {
        let mut r = Recorder::new(seed);
        let (initiator, responder): ([u8; 32], [u8; 32]) = (r.bytes(), r.bytes());
        let proofs = [r.bytes(), r.bytes()];
        drop(r.take());
        let owner = person(responder);
        let bundle = hazmat::create_reset_bundle(&owner, Day::from_number(not_after), b"", &mut r);
        let bundle = bundle.expect("short address");
        let input = Object::new()
            .hex("initiator_seed", initiator)
            .hex("responder_seed", responder)
            .with("today", TODAY)
            .with("not_after", not_after)
            .hex("bundle_address", [])
            .hex("bundle_random", r.take());
        // The randomness of a session and a message, for either side.
        let random = (r.vec(192), r.vec(24));
        Self { initiator, responder, proofs, bundle, input, random }
    }

    pub(super) fn message(&self, input: Object, proof: Option<[u8; 32]>, content: &[u8]) -> Object {
        let input = input
            .hex("initiator_random", &self.random.0)
            .hex("message_random", &self.random.1)
            .hex("content", content);
        match proof {
            Some(proof) => input.hex("proof", proof),
            None => input,
        }
    }

    pub(super) fn rules(&self, input: Object, agreed: &str, held: Vec<Json>, begun: Vec<Json>) -> Object {
        self.rules_for(self.initiator, input, agreed, held, begun)
    }

    pub(super) fn rules_for(
        &self,
        peer: [u8; 32],
        input: Object,
        agreed: &str,
        held: Vec<Json>,
        begun: Vec<Json>,
    ) -> Object {
        let peer = *person(peer).identity_key().hash().as_bytes();
        self.rules_of(peer, input, agreed, held, begun)
    }

    /// Returns `input` with the fields that the rules of a reset ask for. `peer` is the hash of the
    /// contact's identity.
    pub(super) fn rules_of(
        &self,
        peer: [u8; 32],
        input: Object,
        agreed: &str,
        held: Vec<Json>,
        begun: Vec<Json>,
    ) -> Object {
        let proofs: Vec<Json> = self.proofs.iter().map(|proof| hex(*proof)).collect();
        input
            .hex("peer", peer)
            .with("proofs", proofs)
            .with("agreed", agreed)
            .with("held", held)
            .with("begun", begun)
    }

    /// Returns the id of the session that the scene's first message begins, and the hash of the
    /// message's flight. `proof` is the reset secret; `None` makes a reset without one.
    pub(super) fn begin(&self, proof: Option<[u8; 32]>) -> ([u8; 16], [u8; 32]) {
        let mut random = crate::random::Script::new(self.random.0.clone());
        let (initiator, responder) = (person(self.initiator), person(self.responder));
        let peer = responder.identity_key().hash();
        let today = Day::from_number(TODAY);
        let session =
            hazmat::initiate_reset(&initiator, &self.bundle.body, peer, proof.as_ref(), today, &mut random);
        let session = session.expect("honest");
        // The flight is what an unanswered session's row ends with.
        let row = session.snapshot();
        let flight = row.last_chunk::<3_472>().expect("longer");
        (session.id().0, sha256(&[flight]))
    }
}
