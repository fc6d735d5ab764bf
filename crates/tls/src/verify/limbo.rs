//! The cases of x509-limbo (<https://x509-limbo.com>) for certificates of servers. They are not
//! part of this tree: `X509_LIMBO` names the file `limbo.json`, and `scripts/limbo` runs this test.
//!
//! Left out are cases for certificates of clients, and those that need what no caller can ask for:
//! a list of revoked certificates, or a maximum length of the chain.

use super::*;
use crate::provider::provider;
use serde_json::Value;
use std::collections::BTreeMap;

/// Features, as `limbo.json` names them, whose cases are left out.
const LEFT_OUT: [&str; 2] = ["has-crl", "max-chain-depth"];

/// A reason for which this crate judges otherwise than the file expects, and the ids of the cases.
type Exemption = (&'static str, &'static [&'static str]);

/// Cases whose chain is accepted although the file expects a refusal.
const ACCEPTED: &[Exemption] = &[
    (
        "A root is trusted for its name and key; its other fields are not read (RFC 5280 section 6.1.1)",
        &[
            "rfc5280::ski::root-missing-ski",
            "rfc5280::validity::expired-root",
            "rfc5280::unknown-critical-extension-root",
            "rfc5280::root-missing-basic-constraints",
            "rfc5280::root-non-critical-basic-constraints",
            "rfc5280::root-inconsistent-ca-extensions",
            "webpki::aki::root-with-aki-missing-keyidentifier",
            "webpki::aki::root-with-aki-authoritycertissuer",
            "webpki::aki::root-with-aki-authoritycertserialnumber",
            "webpki::aki::root-with-aki-all-fields",
            "webpki::aki::root-with-aki-ski-mismatch",
            "webpki::eku::root-has-eku",
            "webpki::forbidden-rsa-not-divisible-by-8-in-root",
        ],
    ),
    (
        "A form that certificates should have, and on which no trust rests",
        &[
            "rfc5280::aki::critical-aki",
            "rfc5280::aki::leaf-missing-aki",
            "rfc5280::aki::intermediate-missing-aki",
            "rfc5280::aki::cross-signed-root-missing-aki",
            "rfc5280::nc::permitted-dns-match-noncritical",
            "rfc5280::nc::not-allowed-in-ee-noncritical",
            "rfc5280::nc::not-allowed-in-ee-critical",
            "rfc5280::pc::ica-noncritical-pc",
            "rfc5280::san::noncritical-with-empty-subject",
            "rfc5280::serial::too-long",
            "rfc5280::serial::zero",
            "rfc5280::ski::critical-ski",
            "rfc5280::ski::intermediate-missing-ski",
            "rfc5280::ca-empty-subject",
            "rfc5280::leaf-ku-keycertsign",
            "webpki::eku::ee-critical-eku",
            "webpki::nc::intermediate-permitted-excluded-subtrees-both-null",
            "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences",
            "webpki::san::san-critical-with-nonempty-subject",
            "webpki::malformed-aia",
        ],
    ),
    (
        "The common name is never read: a name counts only as a subject alternative name",
        &[
            "webpki::cn::ipv4-hex-mismatch",
            "webpki::cn::ipv4-leading-zeros-mismatch",
            "webpki::cn::ipv6-uppercase-mismatch",
            "webpki::cn::ipv6-uncompressed-mismatch",
            "webpki::cn::ipv6-non-rfc5952-mismatch",
            "webpki::cn::punycode-not-in-san",
            "webpki::cn::utf8-vs-punycode-mismatch",
            "webpki::cn::not-in-san",
            "webpki::cn::case-mismatch",
        ],
    ),
    (
        "A purpose is compared only if the certificate has one",
        &["webpki::eku::ee-anyeku", "webpki::eku::ee-without-eku"],
    ),
    (
        "There is no list of public suffixes",
        &[
            "webpki::san::public-suffix-multi-label-wildcard-san",
            "webpki::san::public-suffix-private-namespace-wildcard-san",
        ],
    ),
    (
        "A name that no server can have, or that the client did not ask for",
        &["rfc5280::nc::invalid-dnsname-leading-period", "rfc5280::san::underscore-dns"],
    ),
    (
        "A key with which no signature of the handshake verifies, or a length that is only unusual",
        &[
            "webpki::forbidden-p192-leaf",
            "webpki::forbidden-dsa-leaf",
            "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        ],
    ),
];

/// Cases whose chain is refused although the file expects that it is accepted.
const REFUSED: &[Exemption] = &[
    (
        "A certificate of an authority is not that of a server",
        &["pathlen::validation-ignores-pathlen-in-leaf", "rfc5280::ca-as-leaf"],
    ),
    (
        "A certificate that an authority issued to itself counts for the length of the chain and for names",
        &["pathlen::self-issued-certs-pathlen", "rfc5280::nc::permitted-self-issued"],
    ),
    ("The case asks for no name of a host", &["rfc5280::nc::permitted-dn-match"]),
];

/// Whether the case `id` is in one of the exemptions.
fn has_exemption(exemptions: &[Exemption], id: &str) -> bool {
    exemptions.iter().any(|(_, ids)| ids.contains(&id))
}

/// Reads a time such as `2024-01-01T00:00:00+00:00`; returns the present for null.
fn time(text: &Value) -> UnixTime {
    let Some(text) = text.as_str() else { return UnixTime::now() };
    let parts: Vec<u16> = text[..19].split(['-', 'T', ':']).map(|part| part.parse().unwrap()).collect();
    let [month, day, hour, minute, second] = [1, 2, 3, 4, 5].map(|at| u8::try_from(parts[at]).unwrap());
    let time = der::DateTime::new(parts[0], month, day, hour, minute, second).unwrap();
    UnixTime::since_unix_epoch(time.unix_duration())
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Verifies the chain of one case as a client does that trusts the case's roots.
fn verify(case: &Value) -> Result<(), String> {
    let fault = |error: &dyn std::fmt::Debug| format!("{error:?}");
    let roots =
        Roots::from_pem(texts(&case["trusted_certs"]).concat().as_bytes()).map_err(|error| fault(&error))?;
    let verifier = verifier(&Verify::Roots(roots), &provider()).map_err(|error| fault(&error))?;
    let certificate =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| fault(&error));
    let leaf = certificate(case["peer_certificate"].as_str().unwrap())?;
    let between = texts(&case["untrusted_intermediates"])
        .into_iter()
        .map(certificate)
        .collect::<Result<Vec<_>, _>>()?;
    let name = case["expected_peer_name"]["value"].as_str().ok_or("no name")?;
    let name = ServerName::try_from(name).map_err(|error| fault(&error))?;
    let verified = verifier.verify_server_cert(&leaf, &between, &name, &[], time(&case["validation_time"]));
    verified.map(drop).map_err(|error| fault(&error))
}

#[test]
fn chains_are_judged_as_x509_limbo_expects() {
    let Some(path) = std::env::var_os("X509_LIMBO") else {
        return eprintln!("SKIPPED: X509_LIMBO does not name the file limbo.json");
    };
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut checked, mut wrong) = (BTreeMap::<&str, u32>::new(), Vec::new());
    for case in file["testcases"].as_array().unwrap() {
        let features = texts(&case["features"]);
        if case["validation_kind"] != "SERVER" || features.iter().any(|feature| LEFT_OUT.contains(feature)) {
            continue;
        }
        let (id, expected) = (case["id"].as_str().unwrap(), case["expected_result"].as_str().unwrap());
        *checked.entry(expected).or_default() += 1;
        let (exempt, result) = match (expected, verify(case)) {
            ("SUCCESS", Ok(())) | ("FAILURE", Err(_)) => {
                let is_exempt = [ACCEPTED, REFUSED].iter().any(|list| has_exemption(list, id));
                assert!(!is_exempt, "{id} is judged as expected: remove its exemption");
                continue;
            }
            ("SUCCESS", Err(error)) => (REFUSED, error),
            (_, result) => (ACCEPTED, format!("{result:?}")),
        };
        if !has_exemption(exempt, id) {
            wrong.push(format!("{id}: expected {expected}, {result} ({features:?})"));
        }
    }
    let [accepted, refused] =
        [ACCEPTED, REFUSED].map(|list| list.iter().map(|(_, ids)| ids.len()).sum::<usize>());
    println!("checked: {checked:?}; accepted for a reason: {accepted}, refused for a reason: {refused}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked.values().all(|count| *count >= 30) && checked.len() == 2, "{checked:?}");
}
