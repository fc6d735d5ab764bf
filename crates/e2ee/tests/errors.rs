//! Every error says what to do in words of its own, and holds nothing else.
#![allow(missing_docs)]

use deaddrop_e2ee::{
    LoadError,
    attachment::{AttachmentTooLong, BadSegment, SegmentError, VerifyError},
    contact::{AddError, AgreeError, ResetError, SafetyNumberDiffers},
    content::{ContentError, TooLong},
    identity::{BadIdentity, WordsError},
    invite::{AcceptError, AddressTooLong, BadBundleKey, BundleError, LinkError},
    session::{DecryptError, EncryptError},
};
use std::collections::BTreeSet;

#[test]
fn each_says_what_to_do_in_words_of_its_own() {
    let all: Vec<Box<dyn core::error::Error>> = vec![
        Box::new(AcceptError::Junk),
        Box::new(AcceptError::Expired),
        Box::new(AcceptError::Own),
        Box::new(AcceptError::Blocked),
        Box::new(AcceptError::PeerMisbehaved),
        Box::new(AddressTooLong),
        Box::new(AgreeError),
        Box::new(AttachmentTooLong),
        Box::new(BadBundleKey),
        Box::new(BadIdentity),
        Box::new(BadSegment),
        Box::new(BundleError::NotThisBundle),
        Box::new(BundleError::Unsupported),
        Box::new(BundleError::Expired),
        Box::new(BundleError::Own),
        Box::new(BundleError::BadKey),
        Box::new(BundleError::OtherPerson),
        Box::new(ContentError::Malformed),
        Box::new(ContentError::NeedsNewerVersion),
        Box::new(DecryptError::Junk),
        Box::new(DecryptError::Duplicate),
        Box::new(DecryptError::InviteContested),
        Box::new(DecryptError::PeerRewound),
        Box::new(EncryptError::TooLong),
        Box::new(EncryptError::TurnFull),
        Box::new(EncryptError::Corrupt),
        Box::new(EncryptError::NoSession),
        Box::new(LinkError::NotALink),
        Box::new(LinkError::Truncated),
        Box::new(LinkError::NewerVersion),
        Box::new(LinkError::Damaged),
        Box::new(LoadError::NewerVersion),
        Box::new(LoadError::Corrupt),
        Box::new(AddError::OtherPerson),
        Box::new(AddError::Known),
        Box::new(ResetError::NoBundle),
        Box::new(ResetError::NoProof),
        Box::new(ResetError::TooSoon),
        Box::new(SafetyNumberDiffers),
        Box::new(SegmentError::NoSuchSegment),
        Box::new(SegmentError::WrongLength),
        Box::new(TooLong),
        Box::new(VerifyError::Incomplete),
        Box::new(VerifyError::BadAttachment),
        Box::new(WordsError::Count),
        Box::new(WordsError::Unknown(7)),
        Box::new(WordsError::Checksum),
    ];
    let texts: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len(), "two errors say the same");
    for text in &texts {
        assert!(text.len() > 20 && text.len() < 160 && text.contains(' '), "{text}");
        assert!(text.contains([';', ',']), "what happened, and what to do: {text}");
        assert!(!text.ends_with('.'), "{text}");
    }
    // The one that the peer's software is at fault for reads the same wherever it is met.
    assert_eq!(DecryptError::PeerMisbehaved.to_string(), AcceptError::PeerMisbehaved.to_string());
}
