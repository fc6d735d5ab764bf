//! The cost of a session: the handshake on each side beside the sum of its primitives, messages one
//! way and in turns, forgeries, held keys, segments of attachments, the safety number.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use deaddrop_e2ee::{
    attachment::{AttachmentHash, AttachmentSealer, Manifest, SEGMENT_LEN},
    content::{self, Content},
    identity::{IdentityKeyPair, SafetyNumber},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_primitives::{aead, ed25519, hash::sha256, kem, x25519};
use deaddrop_testkit::rng;
use deaddrop_wire::{Blob, Day};
use std::hint::black_box;
use std::time::{Duration, Instant};

const TODAY: Day = Day::from_number(20_780);
/// Text of 60 bytes, about the length of a message between people.
const TEXT: &[u8] = &[b'x'; 60];
const SKIPPED: usize = 2_000;
const HASH: AttachmentHash = AttachmentHash::from_bytes([0; 32]);

struct Invited {
    alice: IdentityKeyPair,
    bob: IdentityKeyPair,
    pending: PendingInvite,
    blob: Vec<u8>,
}

fn invited() -> Invited {
    let rng = &mut rng(1);
    let (alice, bob) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&bob, TODAY.plus(7), b"landing", rng).unwrap();
    Invited { alice, bob, pending, blob }
}

fn hello() -> Vec<u8> {
    content::encode(&[Content::Hello { address: b"here".to_vec() }]).unwrap().to_vec()
}

impl Invited {
    fn initiate(&self, rng: &mut impl rand_core::CryptoRng) -> (Session, Blob) {
        let own = self.alice.identity_key().hash();
        let bundle = VerifiedBundle::open(self.pending.secret(), &self.blob, own, None, TODAY).unwrap();
        let (mut session, _) = Session::initiate(&self.alice, &bundle, rng).unwrap();
        let (envelope, _) = session.encrypt(&hello(), rng).unwrap();
        (session, envelope)
    }

    /// Returns the sessions of Alice and Bob, both established. The newest turn is Bob's; Alice has
    /// read its only message.
    fn established(&self) -> (Session, Session) {
        let rng = &mut rng(2);
        let (mut alice, first) = self.initiate(rng);
        let mut bob = self.pending.accept(&self.bob, first.as_bytes(), |_| false, TODAY).unwrap().session;
        for _ in 0..2 {
            let (envelope, _) = bob.encrypt(TEXT, rng).unwrap();
            alice.decrypt(&self.alice, envelope.as_bytes(), TODAY).unwrap();
            let (envelope, _) = alice.encrypt(TEXT, rng).unwrap();
            bob.decrypt(&self.bob, envelope.as_bytes(), TODAY).unwrap();
        }
        let (envelope, _) = bob.encrypt(TEXT, rng).unwrap();
        alice.decrypt(&self.alice, envelope.as_bytes(), TODAY).unwrap();
        (alice, bob)
    }
}

