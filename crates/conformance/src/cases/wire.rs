//! Records with one item of every type, growth, and a refusal for each check; blobs and relay addresses.

use super::family::Family;
use crate::{json::Object, vector::Case};
use deaddrop_wire::{
    Blob, ClientToken, Day, Item, MailboxId, OwnId, PresentedOwn, PresentedRead, PresentedSend, RelayUrl,
    SendId, SizeClass, encode_items,
    item::{
        About, AboutText, Ack, AckEntry, Acked, Answer, AnswerCode, CaughtUp, Create, CreateFlags, Delete,
        Deliver, Displaced, Error, ErrorCode, GoAway, Gone, Grant, Hello, LeaseClass, Moved, Ping, Pong, Put,
        QuotaClass, Rekey, RelayHello, Renew, Revoke, SendGrant, Subscribe, Subscribed, Subscription,
        Unsubscribe, Window,
    },
};

fn raw(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&kind.to_le_bytes()[..], &[flags], &len[..3], body].concat()
}

fn blob(class: SizeClass) -> Blob {
    Blob::new(vec![0xee; class.bytes()]).expect("a class")
}

/// Returns one sample item of every type, with its name.
pub(super) fn samples() -> Vec<(&'static str, Item)> {
    let own = || PresentedOwn::from_bytes([0xa1; 32]);
    let mailbox = MailboxId::from_bytes([0xb2; 32]);
    let send = SendId::from_bytes([0xb3; 32]);
    let hello = Hello {
        features: 1 << 40,
        ping_s: 45,
        window_blobs: 64,
        window_bytes: 1_048_576,
        client: ClientToken::from_bytes([0xc1; 16]),
        relay: None,
    };
    let relay = RelayHello {
        day: Day::from_number(super::world::TODAY),
        max_subscriptions: 16_384,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: true,
    };
    let acks = vec![
        AckEntry { sub: 1, upto: 300, also: vec![302, 305] },
        AckEntry { sub: 70_000, upto: 0, also: vec![] },
    ];
    let create = Create {
        req: 1,
        own: OwnId::from_bytes([0xb1; 32]),
        read: mailbox,
        sends: vec![SendGrant { send, via: 7 }, SendGrant { send: SendId::from_bytes([0xb4; 32]), via: 255 }],
        lease: LeaseClass::Quarter,
        quota: QuotaClass::Usual,
        flags: CreateFlags::FIXED.and(CreateFlags::VOLATILE),
        token: vec![0xd1, 0xd2].into(),
    };
    let mailboxes = vec![
        Subscription { sub: 1, read: PresentedRead::from_bytes([0xa2; 32]) },
        Subscription { sub: 128, read: PresentedRead::from_bytes([0xa4; 32]) },
    ];
    let put = |class| Put { req: 300, send: PresentedSend::from_bytes([0xa3; 32]), blob: blob(class) };
    vec![
        ("hello-client", hello.into()),
        (
            "hello-relay",
            Hello { relay: Some(relay), client: ClientToken::from_bytes([0; 16]), ..hello }.into(),
        ),
        ("create", create.into()),
        ("grant", Grant { req: 2, own: own(), send, via: 8 }.into()),
        ("revoke", Revoke { req: 3, own: own(), send }.into()),
        ("renew", Renew { req: 4, own: own() }.into()),
        ("delete", Delete { req: 5, own: own() }.into()),
        ("rekey", Rekey { req: 6, own: own(), read: mailbox }.into()),
        ("put-small", put(SizeClass::Small).into()),
        ("put-medium", put(SizeClass::Medium).into()),
        ("put-large", put(SizeClass::Large).into()),
        ("subscribe", Subscribe { req: 7, mailboxes }.into()),
        ("unsubscribe", Unsubscribe { req: 8, subs: vec![1, 128] }.into()),
        ("subscribed", Subscribed { req: 7, refused: vec![128], contended: vec![1, 2] }.into()),
        ("deliver", Deliver { sub: 1, tag: 129, via: 7, blob: blob(SizeClass::Medium) }.into()),
        ("ack", Ack { acks: acks.clone() }.into()),
        ("caught-up", CaughtUp { req: 7 }.into()),
        ("displaced", Displaced { sub: 1 }.into()),
        ("gone", Gone { sub: 128 }.into()),
        ("acked", Acked { acks }.into()),
        ("ping", Ping { nonce: u32::MAX }.into()),
        ("pong", Pong { nonce: 0 }.into()),
        ("go-away", GoAway { within_s: 60 }.into()),
        ("window", Window { blobs: 16, bytes: 65_536 }.into()),
        ("moved", Moved { url: RelayUrl::new("wss://new.example:8443/drop/").expect("a URL") }.into()),
        ("about", About { req: 9 }.into()),
        ("about-text", AboutText { req: 9, json: r#"{"version":"1.0.0"}"#.into() }.into()),
        ("error", Error { code: ErrorCode::Unsupported, kind: 0x77 }.into()),
        ("answer", Answer { req: 300, code: AnswerCode::Busy, retry_s: 900 }.into()),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("wire");
    for (name, item) in samples() {
        let plaintext = encode_items(&[item]).expect("short");
        f.add(
            "decode-record",
            &format!("item-{name}"),
            "One item.",
            Object::new().hex("plaintext", plaintext),
        );
    }
    growth(&mut f);
    refusals(&mut f);
    addresses(&mut f);
    f.cases
}

fn growth(f: &mut Family) {
    let mut take = |name: &str, comment: &str, plaintext: Vec<u8>| {
        f.add("decode-record", name, comment, Object::new().hex("plaintext", plaintext));
    };
    let ping = raw(0x50, 0, &[1]);
    take("empty", "Nothing but padding.", vec![0; 512]);
    take("padded", "Two items and padding.", [&ping[..], &ping, &[0; 498]].concat());
    take("short-padding", "Fewer bytes of padding than a header has.", [&ping[..], &[0; 5]].concat());
    take("appended-field", "What follows the known fields is ignored.", raw(0x50, 0, &[1, 2, 3]));
    take("unknown", "An unknown item is skipped.", [&raw(0x1234, 0, b"??")[..], &ping].concat());
    take(
        "unknown-critical",
        "An unknown critical item is answered.",
        [&raw(0x1234, 1, b"??")[..], &ping].concat(),
    );
    take("critical-known", "The flag of a known type is not looked at.", raw(0x50, 1, &[1]));
    let put = [&[7][..], &[0xa3; 32], &[3], b"a class of the future"].concat();
    take("put-unknown-class", "A put of an unknown class is answered.", raw(0x20, 1, &put));
    take("codes-unknown", "Unknown codes are kept.", raw(0x5f, 0, &[1, 0xff, 0xff, 3, 0]));
    take("most-items", "1,024 items.", raw(0x1234, 0, &[]).repeat(1_024));
}

fn refusals(f: &mut Family) {
    let mut refused = |name: &str, comment: &str, plaintext: Vec<u8>| {
        f.add(
            "decode-record",
            &format!("refused-{name}"),
            comment,
            Object::new().hex("plaintext", plaintext),
        );
    };
    let ping = raw(0x50, 0, &[1]);
    refused("w-01-long", "W-01: 264,193 bytes.", vec![0; 264_193]);
    refused("w-02-items", "W-02: 1,025 items.", raw(0x1234, 0, &[]).repeat(1_025));
    refused("w-03-flags", "W-03: bit 1 of the flags.", raw(0x50, 2, &[1]));
    refused("w-03-flags-unknown", "W-03: bit 7 of the flags of an unknown item.", raw(0x1234, 0x80, &[]));
    refused("w-04-item", "W-04: an item ends beyond the record.", raw(0x1234, 0, b"abc")[..8].to_vec());
    refused("w-05-field", "W-05: a body without its last field.", raw(0x5f, 0, &[1, 0]));
    refused(
        "w-05-bytes",
        "W-05: 31 bytes of a presented right.",
        raw(0x13, 1, &[[1].as_slice(), &[9; 31]].concat()),
    );
    refused(
        "w-05-blob",
        "W-05: a blob without its last byte.",
        raw(0x40, 0, &[&[1, 1, 1, 0][..], &[0xee; 4_095]].concat()),
    );
    refused("w-05-list", "W-05: three entries said, two there.", raw(0x31, 1, &[1, 3, 1, 1]));
    let mut hello = vec![0, 0, 0, 0];
    hello.extend_from_slice(&[0; 16]);
    hello.push(2);
    refused("w-06-presence", "W-06: a presence byte of 2.", raw(0x01, 1, &hello));
    refused("w-07-long-form", "W-07: zero in two bytes.", raw(0x50, 0, &[0x80, 0]));
    refused("w-07-range", "W-07: 2^32 as u32.", raw(0x50, 0, &[0x80, 0x80, 0x80, 0x80, 0x10]));
    refused("w-07-range-u16", "W-07: 65,536 as u16.", raw(0x52, 0, &[0x80, 0x80, 0x04]));
    refused("w-08-list", "W-08: 4,097 entries.", raw(0x31, 1, &[&[1, 0x81, 0x20][..], &[1; 4_097]].concat()));
    refused(
        "w-08-sends",
        "W-08: five sends in Create.",
        raw(0x10, 1, &[&[1][..], &[0xb1; 64], &[5], &[9; 165], &[0; 4]].concat()),
    );
    refused(
        "w-08-huge",
        "W-08: four thousand million entries.",
        raw(0x31, 1, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    );
    let full = raw(0x31, 1, &[&[1, 0x80, 0x20][..], &[1; 4_096]].concat());
    let five = full.repeat(5);
    refused("w-08-together", "W-08: five lists of 4,096 entries in one record.", five);
    refused("w-12-padding", "W-12: a byte behind the padding.", [&ping[..], &[0; 100], &[1]].concat());
    refused("w-12-short", "W-12: five bytes that are not zero.", [&ping[..], &[0, 0, 0, 0, 1]].concat());
    refused("w-13-class", "W-13: a delivery of an unknown class.", raw(0x40, 0, &[1, 1, 1, 3]));
    refused("w-08-url", "W-08: a URL of 447 bytes.", raw(0x54, 0, &[&[0xbf, 3][..], &[b'a'; 447]].concat()));
    refused("w-14-url", "W-14: a new URL without a path.", raw(0x54, 0, b"\x0cwss://a.ex:1"));
    refused("w-14-empty", "W-14: no new URL.", raw(0x54, 0, &[0]));
    refused("w-14-text", "W-14: a new URL that is not UTF-8.", raw(0x54, 0, b"\x07ws://\xff/"));
    refused("w-15-text", "W-15: a description that is not UTF-8.", raw(0x56, 0, &[9, 2, b'{', 0xff]));
    refused(
        "w-08-about",
        "W-08: a description of 4,097 bytes.",
        raw(0x56, 0, &[&[9, 0x81, 0x20][..], &[b' '; 4_097]].concat()),
    );

    for (name, len) in [("small", 4_096), ("medium", 16_384), ("large", 65_536)] {
        let input = Object::new().hex("bytes", vec![0xee; len]);
        f.add("take-blob", &format!("blob-{name}"), "A blob of a class.", input);
    }
    for (name, len) in [("one-less", 4_095), ("one-more", 65_537), ("none", 0)] {
        let input = Object::new().hex("bytes", vec![0xee; len]);
        f.add("take-blob", &format!("refused-w-09-{name}"), "W-09: the length of no class.", input);
    }
}

fn addresses(f: &mut Family) {
    const FINGERPRINT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let mut parse = |name: &str, comment: &str, text: &str| {
        f.add("parse-relay-address", name, comment, Object::new().with("text", text));
    };
    for (name, url) in [
        ("loopback", "ws://127.0.0.1:4711/"),
        ("tls", "wss://relay.example/"),
        ("path", "wss://relay.example:8443/drop/box-1/"),
        ("ipv6", "ws://[2001:db8::1]:80/"),
    ] {
        parse(&format!("address-{name}"), "A relay's address.", &format!("{url}#{FINGERPRINT}"));
    }
    for (name, url) in [
        ("scheme", "http://relay.example/"),
        ("upper-case", "wss://Relay.example/"),
        ("no-path", "wss://relay.example"),
        ("path-end", "wss://relay.example/drop"),
        ("port-zero", "ws://relay.example:0/"),
        ("port-range", "ws://relay.example:65536/"),
        ("port-leading-zero", "ws://relay.example:080/"),
        ("user", "ws://me@relay.example/"),
        ("query", "ws://relay.example/?a"),
        ("percent", "ws://relay.example/%41"),
        ("ipv4", "ws://1.2.3.256/"),
        ("ipv6-long-form", "ws://[2001:db8:0::1]/"),
        ("label", "ws://-relay.example/"),
    ] {
        parse(
            &format!("refused-w-10-{name}"),
            "W-10: not the accepted form.",
            &format!("{url}#{FINGERPRINT}"),
        );
    }
    let long = format!("ws://relay.example/{}#{FINGERPRINT}", "a".repeat(427) + "/");
    parse("refused-w-10-long", "W-10: a URL of 447 bytes.", &long);
    let url = "wss://relay.example/";
    parse("refused-w-11-none", "W-11: no fingerprint.", url);
    parse("refused-w-11-short", "W-11: 42 characters.", &format!("{url}#{}", &FINGERPRINT[1..]));
    parse("refused-w-11-padded", "W-11: padded base64.", &format!("{url}#{FINGERPRINT}="));
    parse("refused-w-11-bits", "W-11: an unused bit is set.", &format!("{url}#{}9", &FINGERPRINT[..42]));
    parse(
        "refused-w-11-alphabet",
        "W-11: a character of ordinary base64.",
        &format!("{url}#+{}", &FINGERPRINT[1..]),
    );
}
