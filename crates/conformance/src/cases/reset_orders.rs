//! First messages of resets that break two rules of different classes, so that the order of the checks shows
//! (spec/05-ratchet.md section 6.5), and hard resets that are refused for another reason than consent.

use super::{
    family::Family,
    initial::{Addressee, Tweak, initial_message_to},
    reset_refused::{addressee, hash_of},
    reset_scene::Scene,
    world::{NOT_AFTER, TODAY, hello, plain},
};
use crate::{
    json::{Json, Object, hex},
    random::Recorder,
    second::label,
};
use deaddrop_e2ee::hazmat;
use deaddrop_primitives::{aead, hash::sha256};

/// Number of bytes of a flight, the part of an InitialMessage for the handshake (chapter 04).
const FLIGHT_LEN: usize = 3_472;

/// Returns the hash of the flight in a first message to this owner of a bundle.
fn flight_of(to: &Addressee, envelope: &[u8]) -> [u8; 32] {
    let (nonce, sealed) = envelope.split_first_chunk().expect("long");
    let plain = aead::open(&to.k_init, nonce, &label("initial"), sealed).expect("just sealed");
    sha256(&[&plain[..FLIGHT_LEN]])
}

/// A message that arrives at the owner of a scene's bundle, with the state that the rules of a
/// reset ask for.
struct Arrival<'a> {
    scene: &'a Scene,
    peer: [u8; 32],
    agreed: &'a str,
    begun: Vec<Json>,
    envelope: Vec<u8>,
}

/// Returns the arrival of a message from the contact itself. The user has not agreed to a reset.
fn arrival(scene: &Scene, envelope: Vec<u8>) -> Arrival<'_> {
    Arrival { scene, peer: hash_of(scene.initiator), agreed: "no", begun: vec![], envelope }
}

impl Arrival<'_> {
    fn input(self) -> Object {
        let input = self.scene.input.clone();
        let input = self.scene.rules_of(self.peer, input, self.agreed, vec![], self.begun);
        input.hex("envelope", self.envelope)
    }
}

/// Adds the cases. `whole` is a scene whose messages the honest initiator makes.
pub(super) fn add(f: &mut Family, whole: &Scene) {
    let mut r = Recorder::new(91);
    let (scene, old) = (Scene::new(92, NOT_AFTER), Scene::new(93, TODAY - 1));
    let to = addressee(&scene);
    let hard = || {
        let mut to = addressee(&scene);
        to.psk = hazmat::reset(&scene.bundle.hash, &[0; 32]).2;
        to
    };
    let mut seal = |to: &Addressee, by: [u8; 32], tweak: &Tweak| initial_message_to(to, by, &mut r, tweak);
    let mut refused = |name: &str, comment: &str, arrival: Arrival<'_>| {
        f.add("reset", &format!("refused-{name}"), comment, arrival.input());
    };

    let mut unproved = addressee(&old);
    unproved.psk = [7; 32];
    let envelope = seal(&unproved, old.initiator, &Tweak::default());
    refused(
        "c-42-before-c-44",
        "C-42: the bundle's last day has passed. The secret does not count either (C-44), which is looked at later.",
        arrival(&old, envelope),
    );
    let expired = addressee(&old);
    let envelope = seal(&expired, old.initiator, &Tweak::default());
    let begun = vec![hex(flight_of(&expired, &envelope))];
    refused(
        "c-42-before-c-58",
        "C-42: the bundle's last day has passed. The flight has begun a session before (C-58), which is looked at later.",
        Arrival { begun, ..arrival(&old, envelope) },
    );
    let envelope = seal(&to, scene.initiator, &Tweak { changed_identity_box: true, ..Tweak::default() });
    let begun = vec![hex(flight_of(&to, &envelope))];
    refused(
        "c-58-before-c-44",
        "C-58: the flight has begun a session before. Its id_box does not open (C-44), which is looked at later.",
        Arrival { begun, ..arrival(&scene, envelope) },
    );
    let envelope = seal(&to, scene.responder, &Tweak::default());
    refused(
        "c-46-before-c-55",
        "C-46: the initiator is the bundle's owner, who is not the contact either (C-55), which is looked at later.",
        arrival(&scene, envelope),
    );
    let envelope = seal(&hard(), [0x33; 32], &Tweak::default());
    refused(
        "c-55-hard",
        "C-55: a hard reset by somebody who is not the contact, and the user agrees.",
        Arrival { agreed: "yes", ..arrival(&scene, envelope) },
    );
    let envelope = seal(&hard(), scene.initiator, &Tweak { content: Some(plain("hi")), ..Tweak::default() });
    refused(
        "c-52-before-c-56",
        "C-52: the content of a hard reset does not begin with Hello. The user has not agreed (C-56), which is looked at later.",
        arrival(&scene, envelope),
    );

    let content = hello("once more");
    let message = |proof| whole.message(whole.input.clone(), proof, &content);
    let mut add = |name: &str, comment: &str, input: Object| f.add("reset", name, comment, input);
    let held = || vec![hex(whole.begin(None).0)];
    add(
        "refused-c-58-before-c-56",
        "C-58: the session of a hard reset is known. The user has not agreed (C-56), which is looked at later.",
        whole.rules_for(whole.initiator, message(None), "no", held(), vec![]),
    );
    add(
        "refused-c-58-hard",
        "C-58: the user agrees to a hard reset, but its session is known.",
        whole.rules_for(whole.initiator, message(None), "yes", held(), vec![]),
    );
    let mut other = whole.bundle.body.clone();
    other[2..6].copy_from_slice(&(NOT_AFTER + 1).to_le_bytes());
    let input = whole.rules_for(whole.initiator, message(Some(whole.proofs[0])), "no", vec![], vec![]);
    add(
        "refused-c-41-other-bundle",
        "C-41: the initiator holds a valid bundle of its contact that is not the owner's: its last day is another, and so is its hash.",
        input.hex("bundle", other),
    );
}
