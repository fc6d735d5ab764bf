//! Bytes to items (spec/06-envelope-and-content.md section 2). Every rule is in [`parse`], which
//! copies nothing.

use super::{
    Content, ContentError, ItemHash, MAX_ADDRESS, StreamId,
    form::{
        ATTACHMENT, CRITICAL, DELIVERY_RECEIPT, DEVICE, HELLO, MAILBOX_MOVE, MAX_ITEMS, MAX_MEDIA_TYPE,
        MAX_NAME, MAX_PLACE, MAX_SPARSE, MAX_TEXT, MESSAGE, NUMBERED, RESET_BUNDLE, SESSION_ERA,
        SHORT_DIGEST_LEN, STREAM_DIGEST, TEXT, VOID, split,
    },
    message::{Core, KnownMessage},
};
use crate::{
    attachment::{AttachmentHash, AttachmentKey, HASH_LEN, MAX_ATTACHMENT},
    bundle::body::MAX_BODY,
    identity::IdentityHash,
};
use alloc::{borrow::ToOwned, vec::Vec};

/// Decodes the content that [`encode`](super::encode) made, in this version or a newer one. Unknown
/// items that are neither critical nor numbered are left out. No bytes give no items.
///
/// # Errors
/// Fails with [`ContentError`].
pub fn decode(bytes: &[u8]) -> Result<Vec<Content>, ContentError> {
    let mut items = Vec::with_capacity(places(bytes));
    for item in Items::of(bytes) {
        items.push(item?.1.into_content());
    }
    Ok(items)
}

/// Does the same as [`decode`], and returns with each item its hash, for the digest of its stream.
///
/// # Errors
/// Fails with [`ContentError`].
pub fn decode_with_hashes(bytes: &[u8]) -> Result<Vec<(Content, ItemHash)>, ContentError> {
    let mut items = Vec::with_capacity(places(bytes));
    for item in Items::of(bytes) {
        let (hash, item) = item?;
        items.push((item.into_content(), ItemHash::of(hash.kind, hash.body)));
    }
    Ok(items)
}

/// Returns an upper bound of the number of items that [`decode`] returns. A list with that capacity
/// never grows, so no copy of a key is left behind.
fn places(bytes: &[u8]) -> usize {
    let heads = core::iter::successors(split(bytes), |(.., rest)| split(rest));
    heads.take(MAX_ITEMS).count()
}

/// The items of a content that a [`Contact`](crate::contact::Contact) itself reads: its last reset
/// bundle and its last era.
#[derive(Default)]
pub(crate) struct ForContact<'a> {
    pub(crate) bundle: Option<&'a [u8]>,
    pub(crate) era: Option<u32>,
}

/// Finds the items that a [`Contact`](crate::contact::Contact) itself reads. The last item of each
/// kind counts; a content that [`decode`] refuses has none. Nothing is copied.
pub(crate) fn for_contact(bytes: &[u8]) -> ForContact<'_> {
    let mut found = ForContact::default();
    for item in Items::of(bytes) {
        match item.map(|(_, item)| item) {
            Ok(Item::ResetBundle(bundle)) => found.bundle = Some(bundle),
            Ok(Item::SessionEra(era)) => found.era = Some(era),
            Ok(_) => {}
            Err(_) => return ForContact::default(),
        }
    }
    found
}

/// Whether the content may be the first one of a session: Hello is the first item of a known type,
/// and no item of an unknown type is critical, numbered or not. Returns `false` for a content that
/// [`decode`] refuses.
pub(crate) fn is_first_content(bytes: &[u8]) -> bool {
    let mut first = None;
    for item in Items::of(bytes) {
        let Ok((raw, item)) = item else { return false };
        let Item::Numbered(_, _, Numbered::Unknown(_, flags, _)) = item else {
            first.get_or_insert(matches!(item, Item::Hello(_)));
            continue;
        };
        if is_known(raw.kind) {
            first.get_or_insert(false);
        } else if flags & CRITICAL != 0 {
            return false;
        }
    }
    first.unwrap_or(false)
}

