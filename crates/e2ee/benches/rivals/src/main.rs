//! deaddrop beside vodozemac in one run: interleaved rounds, medians, targets, and at the end one
//! JSON line a figure.
//!
//! The two libraries do not do the same: vodozemac's Olm has no post-quantum part, no padding and
//! encrypts no headers. The figures say what ours cost.

use deaddrop_e2ee::{
    attachment::{AttachmentHash, AttachmentSealer, Manifest, SEGMENT_LEN},
    content::{self, Content},
    identity::{IdentityHash, IdentityKeyPair, SafetyNumber},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_primitives::{aead, hash::sha256, kem, x25519};
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{hint::black_box, time::Instant};
use vodozemac::olm;

const TODAY: Day = Day::from_number(20_780);
const TEXT: &[u8] = &[b'x'; 64];
const ROUNDS: usize = 101;
/// Number of messages that one sample encrypts or decrypts; the sample is their mean duration.
const BATCH: usize = 20;

/// Runs `work` `times` times. Returns the mean duration of one run in microseconds.
fn time(times: usize, mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..times).for_each(|_| work());
    begin.elapsed().as_secs_f64() * 1e6 / times as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Runs the two measurements in turn, [`ROUNDS`] times each, so that both meet the same
/// disturbances of the machine. Returns the median of each.
fn both(mut ours: impl FnMut() -> f64, mut rival: impl FnMut() -> f64) -> (f64, f64) {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(ours());
        other.push(rival());
    }
    (median(one), median(other))
}

struct Ours {
    a: IdentityKeyPair,
    b: IdentityKeyPair,
    pending: PendingInvite,
    blob: Vec<u8>,
    hello: Vec<u8>,
    rng: ChaCha20Rng,
}

impl Ours {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (a, b) = (IdentityKeyPair::generate(&mut rng), IdentityKeyPair::generate(&mut rng));
        let (pending, blob) = PendingInvite::create(&b, TODAY.plus(7), b"landing", &mut rng).unwrap();
        let hello = content::encode(&[Content::Hello { address: b"here".to_vec() }]).unwrap().to_vec();
        Self { a, b, pending, blob, hello, rng }
    }

    fn bundle(&self) -> VerifiedBundle {
        let own = self.a.identity_key().hash();
        VerifiedBundle::open(self.pending.secret(), &self.blob, own, None, TODAY).unwrap()
    }

    fn initiate(&mut self, bundle: &VerifiedBundle) -> (Session, Vec<u8>) {
        let (mut session, _) = Session::initiate(&self.a, bundle, &mut self.rng).unwrap();
        let (envelope, _) = session.encrypt(&self.hello, &mut self.rng).unwrap();
        (session, envelope.into_bytes())
    }

    /// Returns the sessions of Alice and Bob after five messages in alternating directions, so that
    /// both are established. The newest turn is Alice's, and Bob has read its first message.
    fn pair(&mut self) -> (Session, Session) {
        let bundle = self.bundle();
        let (mut alice, first) = self.initiate(&bundle);
        let mut bob = self.pending.accept(&self.b, &first, |_| false, TODAY).unwrap().session;
        for _ in 0..2 {
            let answer = bob.encrypt(TEXT, &mut self.rng).unwrap().0;
            alice.decrypt(&self.a, answer.as_bytes(), TODAY).unwrap();
            let next = alice.encrypt(TEXT, &mut self.rng).unwrap().0;
            bob.decrypt(&self.b, next.as_bytes(), TODAY).unwrap();
        }
        (alice, bob)
    }
}

struct Rival {
    a: olm::Account,
    b: olm::Account,
}

impl Rival {
    fn new() -> Self {
        Self { a: olm::Account::new(), b: olm::Account::new() }
    }

    fn one_time_key(&mut self) -> vodozemac::Curve25519PublicKey {
        self.b.generate_one_time_keys(1);
        let key = *self.b.one_time_keys().values().next().unwrap();
        self.b.mark_keys_as_published();
        key
    }

    fn initiate(&self, key: vodozemac::Curve25519PublicKey) -> (olm::Session, olm::OlmMessage) {
        let config = olm::SessionConfig::version_1();
        let mut session = self.a.create_outbound_session(config, self.b.curve25519_key(), key).unwrap();
        let first = session.encrypt(TEXT).unwrap();
        (session, first)
    }