fn handshake(c: &mut Criterion) {
    let invited = invited();
    let mut group = c.benchmark_group("handshake");
    let random = &mut rng(3);
    group.bench_function("initiator: bundle checked, session, first envelope", |b| {
        b.iter(|| invited.initiate(random));
    });
    let (_, first) = invited.initiate(&mut rng(4));
    group.bench_function("responder: first envelope accepted", |b| {
        b.iter(|| invited.pending.accept(&invited.bob, first.as_bytes(), |_| false, TODAY).unwrap());
    });

    let signer = ed25519::SecretKey::from_bytes(&[5; 32]);
    let signed = vec![7; 3_700];
    let signature = signer.sign(&signed);
    let verifying = signer.public_key();
    let secret = x25519::SecretKey::generate(random);
    let public = *x25519::SecretKey::generate(random).public_key();
    let decapsulation = kem::DecapsulationKey::generate(random);
    let encapsulation = decapsulation.encapsulation_key();
    let encapsulation_bytes = *encapsulation.as_bytes();
    let (ciphertext, _) = encapsulation.encapsulate(random);
    let mut body = vec![0; 12 * 1_024];
    let mut whole = vec![0; 16 * 1_024];
    group.bench_function("initiator: its primitives alone", |b| {
        b.iter(|| {
            ed25519::verify(&verifying, &signed, &signature).unwrap();
            for _ in 0..2 {
                black_box(kem::EncapsulationKey::from_bytes(&encapsulation_bytes).unwrap());
                black_box(encapsulation.encapsulate(random));
                black_box(x25519::SecretKey::generate(random));
            }
            black_box(kem::DecapsulationKey::generate(random));
            for _ in 0..4 {
                black_box(secret.diffie_hellman(&public).unwrap());
            }
            black_box(aead::seal_in_place(&[1; 32], &[0; 12], &[], &mut body));
            black_box(aead::seal_in_place(&[1; 32], &[0; 12], &[], &mut whole));
        });
    });
    let (sealed_body, sealed_whole) =
        (aead::seal(&[1; 32], &[0; 12], &[], &body), aead::seal(&[1; 32], &[0; 12], &[], &whole));
    group.bench_function("responder: its primitives alone", |b| {
        b.iter(|| {
            for _ in 0..2 {
                black_box(kem::EncapsulationKey::from_bytes(&encapsulation_bytes).unwrap());
                black_box(decapsulation.decapsulate(&ciphertext));
            }
            for _ in 0..4 {
                black_box(secret.diffie_hellman(&public).unwrap());
            }
            black_box(aead::open(&[1; 32], &[0; 12], &[], &sealed_body).unwrap());
            black_box(aead::open(&[1; 32], &[0; 12], &[], &sealed_whole).unwrap());
        });
    });
    group.finish();
}

fn messages(c: &mut Criterion) {
    let invited = invited();
    let random = &mut rng(5);
    let mut group = c.benchmark_group("message");
    // A fresh pair now and then: a turn holds only so many messages.
    group.bench_function("encrypt one way", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            let mut left = times;
            while left > 0 {
                let (mut sender, _) = invited.established();
                let _ = sender.encrypt(TEXT, random).unwrap();
                let some = left.min(1_024);
                let begin = Instant::now();
                for _ in 0..some {
                    let _ = black_box(sender.encrypt(TEXT, random).unwrap());
                }
                spent += begin.elapsed();
                left -= some;
            }
            spent
        });
    });
    group.bench_function("decrypt one way", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            let mut left = times;
            while left > 0 {
                let (mut sender, mut receiver) = invited.established();
                let some = left.min(512);
                let envelopes: Vec<Blob> =
                    (0..=some).map(|_| sender.encrypt(TEXT, random).unwrap().0).collect();
                receiver.decrypt(&invited.bob, envelopes[0].as_bytes(), TODAY).unwrap();
                let begin = Instant::now();
                for envelope in &envelopes[1..] {
                    black_box(receiver.decrypt(&invited.bob, envelope.as_bytes(), TODAY).unwrap());
                }
                spent += begin.elapsed();
                left -= some;
            }
            spent
        });
    });
    // As much content as an envelope of each class holds: the nonce depends on all of it.
    for len in [1_739, 14_027, 63_179] {
        let content = vec![b'x'; len];
        group.bench_function(format!("encrypt one way, {len} bytes"), |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                let mut left = times;
                while left > 0 {
                    let (mut sender, _) = invited.established();
                    let _ = sender.encrypt(&content, random).unwrap();
                    let some = left.min(1_024);
                    let begin = Instant::now();
                    for _ in 0..some {
                        let _ = black_box(sender.encrypt(&content, random).unwrap());
                    }
                    spent += begin.elapsed();
                    left -= some;
                }
                spent
            });
        });
    }
    let (mut one, mut other) = invited.established();
    let mut turn = false;
    group.bench_function("ping-pong: encrypt with a new turn, and decrypt it", |b| {
        b.iter(|| {
            turn = !turn;
            let (from, to, reader) = match turn {
                true => (&mut one, &mut other, &invited.bob),
                false => (&mut other, &mut one, &invited.alice),
            };
            let (envelope, _) = from.encrypt(TEXT, random).unwrap();
            to.decrypt(reader, envelope.as_bytes(), TODAY).unwrap();
        });
    });
    group.finish();
}

