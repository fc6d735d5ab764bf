//! Resets: soft, hard, stale, and by others. Messages that break one check alone are in [`reset_refused`].

use super::{
    family::Family,
    reset_orders, reset_refused,
    reset_scene::Scene,
    world::{NOT_AFTER, TODAY, hello},
};
use crate::{
    json::{Json, Object, hex},
    vector::Case,
};

/// Returns the hashes of this many flights that are not the flight of the case's session.
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
    add("refused-c-56-hard", "C-56: a hard reset, and the user was not asked.", plain(None));
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
