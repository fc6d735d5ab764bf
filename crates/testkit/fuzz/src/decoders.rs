//! The decoders of bytes on their own: each has an answer for any bytes, and one encoding for each value.

use super::{input::Input, scenes};
use deaddrop_e2ee::{
    content::{self as codec, Content},
    hazmat,
    identity::{IDENTITY_KEY_LEN, IdentityKey},
    invite::{BundleError, InviteLink, InviteSecret, PendingInvite, VerifiedBundle},
};
use deaddrop_link::MailboxAddress;
use deaddrop_wire::{RelayAddress, decode_items, encode_items};

pub fn content(data: &[u8]) {
    let Ok(items) = codec::decode(data) else { return };
    let encoded = codec::encode(&items).expect("what decodes is within the limits");
    assert!(codec::decode(&encoded).as_ref() == Ok(&items));
    if encoded.len() == data.len() {
        // No unknown item was left out: except for the flags, which say nothing of known items, the bytes are the same.
        let mut flagless = data.to_vec();
        let mut at = 0;
        while at < encoded.len() {
            flagless[at + 2] = encoded[at + 2];
            let [a, b, c] = encoded[at + 3..at + 6].try_into().unwrap();
            at += 6 + u32::from_le_bytes([a, b, c, 0]) as usize;
        }
        assert_eq!(flagless, *encoded);
    }
    for item in &items {
        match item {
            Content::Text { number, text, .. } => assert!(*number > 0 && text.len() <= codec::MAX_TEXT),
            Content::DeliveryReceipt { low_water, sparse, .. } => {
                assert!(sparse.len() <= codec::MAX_SPARSE);
                assert!(sparse.first().is_none_or(|first| first > low_water));
                assert!(sparse.is_sorted_by(|a, b| a < b));
            }
            Content::MailboxMove { number, address, .. } => {
                assert!(*number > 0 && address.len() <= codec::MAX_ADDRESS);
            }
            Content::Hello { address } => assert!(address.len() <= codec::MAX_ADDRESS),
            _ => {}
        }
    }
}

/// Runs the target `bundle`: opens a body made from the input, signed with a known identity and
/// sealed under its own hash, so that the input reaches the checks behind the seal.
pub fn bundle(data: &[u8]) {
    let mut input = Input(data);
    let world = scenes::people();
    let mode = input.u8();
    let signer = if mode & 1 == 0 { &world.responder } else { &world.initiator };
    let expected = (mode & 2 != 0).then(|| world.responder.identity_key().hash());
    let mut body = world.bundle_body.clone();
    input.change(&mut body);
    if mode & 4 != 0 {
        body.truncate(usize::from(input.u16()));
    }
    body.extend_from_slice(input.rest());
    body.truncate(4_000);
    let Some((secret, mut blob)) = hazmat::seal_bundle(signer, &body, &[7; 12]) else { return };
    let secret = InviteSecret::from_bytes(secret);
    let own = world.initiator.identity_key().hash();
    let open = |blob: &[u8]| VerifiedBundle::open(&secret, blob, own, expected, scenes::TODAY);
    match open(&blob) {
        Ok(bundle) => {
            assert!(bundle.not_after() >= scenes::TODAY);
            // An owner of a signing key can put other keys beside it: another hash, another person.
            let signed_by = &signer.identity_key().as_bytes()[..32];
            assert_eq!(&bundle.identity().as_bytes()[..32], signed_by);
            assert!(expected.is_none_or(|expected| bundle.identity().hash() == expected));
            assert_eq!(body, hazmat_body(&bundle, &body));
        }
        Err(error) => assert!(body != world.bundle_body || mode & 1 != 0, "{error:?}"),
    }
    // The link points to these very bytes.
    if mode & 8 != 0 {
        let at = usize::from(mode) * 13 % blob.len();
        blob[at] ^= 1 << (mode >> 5);
        assert_eq!(open(&blob).err(), Some(BundleError::NotThisBundle));
    }
}