/// Whether [`decode`] returns an item of this type, these flags and this body as a
/// [`Content::Unknown`] at this place, with the same values.
pub(super) fn is_kept_whole(kind: u16, flags: u8, place: (StreamId, u64), body: &[u8]) -> bool {
    let item = match kind {
        _ if is_known(kind) => parse(kind, flags, body),
        _ if flags & NUMBERED != 0 => unknown(kind, flags, body),
        _ => None,
    };
    matches!(item, Some(Item::Numbered(stream, number, Numbered::Unknown(..))) if (stream, number) == place)
}

const fn is_known(kind: u16) -> bool {
    matches!(kind, HELLO..=DEVICE | STREAM_DIGEST | VOID)
}

/// An iterator over the items that [`decode`] returns, in their order. It ends after the first
/// error.
struct Items<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Items<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, count: 0 }
    }

    /// Returns the next item; `None` if that item is to be skipped: its type is unknown, and it is
    /// neither critical nor numbered.
    fn step(&mut self) -> Result<Option<(Raw<'a>, Item<'a>)>, ContentError> {
        use ContentError::{Malformed, NeedsNewerVersion};
        self.count += 1;
        // C-30: items are whole, and few.
        let (kind, flags, body, rest) =
            split(self.rest).filter(|_| self.count <= MAX_ITEMS).ok_or(Malformed)?;
        self.rest = rest;
        let found = match kind {
            // C-31: known items keep form and limits, numbered ones begin with their place.
            _ if is_known(kind) => parse(kind, flags, body),
            _ if flags & NUMBERED != 0 => unknown(kind, flags, body),
            _ if flags & CRITICAL != 0 => return Err(NeedsNewerVersion), // C-32: critical items are known.
            _ => return Ok(None),
        };
        found.map(|item| Some((Raw { kind, body }, item))).ok_or(Malformed)
    }
}

