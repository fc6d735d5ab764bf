//! Cost of a link: the handshake on each side, sealing and opening a record with one 4 KiB blob.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use deaddrop_link::{
    ClientFinished, ClientHandshake, ClientHello, ClientStep, RelayHandshake, RelayIdentity, RelaySeed,
};
use deaddrop_testkit::rng;
use deaddrop_wire::{
    Blob, ClientToken, Item, Offer, PresentedSend, SizeClass,
    item::{Hello, Put},
};
use std::hint::black_box;

fn finish(step: ClientStep) -> ClientFinished {
    match step {
        ClientStep::Finished(finished) => finished,
        ClientStep::Again(..) => panic!("no retry was asked for"),
    }
}

fn greeting() -> Hello {
    let client = ClientToken::from_bytes([5; 16]);
    Hello { features: 0, ping_s: 45, window_blobs: 64, window_bytes: 1 << 20, client, relay: None }
}

fn handshake(c: &mut Criterion) {
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]));
    let mut rng = rng(1);
    let offer = Offer::v1();
    let mut group = c.benchmark_group("handshake");
    group.bench_function("client start (C1)", |b| {
        b.iter(|| ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng));
    });
    let (_, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng);
    group.bench_function("relay parse C1", |b| b.iter(|| ClientHello::parse(black_box(&c1)).unwrap()));
    group.bench_function("relay answer (S1)", |b| {
        let hello = ClientHello::parse(&c1).unwrap();
        b.iter(|| RelayHandshake::answer(&identity, &offer, &hello, &mut rng).unwrap());
    });
    let mut other = deaddrop_testkit::rng(2);
    group.bench_function("client finish (C2)", |b| {
        b.iter_batched(
            || {
                let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng);
                let hello = ClientHello::parse(&c1).unwrap();
                (client, RelayHandshake::answer(&identity, &offer, &hello, &mut rng).unwrap().1)
            },
            |(client, s1)| finish(client.on_message(&s1, &greeting(), &mut other).unwrap()),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("relay finish", |b| {
        b.iter_batched(
            || {
                let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng);
                let hello = ClientHello::parse(&c1).unwrap();
                let (relay, s1) = RelayHandshake::answer(&identity, &offer, &hello, &mut rng).unwrap();
                (relay, finish(client.on_message(&s1, &greeting(), &mut rng).unwrap()).c2)
            },
            |(relay, c2)| relay.on_c2(&identity, &c2).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn records(c: &mut Criterion) {
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]));
    let mut rng = rng(1);
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng);
    let hello = ClientHello::parse(&c1).unwrap();
    let (relay, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut rng).unwrap();
    let client = finish(client.on_message(&s1, &greeting(), &mut rng).unwrap());
    let (mut relay, _) = relay.on_c2(&identity, &client.c2).unwrap();
    let first = relay.seal(&[greeting().into()]).unwrap();
    let (client, _) = client.link.on_first_record(&first[0]).unwrap();
    let (mut seal, _) = client.split();
    let (_, mut open) = relay.split();
    let blob = Blob::new(vec![7; SizeClass::Small.bytes()]).unwrap();
    let put = [Item::from(Put { req: 1, send: PresentedSend::from_bytes([1; 32]), blob })];

    let mut group = c.benchmark_group("record of one 4 KiB put");
    // Both directions must stay in step: sealing and opening are timed separately over the same stream.
    group.bench_function("seal and open", |b| {
        b.iter(|| {
            let mut records = seal.seal(black_box(&put)).unwrap();
            open.open_in_place(&mut records[0]).unwrap()
        });
    });
    group.bench_function("seal", |b| {
        b.iter_custom(|rounds| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..rounds {
                let start = std::time::Instant::now();
                let mut records = seal.seal(black_box(&put)).unwrap();
                spent += start.elapsed();
                open.open_in_place(&mut records[0]).unwrap();
            }
            spent
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2));
    targets = handshake, records
}
criterion_main!(benches);
