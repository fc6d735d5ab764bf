//! Resets: soft, hard, stale, and by others. What breaks one check alone is in [`reset_refused`].

use super::{
    Family, reset_orders, reset_refused,
    world::{NOT_AFTER, TODAY, hello, person},
};
use crate::{
    json::{Json, Object, hex},
    random::Recorder,
    vector::Case,
};
use deaddrop_e2ee::hazmat::{self, ResetBundleTrace};
use deaddrop_primitives::hash::sha256;
use deaddrop_wire::Day;

/// One reset before it is varied.
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

    fn rules(&self, input: Object, agreed: &str, held: Vec<Json>, begun: Vec<Json>) -> Object {
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

    /// `peer`: the hash of the contact's identity.
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

    /// The session that the message begins, and the hash of its flight.
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

/// Flights of sessions that have nothing to do with this one.
fn others(count: u8) -> Vec<Json> {
    (0..count).map(|n| hex([n; 32])).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("reset");
    let scene = Scene::new(70, NOT_AFTER);
    f.add("create-reset-bundle", "bundle", "A reset bundle from its inputs.", scene.input.clone());
    let content = hello("once more");
    let message = |proof| scene.message(scene.input.clone(), proof, &content);
    let plain = |proof| scene.rules(message(proof), "no", vec![], vec![]);
    let mut add = |name: &str, comment: &str, input: Object| f.add("reset", name, comment, input);
    add("soft-newest", "A reset proved by the newest secret.", plain(Some(scene.proofs[0])));
    add("soft-before", "A reset proved by the secret before.", plain(Some(scene.proofs[1])));
    add(
        "hard-agreed",
        "A hard reset, and the user agrees.",
        scene.rules(message(None), "yes", vec![], vec![]),
    );
    add("refused-c-44-stale", "C-44: proved by a secret that does not count.", plain(Some([7; 32])));
    add("refused-c-56-hard", "C-56: a hard reset, and nobody was asked.", plain(None));
    let other = scene.rules_for([0x33; 32], message(Some(scene.proofs[0])), "no", vec![], vec![]);
    add("refused-c-55-other", "C-55: by somebody who is not the contact.", other);
    let proved = || message(Some(scene.proofs[0]));
    add(
        "refused-c-57-often",
        "C-57: the bundle has begun four sessions.",
        scene.rules(proved(), "no", vec![], others(4)),
    );
    add(
        "refused-c-57-hard",
        "C-57: the user agrees to a hard reset, but the bundle has begun eight sessions.",
        scene.rules(message(None), "yes", vec![], others(8)),
    );
    add(
        "hard-often",
        "A hard reset that the user agrees to, on a bundle that has begun seven sessions.",
        scene.rules(message(None), "yes", vec![], others(7)),
    );
    let flight = scene.begin(Some(scene.proofs[0])).1;
    add(
        "refused-c-58-repeated",
        "C-58: the flight has begun a session before; nothing of that session is known any more.",
        scene.rules(proved(), "no", vec![], vec![hex(flight)]),
    );
    let held = vec![hex(scene.begin(Some(scene.proofs[0])).0)];
    add("refused-c-58-known", "C-58: the session is known.", scene.rules(proved(), "no", held, vec![]));
    add("refused-c-41-junk", "C-41: 16,384 zeros.", plain(None).hex("envelope", [0; 16_384]));
    let old = Scene::new(71, TODAY - 1);
    let expired = old.message(old.input.clone(), Some(old.proofs[0]), &content);
    add(
        "refused-c-07-expired",
        "C-07: the bundle's last day has passed.",
        old.rules(expired, "no", vec![], vec![]),
    );
    let given = |bytes: &[u8]| plain(Some(scene.proofs[0])).hex("bundle", bytes);
    let mut add = |name: &str, comment: &str, input: Object| f.add("reset", name, comment, input);
    add(
        "refused-c-05-signed",
        "C-05: 64 bytes behind the body, as an invite has them for its signature.",
        given(&[&scene.bundle.body[..], &[0x5a; 64]].concat()),
    );
    let mut invite = scene.bundle.body.clone();
    invite[0] = 1;
    add("refused-c-06-invite", "C-06: the body of an invite.", given(&invite));
    let mut add = |name: &str, comment: &str, input: Object| f.add("reset", name, comment, input);
    add(
        "soft-often",
        "A soft reset on a bundle that has begun three sessions.",
        scene.rules(message(Some(scene.proofs[0])), "no", vec![], others(3)),
    );
    let last = Scene::new(76, TODAY);
    let on_last_day = last.message(last.input.clone(), Some(last.proofs[0]), &content);
    add("soft-last-day", "On the bundle's last day.", last.rules(on_last_day, "no", vec![], vec![]));
    reset_refused::bundles(&mut f);
    reset_refused::messages(&mut f);
    reset_orders::add(&mut f, &scene);
    f.cases
}