    fn accept(&mut self, first: &olm::OlmMessage) -> olm::Session {
        let olm::OlmMessage::PreKey(first) = first else { panic!("the first message") };
        let (config, key) = (olm::SessionConfig::version_1(), self.a.curve25519_key());
        self.b.create_inbound_session(config, key, first).unwrap().session
    }

    fn pair(&mut self) -> (olm::Session, olm::Session) {
        let key = self.one_time_key();
        let (mut alice, first) = self.initiate(key);
        let mut bob = self.accept(&first);
        for _ in 0..2 {
            let answer = bob.encrypt(TEXT).unwrap();
            alice.decrypt(&answer).unwrap();
            let next = alice.encrypt(TEXT).unwrap();
            bob.decrypt(&next).unwrap();
        }
        (alice, bob)
    }
}

struct Figure {
    what: &'static str,
    ours: f64,
    rival: Option<f64>,
    note: String,
}

/// Measures each primitive of a handshake by itself. Returns the sums in microseconds of those that
/// the initiator and those that the responder computes.
fn primitives() -> (f64, f64) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let peer = x25519::SecretKey::generate(&mut rng);
    let own = x25519::SecretKey::generate(&mut rng);
    let secret = kem::DecapsulationKey::generate(&mut rng);
    let public = *secret.encapsulation_key().as_bytes();
    let ciphertext = secret.encapsulation_key().encapsulate(&mut rng).0;
    let text = vec![0; 16_384];
    let sealed = aead::seal(&[1; 32], &[2; 12], b"", &text);
    let mut samples: [Vec<f64>; 8] = Default::default();
    for _ in 0..ROUNDS {
        let figures = [
            time(10, || drop(black_box(x25519::SecretKey::generate(&mut rng)))),
            time(10, || drop(black_box(own.diffie_hellman(peer.public_key())))),
            time(10, || drop(black_box(kem::DecapsulationKey::generate(&mut rng)))),
            time(10, || drop(black_box(kem::EncapsulationKey::from_bytes(&public)))),
            time(10, || drop(black_box(secret.encapsulation_key().encapsulate(&mut rng)))),
            time(10, || drop(black_box(secret.decapsulate(&ciphertext)))),
            time(10, || drop(black_box(aead::seal(&[1; 32], &[2; 12], b"", &text)))),
            time(10, || drop(black_box(aead::open(&[1; 32], &[2; 12], b"", &sealed)))),
        ];
        samples.iter_mut().zip(figures).for_each(|(samples, figure)| samples.push(figure));
    }
    let [generate, dh, keygen, parse, encaps, decaps, seal, open] = samples.map(median);
    println!(
        "primitives in us: X25519 key {generate:.1}, DH {dh:.1}; ML-KEM key {keygen:.1}, parse {parse:.1}, \
encapsulate {encaps:.1}, decapsulate {decaps:.1}; AEAD 16 KiB seal {seal:.1}, open {open:.1}"
    );
    // Two fresh X25519 keys, four DH, one fresh ML-KEM key, two encapsulations; body and outer box.
    let initiator = 2.0 * generate + 4.0 * dh + keygen + 2.0 * encaps + 2.0 * seal;
    // Four DH, two decapsulations, two ML-KEM keys to check; outer box and body.
    let responder = 4.0 * dh + 2.0 * decaps + 2.0 * parse + 2.0 * open;
    (initiator, responder)
}

fn handshakes(figures: &mut Vec<Figure>) {
    let (sum_a, sum_b) = primitives();
    let (mut ours, mut rival) = (Ours::new(), Rival::new());
    let bundle = ours.bundle();
    let (one, other) = both(
        || time(1, || drop(black_box(ours.initiate(&bundle)))),
        || {
            let key = rival.one_time_key();
            time(1, || drop(black_box(rival.initiate(key))))
        },
    );
    let note = format!("{:.2} x its primitives (target 1.2)", one / sum_a);
    figures.push(Figure { what: "handshake_initiator", ours: one, rival: Some(other), note });
    let (_, first) = ours.initiate(&bundle);
    let (one, other) = both(
        || time(1, || drop(black_box(ours.pending.accept(&ours.b, &first, |_| false, TODAY).unwrap()))),
        || {
            let key = rival.one_time_key();
            let (_, first) = rival.initiate(key);
            time(1, || drop(black_box(rival.accept(&first))))
        },
    );
    let note = format!("{:.2} x its primitives (target 1.2)", one / sum_b);
    figures.push(Figure { what: "handshake_responder", ours: one, rival: Some(other), note });
}