fn hostile(c: &mut Criterion) {
    let invited = invited();
    let random = &mut rng(6);
    let (mut alice, mut bob) = invited.established();
    let mut group = c.benchmark_group("hostile");
    let (genuine, _) = alice.encrypt(TEXT, random).unwrap();
    let mut body = genuine.as_bytes().to_vec();
    *body.last_mut().unwrap() ^= 1;
    let mut head = genuine.as_bytes().to_vec();
    head[20] ^= 1;
    for (name, forged) in
        [("forged header", head), ("forged body", body), ("random bytes", vec![0x5a; 4_096])]
    {
        group.bench_function(name, |b| {
            b.iter(|| bob.decrypt(&invited.bob, black_box(&forged), TODAY).unwrap_err());
        });
    }
    group.finish();

    let mut group = c.benchmark_group("keys held");
    for held in [0, SKIPPED] {
        group.bench_function(format!("decrypt with {held}"), |b| {
            b.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                let mut left = times;
                while left > 0 {
                    let (mut sender, mut receiver) = holding(&invited, held);
                    let some = left.min(256);
                    let envelopes: Vec<Blob> =
                        (0..some).map(|_| sender.encrypt(TEXT, random).unwrap().0).collect();
                    let begin = Instant::now();
                    for envelope in &envelopes {
                        black_box(receiver.decrypt(&invited.bob, envelope.as_bytes(), TODAY).unwrap());
                    }
                    spent += begin.elapsed();
                    left -= some;
                }
                spent
            });
        });
    }
    group.finish();
}

/// Returns Alice's session, and Bob's that holds `held` skipped keys (an even number): half of them
/// of a closed turn, half of the open one.
fn holding(invited: &Invited, held: usize) -> (Session, Session) {
    let random = &mut rng(7);
    let (mut alice, mut bob) = invited.established();
    for _ in 0..2 {
        for _ in 0..held / 2 {
            let _ = alice.encrypt(TEXT, random).unwrap();
        }
        let (envelope, _) = alice.encrypt(TEXT, random).unwrap();
        bob.decrypt(&invited.bob, envelope.as_bytes(), TODAY).unwrap();
        if bob.skipped_keys() < held {
            let (answer, _) = bob.encrypt(TEXT, random).unwrap();
            alice.decrypt(&invited.alice, answer.as_bytes(), TODAY).unwrap();
        }
    }
    assert_eq!(bob.skipped_keys(), held);
    (alice, bob)
}

/// Measures sealing and opening one segment, and for comparison one AEAD call and one SHA-256 over
/// the same bytes, the least that each of these must compute.
fn attachments(c: &mut Criterion) {
    let sealer = AttachmentSealer::generate(10 * SEGMENT_LEN as u64, &mut rng(8)).unwrap();
    let manifest = Manifest::new(sealer.key().duplicate(), 10 * SEGMENT_LEN as u64, HASH).unwrap();
    let bytes = vec![7; SEGMENT_LEN];
    let sealed = sealer.seal(0, &bytes).unwrap().blob.into_bytes();
    let alone = aead::seal(&[1; 32], &[2; 12], b"ad", &bytes);
    let mut group = c.benchmark_group("attachment");
    group.bench_function("seal 64 KiB", |b| b.iter(|| black_box(sealer.seal(0, &bytes).unwrap())));
    group.bench_function("seal 64 KiB: its primitives alone", |b| {
        b.iter(|| {
            black_box(sha256(&[&bytes]));
            black_box(aead::seal(&[1; 32], &[2; 12], b"ad", &bytes))
        });
    });
    group.bench_function("open 64 KiB", |b| {
        b.iter_batched_ref(
            || sealed.clone(),
            |sealed| black_box(manifest.open(0, sealed).unwrap().hash),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("open 64 KiB: its primitives alone", |b| {
        b.iter_batched_ref(
            || alone.clone(),
            |sealed| {
                let (body, tag) = sealed.split_last_chunk_mut().unwrap();
                aead::open_in_place(&[1; 32], &[2; 12], b"ad", body, tag).unwrap();
                black_box(sha256(&[body]))
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn safety_number(c: &mut Criterion) {
    let Invited { alice, bob, .. } = invited();
    c.bench_function("safety number", |b| {
        b.iter(|| SafetyNumber::new(alice.identity_key().hash(), bob.identity_key().hash()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = handshake, messages, hostile, attachments, safety_number
}
criterion_main!(benches);
