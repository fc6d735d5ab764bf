//! Items: golden bytes of every type, the same bytes from Postcard, and growth.

use super::*;
use crate::{
    Blob, ClientToken, DecodeError, MailboxId, OwnId, PresentedOwn, PresentedRead, PresentedSend, RelayUrl,
    SendId, SizeClass, decode_items, encode_items,
};
use alloc::{string::String, vec, vec::Vec};

/// Returns one item of every type with every field different from zero.
pub(crate) fn samples() -> Vec<Item> {
    let own = || PresentedOwn::from_bytes([0xa1; 32]);
    let (own_id, read_id) = (OwnId::from_bytes([0xb1; 32]), MailboxId::from_bytes([0xb2; 32]));
    let send = SendId::from_bytes([0xb3; 32]);
    let acks = || {
        vec![
            AckEntry { sub: 1, upto: 300, also: vec![302, 305] },
            AckEntry { sub: 70_000, upto: 0, also: vec![] },
        ]
    };
    let relay = RelayHello {
        day: crate::Day::from_number(20_780),
        max_subscriptions: 16_384,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: true,
    };
    let hello = Hello {
        features: 0x1_0000_0001,
        ping_s: 45,
        window_blobs: 64,
        window_bytes: 1_048_576,
        client: ClientToken::from_bytes([0xc1; 16]),
        relay: None,
    };
    vec![
        hello.into(),
        Hello { relay: Some(relay), ..hello }.into(),
        Create {
            req: 1,
            own: own_id,
            read: read_id,
            sends: vec![SendGrant { send, via: 7 }],
            lease: LeaseClass::Quarter,
            quota: QuotaClass::Usual,
            flags: CreateFlags::FIXED.and(CreateFlags::VOLATILE),
            token: vec![0xd1, 0xd2].into(),
        }
        .into(),
        Grant { req: 2, own: own(), send, via: 8 }.into(),
        Revoke { req: 3, own: own(), send }.into(),
        Renew { req: 4, own: own() }.into(),
        Delete { req: 5, own: own() }.into(),
        Rekey { req: 6, own: own(), read: read_id }.into(),
        Put {
            req: 300,
            send: PresentedSend::from_bytes([0xa3; 32]),
            blob: Blob::new(vec![0xee; SizeClass::Small.bytes()]).unwrap(),
        }
        .into(),
        Subscribe {
            req: 7,
            mailboxes: vec![
                Subscription { sub: 1, read: PresentedRead::from_bytes([0xa2; 32]) },
                Subscription { sub: 128, read: PresentedRead::from_bytes([0xa4; 32]) },
            ],
        }
        .into(),
        Unsubscribe { req: 8, subs: vec![1, 128] }.into(),
        Subscribed { req: 7, refused: vec![128], contended: vec![1, 2] }.into(),
        Deliver { sub: 1, tag: 129, via: 7, blob: Blob::new(vec![0xee; SizeClass::Medium.bytes()]).unwrap() }
            .into(),
        Ack { acks: acks() }.into(),
        CaughtUp { req: 7 }.into(),
        Displaced { sub: 1 }.into(),
        Gone { sub: 128 }.into(),
        Acked { acks: acks() }.into(),
        Ping { nonce: u32::MAX }.into(),
        Pong { nonce: 9 }.into(),
        GoAway { within_s: 60 }.into(),
        Window { blobs: 16, bytes: 65_536 }.into(),
        Moved { url: RelayUrl::new("wss://new.example:8443/drop/").unwrap() }.into(),
        About { req: 9 }.into(),
        AboutText { req: 9, json: r#"{"version":"1.0.0"}"#.into() }.into(),
        Error { code: ErrorCode::Unsupported, kind: 0x77 }.into(),
        Answer { req: 300, code: AnswerCode::Busy, retry_s: 900 }.into(),
    ]
}

/// Returns the bytes as hex digits, with every run of more than 16 equal bytes as `[xx*count]`.
fn text(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|a, b| a == b).map(|run| match run.len() {
        0..17 => hex::encode(run),
        len => alloc::format!("[{:02x}*{len}]", run[0]),
    });
    runs.collect()
}

#[test]
fn every_type_has_its_golden_bytes() {
    const GOLDEN: &str = include_str!("golden.txt");
    let now: String = samples()
        .iter()
        .map(|item| {
            let name = alloc::format!("{item:?}");
            let name = name.split(['(', ' ']).next().unwrap();
            let bytes = encode_items(core::slice::from_ref(item)).unwrap();
            alloc::format!("{:02x} {name} {}\n", item.kind(), text(&bytes))
        })
        .collect();
    assert_eq!(now, GOLDEN, "\n{now}");
}

#[test]
fn every_type_is_among_the_samples_and_round_trips() {
    let samples = samples();
    let mut kinds: Vec<u16> = samples.iter().map(Item::kind).collect();
    kinds.dedup();
    assert_eq!(kinds, Item::KINDS);
    for item in samples {
        let bytes = encode_items(core::slice::from_ref(&item)).unwrap();
        let received = decode_items(&bytes).unwrap();
        assert_eq!(received.items, [item]);
        assert_eq!(received.unsupported, []);
    }
}