fn one_way(figures: &mut Vec<Figure>) {
    let (mut ours, mut rival) = (Ours::new(), Rival::new());
    let ((mut alice, mut bob), (mut carol, mut dave)) = (ours.pair(), rival.pair());
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        // A turn holds 2,000 messages: an answer frees the direction.
        if alice.encrypt(TEXT, &mut ours.rng).is_err() || samples[0].len() % 50 == 49 {
            (alice, bob) = ours.pair();
        }
        let (mut sent, mut rivals) = (Vec::new(), Vec::new());
        let mut rng = ours.rng.clone();
        samples[0].push(time(BATCH, || sent.push(alice.encrypt(TEXT, &mut rng).unwrap())));
        samples[1].push(time(BATCH, || rivals.push(carol.encrypt(TEXT).unwrap())));
        ours.rng = rng;
        let mut next = sent.iter();
        let read = |envelope: &[u8]| drop(black_box(bob.decrypt(&ours.b, envelope, TODAY).unwrap()));
        let mut read = read;
        samples[2].push(time(BATCH, || read(next.next().unwrap().0.as_bytes())));
        let mut next = rivals.iter();
        samples[3].push(time(BATCH, || drop(black_box(dave.decrypt(next.next().unwrap()).unwrap()))));
    }
    let [encrypt, rival_encrypt, decrypt, rival_decrypt] = samples.map(median);
    let note = "4 KiB envelope, target 10".to_owned();
    figures.push(Figure { what: "encrypt_one_way", ours: encrypt, rival: Some(rival_encrypt), note });
    let note = "4 KiB envelope, target 8".to_owned();
    figures.push(Figure { what: "decrypt_one_way", ours: decrypt, rival: Some(rival_decrypt), note });
}

fn ping_pong(figures: &mut Vec<Figure>) {
    let (mut ours, mut rival) = (Ours::new(), Rival::new());
    let ((mut alice, mut bob), (mut carol, mut dave)) = (ours.pair(), rival.pair());
    let mut rng = ours.rng.clone();
    // One message in each direction is two turns.
    let (one, other) = both(
        || {
            time(10, || {
                let answer = bob.encrypt(TEXT, &mut rng).unwrap().0;
                alice.decrypt(&ours.a, answer.as_bytes(), TODAY).unwrap();
                let next = alice.encrypt(TEXT, &mut rng).unwrap().0;
                bob.decrypt(&ours.b, next.as_bytes(), TODAY).unwrap();
            }) / 2.0
        },
        || {
            time(10, || {
                let answer = dave.encrypt(TEXT).unwrap();
                carol.decrypt(&answer).unwrap();
                let next = carol.encrypt(TEXT).unwrap();
                dave.decrypt(&next).unwrap();
            }) / 2.0
        },
    );
    let note = "a hybrid turn each message, target 200".to_owned();
    figures.push(Figure { what: "ping_pong", ours: one, rival: Some(other), note });
}

/// Returns Alice's session, and Bob's with an open and a closed turn of Alice that each lack one
/// message, so that Bob tries both for a forged envelope.
fn laden(ours: &mut Ours) -> (Session, Session) {
    let (mut alice, mut bob) = ours.pair();
    for _ in 0..2 {
        let answer = bob.encrypt(TEXT, &mut ours.rng).unwrap().0;
        alice.decrypt(&ours.a, answer.as_bytes(), TODAY).unwrap();
        let _lost = alice.encrypt(TEXT, &mut ours.rng).unwrap();
        let known = alice.encrypt(TEXT, &mut ours.rng).unwrap().0;
        bob.decrypt(&ours.b, known.as_bytes(), TODAY).unwrap();
    }
    let _answer = bob.encrypt(TEXT, &mut ours.rng).unwrap();
    (alice, bob)
}

