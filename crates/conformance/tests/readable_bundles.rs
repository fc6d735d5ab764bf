//! Bundles of invites that one check alone refuses: an acceptor that checks the box, the lengths and the signature takes them. So the
//! vector shows when an implementation leaves another check out (spec/15-conformance.md section 2 names the files).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_conformance::{
    json::{Json, Object},
    runner,
    second::label,
};
use deaddrop_e2ee::hazmat;
use deaddrop_primitives::{aead, ed25519};

/// Offsets in a body: of the identity, and of the length of the address.
const IDENTITY: usize = 38;
const ADDRESS_LEN: usize = IDENTITY + 1_248 + 32 + 1_184;

/// The cases, without `refused-`, in which nothing but the named check is wrong.
const ALONE: [&str; 16] = [
    "c-01-sealed",
    "c-03-signed",
    "c-04-signed",
    "c-05-address-long",
    "c-05-behind",
    "c-06-kind",
    "c-06-suite",
    "c-07-expired",
    "c-09-low-order",
    "c-09-ml-kem",
    "c-09-x25519",
    "c-10-own",
    "c-11-low-order",
    "c-11-ml-kem",
    "c-11-x25519",
    "c-12-other-person",
];

/// Whether a bundle opens, has its fields and is signed by its identity. `behind` is the number of
/// bytes behind the address that the body has too many.
fn is_read(input: &Object, behind: usize) -> bool {
    let keys = hazmat::invite(&input.array("h").unwrap());
    let blob = input.bytes("blob").unwrap();
    let (nonce, sealed) = blob.split_first_chunk().unwrap();
    let Ok(plain) = aead::open(&keys.k_bundle, nonce, &label("invite"), sealed) else { return false };
    let Some(len) = plain[ADDRESS_LEN..].first_chunk() else { return false };
    let end = ADDRESS_LEN + 2 + usize::from(u16::from_le_bytes(*len)) + behind;
    let Some((body, rest)) = plain.split_at_checked(end) else { return false };
    let Some(signature) = rest.first_chunk() else { return false };
    let key = body[IDENTITY..IDENTITY + 32].try_into().unwrap();
    ed25519::verify(key, &[label("bundle"), body.to_vec()].concat(), signature).is_ok()
}

#[test]
fn what_one_check_of_a_bundle_refuses_is_read_without_it() {
    let mut read = Vec::new();
    for (case, text) in runner::all().unwrap() {
        let Some(name) = case.name.strip_prefix("refused-") else { continue };
        let Ok(Json::Object(file)) = Json::parse(&text) else { continue };
        let behind = usize::from(name == "c-05-behind");
        // Two rules are broken, to show the order of the checks.
        if name.contains("-before-") {
            continue;
        }
        if case.operation == "open-bundle" && is_read(file.object("input").unwrap(), behind) {
            read.push(name.to_owned());
        }
    }
    read.sort();
    assert_eq!(read, ALONE);
}