/// Returns the body with the fields that the opened bundle shows written into it: equal to `body`
/// if they were read rightly.
fn hazmat_body(bundle: &VerifiedBundle, body: &[u8]) -> Vec<u8> {
    let mut again = body.to_vec();
    again[2..6].copy_from_slice(&bundle.not_after().number().to_le_bytes());
    again[38..38 + IDENTITY_KEY_LEN].copy_from_slice(bundle.identity().as_bytes());
    let address = bundle.address();
    let at = again.len() - address.len();
    again[at - 2..at].copy_from_slice(&(address.len() as u16).to_le_bytes());
    again[at..].copy_from_slice(address);
    again
}

pub fn identity_key(data: &[u8]) {
    let mut input = Input(data);
    let genuine = scenes::people().initiator.identity_key();
    let mut bytes = *genuine.as_bytes();
    input.change(&mut bytes);
    let over = input.rest();
    let len = over.len().min(bytes.len());
    bytes[..len].copy_from_slice(&over[..len]);
    match IdentityKey::from_bytes(&bytes) {
        Ok(key) => {
            assert_eq!(key.as_bytes(), &bytes);
            assert_eq!(key == *genuine, bytes == *genuine.as_bytes());
        }
        Err(_) => assert_ne!(&bytes, genuine.as_bytes()),
    }
}

pub fn invite_link(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(link) = text.parse::<InviteLink>() {
        let canonical = link.to_text();
        let again: InviteLink = canonical.parse().expect("what was parsed can be written");
        assert_eq!(*again.to_text(), *canonical);
        assert!(again.secret() == link.secret() && again.relay() == link.relay());
        let text = text.trim();
        let same = match text.strip_prefix("http") {
            Some(rest) => format!("deaddrop:ws{rest}"),
            None => text.to_owned(),
        };
        assert_eq!(*canonical, same, "a link has no other forms than these");
    }
}

pub fn pending_invite(data: &[u8]) {
    let mut input = Input(data);
    let mut bytes = scenes::people().pending.clone();
    input.change(&mut bytes);
    if !input.is_empty() {
        bytes.truncate(usize::from(input.u8()));
        bytes.extend_from_slice(input.rest());
    }
    if let Ok(pending) = PendingInvite::from_bytes(&bytes) {
        assert_eq!(*pending.to_bytes(), bytes);
        let _ = pending.accept(
            &scenes::people().responder,
            &scenes::people().first_envelope,
            |_| false,
            scenes::TODAY,
        );
    }
}

pub fn addresses(data: &[u8]) {
    if let Ok(address) = MailboxAddress::decode(data) {
        assert_eq!(address.encode().as_slice(), data);
        assert!(data.len() <= MailboxAddress::MAX_LEN);
    }
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<RelayAddress>() {
        assert_eq!(address.to_string(), text);
        assert!(address.path().starts_with('/') && address.path().ends_with('/'));
        assert!(address.url().len() <= deaddrop_wire::limits::MAX_URL);
        // Any name of a relay can be put into a link, and comes back.
        let link = InviteLink::new(address.clone(), InviteSecret::from_bytes([7; 32])).to_text();
        assert!(*link.parse::<InviteLink>().expect("a link of its own").relay() == address);
        let send = deaddrop_link::capability::SendCapability::from_bytes([9; 32]);
        let mailbox = MailboxAddress { relay: address, send };
        let bytes = mailbox.encode();
        assert!(bytes.len() <= MailboxAddress::MAX_LEN);
        assert!(MailboxAddress::decode(&bytes) == Ok(mailbox));
    }
}

pub fn wire_record(data: &[u8]) {
    let Ok(received) = decode_items(data) else { return };
    let encoded = encode_items(&received.items).expect("what decodes is within the limits");
    let again = decode_items(&encoded).expect("what was encoded decodes");
    assert!(again.items == received.items && again.unsupported.is_empty());
    assert!(encoded.len() <= data.len(), "every item has one encoding");
    for unsupported in received.unsupported {
        encode_items(&[unsupported.answer()]).expect("an answer can be sent");
    }
}