fn hostile(figures: &mut Vec<Figure>) {
    let (mut ours, mut rival) = (Ours::new(), Rival::new());
    let ((_, mut bob), (mut carol, mut dave)) = (laden(&mut ours), rival.pair());
    let junk: Vec<u8> = (0..4_096_u32).map(|n| (n * 193 % 251) as u8).collect();
    let (kind, mut bytes) = carol.encrypt(TEXT).unwrap().to_parts();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = olm::OlmMessage::from_parts(kind, &bytes).unwrap();
    let (one, other) = both(
        || time(BATCH, || assert!(bob.decrypt(&ours.b, &junk, TODAY).is_err())),
        || time(BATCH, || assert!(dave.decrypt(&forged).is_err())),
    );
    let note = "most tag checks, target 20".to_owned();
    figures.push(Figure { what: "forged", ours: one, rival: Some(other), note });
}

fn skipped(figures: &mut Vec<Figure>) {
    let mut light = Vec::new();
    let (mut heavy, mut rivals) = (Vec::new(), Vec::new());
    let (mut ours, mut rival) = (Ours::new(), Rival::new());
    for _ in 0..5 {
        let ((mut alice, mut bob), (mut carol, mut dave)) = (ours.pair(), rival.pair());
        let mut rng = ours.rng.clone();
        let mut read = |bob: &mut Session, alice: &mut Session| {
            let sent: Vec<_> = (0..BATCH).map(|_| alice.encrypt(TEXT, &mut rng).unwrap().0).collect();
            let mut next = sent.iter();
            time(BATCH, || {
                let envelope = next.next().unwrap().as_bytes();
                drop(black_box(bob.decrypt(&ours.b, envelope, TODAY).unwrap()));
            })
        };
        light.push(read(&mut bob, &mut alice));
        (0..1_900).for_each(|_| drop(alice.encrypt(TEXT, &mut ours.rng).unwrap()));
        read(&mut bob, &mut alice);
        // Another turn, so that 2,000 keys and more are held.
        let answer = bob.encrypt(TEXT, &mut ours.rng).unwrap().0;
        alice.decrypt(&ours.a, answer.as_bytes(), TODAY).unwrap();
        (0..150).for_each(|_| drop(alice.encrypt(TEXT, &mut ours.rng).unwrap()));
        read(&mut bob, &mut alice);
        assert!(bob.skipped_keys() >= 2_000);
        for _ in 0..20 {
            heavy.push(read(&mut bob, &mut alice));
        }
        (0..1_990).for_each(|_| drop(carol.encrypt(TEXT).unwrap()));
        let known = carol.encrypt(TEXT).unwrap();
        dave.decrypt(&known).unwrap();
        let sent: Vec<_> = (0..BATCH).map(|_| carol.encrypt(TEXT).unwrap()).collect();
        let mut next = sent.iter();
        rivals.push(time(BATCH, || drop(black_box(dave.decrypt(next.next().unwrap()).unwrap()))));
    }
    let (light, heavy) = (median(light), median(heavy));
    let note = format!("{:.2} x of none held (target 1.2); the rival keeps 40 of its keys", heavy / light);
    figures.push(Figure {
        what: "decrypt_after_2000_skipped",
        ours: heavy,
        rival: Some(median(rivals)),
        note,
    });
}