#[test]
fn every_truncated_body_is_refused() {
    for item in samples() {
        let bytes = encode_items(core::slice::from_ref(&item)).unwrap();
        let body = bytes.len() - 6;
        for len in (0..body).filter(|len| *len < 200 || *len > body - 8) {
            let mut cut = bytes[..6 + len].to_vec();
            cut[3..6].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes()[..3]);
            assert_eq!(decode_items(&cut), Err(DecodeError::Truncated), "{item:?} cut to {len}");
        }
    }
}

#[test]
fn appended_fields_are_ignored() {
    for item in samples() {
        let mut bytes = encode_items(core::slice::from_ref(&item)).unwrap();
        bytes.extend_from_slice(b"later");
        let len = u32::try_from(bytes.len() - 6).unwrap();
        bytes[3..6].copy_from_slice(&len.to_le_bytes()[..3]);
        assert_eq!(decode_items(&bytes).unwrap().items, [item]);
    }
}

#[test]
fn bodies_are_those_of_postcard() {
    fn same(item: impl Into<Item>, postcard: Result<Vec<u8>, postcard::Error>) {
        let bytes = encode_items(&[item.into()]).unwrap();
        assert_eq!(hex::encode(&bytes[6..]), hex::encode(postcard.unwrap()));
    }
    let (a, b, c) = ([0xb1_u8; 32], [0xb2_u8; 32], [0xb3_u8; 32]);
    let token = vec![1_u8; 200];
    let sends = vec![SendGrant { send: SendId::from_bytes(c), via: 200 }; 3];
    same(
        Create {
            req: 70_000,
            own: OwnId::from_bytes(a),
            read: MailboxId::from_bytes(b),
            sends,
            lease: LeaseClass::Other(200),
            quota: QuotaClass::Few,
            flags: CreateFlags(129),
            token: token.clone().into(),
        },
        postcard::to_allocvec(&(70_000_u32, a, b, vec![(c, 200_u8); 3], 200_u8, 0_u8, 129_u8, token)),
    );
    same(
        Answer { req: u32::MAX, code: AnswerCode::Other(u16::MAX), retry_s: 128 },
        postcard::to_allocvec(&(u32::MAX, u16::MAX, 128_u16)),
    );
    same(
        Ack { acks: vec![AckEntry { sub: 9, upto: 1_000, also: vec![1_002, 5] }; 3] },
        postcard::to_allocvec(&vec![(9_u32, 1_000_u32, vec![1_002_u32, 5]); 3]),
    );
    let hello = Hello {
        features: u64::MAX,
        ping_s: 300,
        window_blobs: 64,
        window_bytes: u32::MAX,
        client: ClientToken::from_bytes([3; 16]),
        relay: None,
    };
    let fields = (u64::MAX, 300_u16, 64_u16, u32::MAX, [3_u8; 16], None::<()>);
    same(hello, postcard::to_allocvec(&fields));
    let relay = RelayHello {
        day: crate::Day::from_number(20_780),
        max_subscriptions: 16_384,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: false,
    };
    let inner = Some((20_780_u32, 16_384_u32, 16_u16, 50_u16, 500_u16, 30_u16, 7_u16, false));
    let fields = (u64::MAX, 300_u16, 64_u16, u32::MAX, [3_u8; 16], inner);
    same(Hello { relay: Some(relay), ..hello }, postcard::to_allocvec(&fields));
    same(
        Subscribe { req: 1, mailboxes: vec![Subscription { sub: 300, read: PresentedRead::from_bytes(a) }] },
        postcard::to_allocvec(&(1_u32, vec![(300_u32, a)])),
    );
}

#[test]
fn codes_are_kept_even_when_unknown() {
    for code in 0..=300 {
        assert_eq!(AnswerCode::from_code(code).code(), code);
        assert_eq!(ErrorCode::from_code(code).code(), code);
    }
    for code in 0..=u8::MAX {
        assert_eq!(LeaseClass::from_code(code).code(), code);
        assert_eq!(QuotaClass::from_code(code).code(), code);
        assert_eq!(LeaseClass::from_code(code).days().is_some(), code < 4);
        assert_eq!(
            QuotaClass::from_code(code).blobs().is_some(),
            QuotaClass::from_code(code).bytes().is_some()
        );
    }
    assert!(CreateFlags(4).has_unknown() && !CreateFlags(3).has_unknown());
}

#[test]
fn nothing_secret_is_printed() {
    let all = alloc::format!("{:?}", samples());
    for bytes in ["[161", "[162", "[163", "[177", "[178", "[179", "[193", "[209", "[238"] {
        assert!(!all.contains(bytes), "{all}");
    }
}

#[test]
fn an_item_is_no_larger_than_a_few_cache_lines() {
    assert!(size_of::<Item>() <= 144, "{}", size_of::<Item>());
}