/// The type and body of an item, which its hash covers.
struct Raw<'a> {
    kind: u16,
    body: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<(Raw<'a>, Item<'a>), ContentError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let found = self.step().transpose();
            if matches!(found, Some(Err(_))) {
                self.rest = &[];
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// One item that borrows its encoded bytes.
enum Item<'a> {
    Hello(&'a [u8]),
    Numbered(StreamId, u64, Numbered<'a>),
    ResetBundle(&'a [u8]),
    SessionEra(u32),
    Device(&'a [u8; 32], u64),
}

/// The rest of a numbered item, after the stream's id and the number.
enum Numbered<'a> {
    Message {
        to_version: u64,
        to_mask: u16,
        message: KnownMessage<'a>,
    },
    StreamDigest(&'a [u8; SHORT_DIGEST_LEN]),
    Void,
    /// An item of an unknown type: type, flags and the whole body.
    Unknown(u16, u8, &'a [u8]),
    Text(&'a str),
    DeliveryReceipt(&'a [[u8; 8]]),
    MailboxMove(&'a [u8]),
    Attachment(Attachment<'a>),
}

struct Attachment<'a> {
    key: &'a [u8; AttachmentKey::LEN],
    length: u64,
    hash: &'a [u8; HASH_LEN],
    place: &'a [u8],
    media_type: &'a str,
    name: &'a str,
}

impl Item<'_> {
    fn into_content(self) -> Content {
        match self {
            Self::Hello(address) => Content::Hello { address: address.to_vec() },
            Self::ResetBundle(bundle) => Content::ResetBundle { bundle: bundle.to_vec() },
            Self::SessionEra(era) => Content::SessionEra { era },
            Self::Device(root, list_version) => {
                Content::Device { root: IdentityHash::from_bytes(*root), list_version }
            }
            Self::Numbered(stream, number, rest) => match rest {
                Numbered::Text(text) => Content::Text { stream, number, text: text.to_owned() },
                Numbered::DeliveryReceipt(sparse) => Content::DeliveryReceipt {
                    stream,
                    low_water: number,
                    sparse: sparse.iter().map(|number| u64::from_le_bytes(*number)).collect(),
                },
                Numbered::MailboxMove(address) => {
                    Content::MailboxMove { stream, number, address: address.to_vec() }
                }
                Numbered::Message { to_version, to_mask, message } => {
                    Content::Message { stream, number, to_version, to_mask, message: message.to_message() }
                }
                Numbered::StreamDigest(digest) => Content::StreamDigest { stream, number, digest: *digest },
                Numbered::Void => Content::Void { stream, number },
                Numbered::Unknown(kind, flags, body) => {
                    Content::Unknown { kind, flags, stream, number, body: body.to_vec() }
                }
                Numbered::Attachment(Attachment { key, length, hash, place, media_type, name }) => {
                    Content::Attachment {
                        stream,
                        number,
                        key: AttachmentKey::from_bytes(*key),
                        length,
                        hash: AttachmentHash::from_bytes(*hash),
                        place: place.to_vec(),
                        media_type: media_type.to_owned(),
                        name: name.to_owned(),
                    }
                }
            },
        }
    }
}

fn parse(kind: u16, flags: u8, body: &[u8]) -> Option<Item<'_>> {
    match kind {
        HELLO => bounded(body, MAX_ADDRESS).map(Item::Hello),
        RESET_BUNDLE => bounded(body, MAX_BODY).map(Item::ResetBundle),
        SESSION_ERA => body.as_array().map(|era| Item::SessionEra(u32::from_le_bytes(*era))),
        DEVICE => {
            let (root, list_version) = body.split_first_chunk()?;
            Some(Item::Device(root, u64::from_le_bytes(*list_version.as_array()?)))
        }
        _ => {
            let (stream, number, rest) = place(body)?;
            Some(Item::Numbered(stream, number, numbered(kind, flags, number, rest, body)?))
        }
    }
}

/// Splits a body into the stream's id, the number, and the bytes after them; `None` if the body is
/// too short.
fn place(body: &[u8]) -> Option<(StreamId, u64, &[u8])> {
    let (stream, rest) = body.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    Some((StreamId(*stream), u64::from_le_bytes(*number), rest))
}

/// Parses a numbered item of an unknown type; `None` if its body is too short, or if its number is
/// 0.
fn unknown(kind: u16, flags: u8, body: &[u8]) -> Option<Item<'_>> {
    let (stream, number, _) = place(body).filter(|(_, number, _)| *number > 0)?;
    Some(Item::Numbered(stream, number, Numbered::Unknown(kind, flags, body)))
}

fn numbered<'a>(kind: u16, flags: u8, number: u64, rest: &'a [u8], body: &'a [u8]) -> Option<Numbered<'a>> {
    match kind {
        DELIVERY_RECEIPT => {
            let (sparse, odd) = bounded(rest, 8 * MAX_SPARSE)?.as_chunks::<8>();
            let ascends = ascends(number, sparse.iter().map(|number| u64::from_le_bytes(*number)));
            (odd.is_empty() && ascends).then_some(Numbered::DeliveryReceipt(sparse))
        }
        STREAM_DIGEST => rest.as_array().map(Numbered::StreamDigest),
        _ if number == 0 => None,
        TEXT => core::str::from_utf8(bounded(rest, MAX_TEXT)?).ok().map(Numbered::Text),
        MAILBOX_MOVE => bounded(rest, MAX_ADDRESS).map(Numbered::MailboxMove),
        ATTACHMENT => attachment(rest).map(Numbered::Attachment),
        MESSAGE => {
            let (to_version, rest) = rest.split_first_chunk()?;
            let (to_mask, core) = rest.split_first_chunk()?;
            Some(match Core::parse(core)? {
                // It keeps its place until a newer version reads it.
                Core::Unknown => Numbered::Unknown(kind, flags, body),
                Core::Known(message) => Numbered::Message {
                    to_version: u64::from_le_bytes(*to_version),
                    to_mask: u16::from_le_bytes(*to_mask),
                    message,
                },
            })
        }
        VOID => rest.is_empty().then_some(Numbered::Void),
        _ => None,
    }
}

/// Whether the numbers of a receipt rise, the first above the low-water mark.
pub(super) fn ascends(low_water: u64, mut sparse: impl Iterator<Item = u64>) -> bool {
    let mut before = low_water;
    sparse.all(|next| core::mem::replace(&mut before, next) < next)
}

fn attachment(body: &[u8]) -> Option<Attachment<'_>> {
    let (key, rest) = body.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let (place_len, rest) = rest.split_first_chunk()?;
    let (place, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*place_len)))?;
    let (type_len, rest) = rest.split_first()?;
    let (media_type, name) = rest.split_at_checked(usize::from(*type_len))?;
    Some(Attachment {
        key,
        length: Some(u64::from_le_bytes(*length)).filter(|length| *length <= MAX_ATTACHMENT)?,
        hash,
        place: bounded(place, MAX_PLACE)?,
        media_type: core::str::from_utf8(bounded(media_type, MAX_MEDIA_TYPE)?).ok()?,
        name: core::str::from_utf8(bounded(name, MAX_NAME)?).ok()?,
    })
}

fn bounded(bytes: &[u8], most: usize) -> Option<&[u8]> {
    (bytes.len() <= most).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
        let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &[flags, a, b, c], body].concat()
    }

    fn numbered(kind: u16, number: u64, rest: &[u8]) -> Vec<u8> {
        raw(kind, 0, &[&[5; 16][..], &number.to_le_bytes(), rest].concat())
    }

    #[test]
    fn the_last_of_each_kind_counts() {
        let (bundles, eras) = ([raw(RESET_BUNDLE, 0, b"one"), raw(RESET_BUNDLE, 0, b"two")], [1_u32, 9]);
        let eras = eras.map(|era| raw(SESSION_ERA, 0, &era.to_le_bytes()));
        let text = numbered(TEXT, 1, b"text");
        let said = [&bundles[0][..], &eras[1], &raw(999, 0, b"?"), &text, &eras[0], &bundles[1]].concat();
        let found = for_contact(&said);
        assert_eq!((found.bundle, found.era), (Some(&b"two"[..]), Some(1)));
    }

    #[test]
    fn content_that_is_refused_says_nothing_to_the_contact() {
        let good = [raw(RESET_BUNDLE, 0, b"bundle"), raw(SESSION_ERA, 0, &[1, 0, 0, 0])].concat();
        let refused = [
            good[..good.len() - 1].to_vec(),
            raw(999, 0, b"").repeat(63),
            raw(999, CRITICAL, b"?"),
            raw(HELLO, CRITICAL, &[7; MAX_ADDRESS + 1]),
            raw(RESET_BUNDLE, 0, &[7; MAX_BODY + 1]),
            raw(SESSION_ERA, 0, &[1; 5]),
            raw(TEXT, CRITICAL, b"short"),
            numbered(TEXT, 0, b"text"),
            numbered(TEXT, 1, &[0xff]),
            numbered(TEXT, 1, &[b'a'; MAX_TEXT + 1]),
            numbered(DELIVERY_RECEIPT, 5, &[1; 7]),
            numbered(DELIVERY_RECEIPT, 5, &[5, 0, 0, 0, 0, 0, 0, 0]),
            numbered(MAILBOX_MOVE, 1, &[7; MAX_ADDRESS + 1]),
            numbered(ATTACHMENT, 1, &[7; 74]),
        ];
        for bad in refused {
            for said in [[&good[..], &bad].concat(), [&bad[..], &good].concat()] {
                assert!(decode(&said).is_err());
                let found = for_contact(&said);
                assert_eq!((found.bundle, found.era), (None, None));
            }
        }
        assert_eq!(for_contact(&good).era, Some(1));
    }
}