fn others(figures: &mut Vec<Figure>) {
    let (one, other) = (IdentityHash::from_bytes([1; 32]), IdentityHash::from_bytes([2; 32]));
    let number = (0..21).map(|_| time(1, || drop(black_box(SafetyNumber::new(&one, &other))))).collect();
    let note = "target 5,000".to_owned();
    figures.push(Figure { what: "safety_number", ours: median(number), rival: None, note });

    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let sealer = AttachmentSealer::generate(10 * SEGMENT_LEN as u64, &mut rng).unwrap();
    let hash = AttachmentHash::from_bytes([0; 32]);
    let manifest = Manifest::new(sealer.key().duplicate(), 10 * SEGMENT_LEN as u64, hash).unwrap();
    let bytes = vec![7; SEGMENT_LEN];
    let sealed = sealer.seal(0, &bytes).unwrap().blob.into_bytes();
    let mut samples: [Vec<f64>; 4] = Default::default();
    let plain = aead::seal(&[1; 32], &[2; 12], b"ad", &bytes);
    let (body, tag) = plain.split_last_chunk().unwrap();
    // Copying takes half as long again where source and target lie alike in their pages, so the source lies elsewhere each round.
    let page = vec![7; SEGMENT_LEN + 4_096];
    for round in 0..ROUNDS {
        let bytes = &page[round * 41 % 4_096..][..SEGMENT_LEN];
        samples[0].push(time(5, || drop(black_box(sealer.seal(0, bytes).unwrap()))));
        samples[1].push(time(5, || {
            black_box(sha256(&[bytes]));
            drop(black_box(aead::seal(&[1; 32], &[2; 12], b"ad", bytes)));
        }));
        // Each opens copies of its own where they lie; copying is not timed.
        let mut copies = vec![sealed.clone(); 5].into_iter();
        samples[2].push(time(5, || {
            black_box(manifest.open(0, &mut copies.next().unwrap()).unwrap());
        }));
        let mut copies = vec![body.to_vec(); 5].into_iter();
        samples[3].push(time(5, || {
            let mut body = copies.next().unwrap();
            aead::open_in_place(&[1; 32], &[2; 12], b"ad", &mut body, tag).unwrap();
            black_box(sha256(&[&body]));
        }));
    }
    let [seal, alone_seal, open, alone_open] = samples.map(median);
    for (what, ours, alone) in
        [("attachment_seal_64k", seal, alone_seal), ("attachment_open_64k", open, alone_open)]
    {
        let note = format!("{:.2} x the speed of the AEAD and one SHA-256 (target 0.97)", alone / ours);
        figures.push(Figure { what, ours, rival: None, note });
    }
}

/// Prints the durations of ML-KEM-768 from `libcrux-ml-kem` and from `ml-kem`, the two providers
/// that `deaddrop-primitives` supports.
fn providers() {
    use ml_kem::{B32, MlKem768, Seed, kem::Decapsulate};
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let own = kem::DecapsulationKey::from_seed(&[7; 64]);
    let other = ml_kem::DecapsulationKey::<MlKem768>::from_seed(Seed::from([7; 64]));
    let (ciphertext, _) = own.encapsulation_key().encapsulate(&mut rng);
    let message = B32::from([9; 32]);
    let row = |what: &str, ours: &mut dyn FnMut(), other: &mut dyn FnMut()| {
        let (one, two) = both(|| time(5, &mut *ours), || time(5, &mut *other));
        println!("ML-KEM-768 {what}: libcrux-ml-kem {one:.1} us, ml-kem {two:.1} us, {:.1} x", two / one);
    };
    row("key generation", &mut || drop(black_box(kem::DecapsulationKey::from_seed(&[7; 64]))), &mut || {
        drop(black_box(ml_kem::DecapsulationKey::<MlKem768>::from_seed(Seed::from([7; 64]))))
    });
    row("encapsulation", &mut || drop(black_box(own.encapsulation_key().encapsulate(&mut rng))), &mut || {
        _ = black_box(other.encapsulation_key().encapsulate_deterministic(&message));
    });
    row("decapsulation", &mut || drop(black_box(own.decapsulate(&ciphertext))), &mut || {
        _ = black_box(other.decapsulate(&ciphertext.into()));
    });
}

fn main() {
    let mut figures = Vec::new();
    println!("medians of {ROUNDS} interleaved rounds; a minute or so");
    providers();
    for part in [handshakes, one_way, ping_pong, hostile, skipped, others] {
        part(&mut figures);
    }
    println!("\n{:<28} {:>10} {:>10}", "in us", "ours", "vodozemac");
    for Figure { what, ours, rival, note } in &figures {
        let rival = rival.map_or_else(|| "-".to_owned(), |rival| format!("{rival:.1}"));
        println!("{what:<28} {ours:>10.1} {rival:>10}   {note}");
    }
    println!();
    for Figure { what, ours, rival, .. } in &figures {
        let rival = rival.map_or_else(|| "null".to_owned(), |rival| format!("{rival:.2}"));
        println!("{{\"what\":\"{what}\",\"ours_us\":{ours:.2},\"rival_us\":{rival}}}");
    }
}
