//! Capabilities at a relay, and mailbox addresses.

use super::family::Family;
use crate::{json::Object, random::Recorder, vector::Case};

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("capabilities");
    let mut r = Recorder::new(80);
    let (secret, here, there): ([u8; 32], [u8; 32], [u8; 32]) = (r.bytes(), r.bytes(), r.bytes());
    for role in ["own", "read", "send"] {
        for (place, fingerprint) in [("here", here), ("there", there)] {
            let input =
                Object::new().with("role", role).hex("secret", secret).hex("fingerprint", fingerprint);
            let comment = "One secret, three roles, two relays: six values that have nothing in common.";
            f.add("present", &format!("{role}-{place}"), comment, input);
        }
    }
    for (place, fingerprint) in [("here", here), ("there", there)] {
        let input = Object::new().hex("secret", secret).hex("fingerprint", fingerprint);
        let comment = "One secret, two relays: two tokens that have nothing in common.";
        f.add("derive-client-token", &format!("client-token-{place}"), comment, input);
    }
    let address = |url: &str| format!("{url}#{}", super::content::base64url(&here));
    for (name, url) in [("short", "ws://a/".to_owned()), ("longest", format!("ws://a/{}/", "x".repeat(438)))]
    {
        let input = Object::new().with("relay", address(&url)).hex("send", secret);
        f.add("encode-mailbox-address", &format!("address-{name}"), "A mailbox address.", input);
    }
    let bytes = |url: &[u8], len: u16| [&here[..], &secret, &len.to_le_bytes(), url].concat();
    let mut decode = |name: &str, comment: &str, bytes: Vec<u8>| {
        f.add("decode-mailbox-address", name, comment, Object::new().hex("bytes", bytes));
    };
    decode("address-decode", "And back.", bytes(b"wss://relay.example/", 20));
    decode("refused-k-18-short", "K-18: the URL lacks a byte.", bytes(b"wss://relay.example/", 21));
    decode("refused-k-18-trailing", "K-18: a byte behind the URL.", bytes(b"wss://relay.example//", 20));
    decode("refused-k-18-url", "K-18: the URL is none of a relay.", bytes(b"http://relay.example/", 21));
    decode("refused-k-18-utf-8", "K-18: the URL is not UTF-8.", bytes(&[0xff; 7], 7));
    decode("refused-k-18-cut", "K-18: 65 bytes.", vec![1; 65]);
    f.cases
}
