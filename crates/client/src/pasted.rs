//! Links as people paste them: mail programs and messengers wrap them, quote them, encode them and put things around them
//! (spec/14-client.md section 5.5). What can be mended for certain is; anything else is refused with the reason.
//!
//! A link has an exact length, so a missing or an additional character is noticed. A changed one is not noticed here: such a link leads to
//! no mailbox.

mod clean;

use clean::Cleaned;
use deaddrop_e2ee::invite::{FRAGMENT_LEN, InviteLink, LINK_VERSION, LinkError};
use deaddrop_wire::RelayAddress;
use zeroize::Zeroizing;

/// Maximum length of a pasted text in bytes, for a link and the mail around it.
pub const MAX_PASTED: usize = 65_536;
/// Number of characters of a relay's fingerprint: 32 bytes in base64url.
const FINGERPRINT_LEN: usize = 43;

/// The error of a pasted text that is not the expected link; see the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasteError {
    /// There is no link in the text.
    #[error(
        "there is no link in this; an invite link begins with deaddrop:, a relay's address with ws:// or wss://, and both hold a #"
    )]
    NotALink,
    /// A part of the link is missing, or there are other words within it.
    #[error(
        "the link is cut off, or other words stand in it; copy all of the link, in one line, and nothing else"
    )]
    CutShort,
    /// The link holds characters that do not belong there.
    #[error("the link is damaged; copy it again, or ask for a new one")]
    Damaged,
    /// The link was made by a newer version.
    #[error("the link needs a newer version of this program; update")]
    NewerVersion,
    /// The text holds links that differ, or several of which one cannot be read.
    #[error("there are two different links in this; give one of them")]
    TwoLinks,
    /// The text is the address of a relay, but an invite is expected.
    #[error(
        "this is the address of a relay, not an invite link; an invite link comes from the person who invites you"
    )]
    IsRelayAddress,
    /// The text is an invite, but the address of a relay is expected.
    #[error(
        "this is an invite link, not the address of a relay; accept the invite, or ask the relay's operator for its address"
    )]
    IsInvite,
    /// The text is longer than [`MAX_PASTED`].
    #[error("this is too long; give the link alone")]
    TooLong,
}

impl From<LinkError> for PasteError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::NotALink => Self::NotALink,
            LinkError::Truncated => Self::CutShort,
            LinkError::NewerVersion => Self::NewerVersion,
            _ => Self::Damaged,
        }
    }
}

/// Reads an invite link from a pasted text, which may hold other words around it, and the same link
/// several times. Undoes line breaks, quoting, HTML entities, quoted-printable, percent-encoding
/// and invisible characters within the link. Also reads the address of an invite's page
/// (`https://`).
///
/// # Errors
/// Fails with [`PasteError`].
pub fn read_pasted_invite(text: &str) -> Result<InviteLink, PasteError> {
    let found = Found::in_text(text)?;
    one_of(
        found.invites,
        found.relays.first().is_some_and(Result::is_ok).then_some(PasteError::IsRelayAddress),
        |link| link.to_text(),
    )
}

/// Reads the address of a relay from a pasted text, which may be changed as
/// [`read_pasted_invite`] describes.
///
/// # Errors
/// Fails with [`PasteError`].
pub fn read_pasted_relay(text: &str) -> Result<RelayAddress, PasteError> {
    let found = Found::in_text(text)?;
    one_of(
        found.relays,
        found.invites.first().is_some_and(Result::is_ok).then_some(PasteError::IsInvite),
        |relay| Zeroizing::new(relay.to_string()),
    )
}

/// Returns the one link in `found`, which may be there several times. Fails with
/// [`PasteError::TwoLinks`] if links differ, or one of several cannot be read; with the error of a
/// single one that cannot be read. If there is none, fails with `other_kind`, the error of a text
/// that holds a link of the other kind, or else with [`PasteError::NotALink`]. `text` writes a link
/// for the comparison.
fn one_of<T>(
    found: Vec<Result<T, PasteError>>,
    other_kind: Option<PasteError>,
    text: impl Fn(&T) -> Zeroizing<String>,
) -> Result<T, PasteError> {
    let several = found.len() > 1;
    let mut only = None;
    for link in found {
        match (link, &only) {
            (Ok(link), None) => only = Some(link),
            (Ok(link), Some(known)) if text(&link) == text(known) => {}
            (Ok(_), Some(_)) => return Err(PasteError::TwoLinks),
            (Err(_), _) if several => return Err(PasteError::TwoLinks),
            (Err(error), _) => return Err(error),
        }
    }
    only.ok_or(other_kind.unwrap_or(PasteError::NotALink))
}

/// The parts of a text that look like links, in their order, each read or with the reason why it is
/// unusable.
#[derive(Default)]
struct Found {
    invites: Vec<Result<InviteLink, PasteError>>,
    relays: Vec<Result<RelayAddress, PasteError>>,
}

impl Found {
    fn in_text(text: &str) -> Result<Self, PasteError> {
        if text.len() > MAX_PASTED {
            return Err(PasteError::TooLong);
        }
        let mut found = Self::default();
        let cleaned = Cleaned::of(text);
        let starts = starts(&cleaned);
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).copied().unwrap_or(cleaned.len());
            let Some(candidate) = cleaned.get(*start..end) else { continue };
            found.read(candidate, &cleaned, *start);
        }
        Ok(found)
    }

    /// Reads the link in `candidate`, which reaches from a link's scheme to the next scheme, and
    /// adds it or its error. `start` is the position of `candidate` in the whole text.
    fn read(&mut self, candidate: &str, cleaned: &Cleaned, start: usize) {
        let (place, rest) = match candidate.split_once('#') {
            Some((place, rest)) => (place, Some(rest)),
            None => (candidate, None),
        };
        let Some(place) = Place::read(place) else {
            // Any other address of the web means nothing; a link of our own scheme does.
            if strip_word(candidate, "deaddrop:").is_some() {
                self.invites.push(Err(if rest.is_some() {
                    PasteError::Damaged
                } else {
                    PasteError::CutShort
                }));
            }
            return;
        };
        match rest {
            None if place.is_web => {}
            None if place.is_invite => self.invites.push(Err(PasteError::CutShort)),
            None => self.relays.push(Err(PasteError::CutShort)),
            Some(rest) if place.is_invite => {
                let link = fragment(rest, FRAGMENT_LEN, cleaned.emphasis(start)).and_then(|fragment| {
                    let text = Zeroizing::new(["deaddrop:", &place.url, "i#", &fragment].concat());
                    Ok(text.parse::<InviteLink>()?)
                });
                self.invites.push(link);
            }
            Some(_) if place.is_web => {}
            Some(rest) => {
                let relay = fragment(rest, FINGERPRINT_LEN, cleaned.emphasis(start)).and_then(|fragment| {
                    [&place.url, "#", &fragment].concat().parse().map_err(|_| PasteError::Damaged)
                });
                self.relays.push(relay);
            }
        }
    }
}

/// The part of a link before the `#`: the place of the relay.
struct Place {
    /// The relay's URL, which ends with `/`.
    url: String,
    /// Whether the URL has the form of an invite's: it ended with `/i`, which is cut off here.
    is_invite: bool,
    /// Whether the URL is an address of the web (http or https): the page of an invite, or
    /// something that is no link of ours.
    is_web: bool,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (own, rest) = match strip_word(&text, "deaddrop:") {
            Some(rest) => (true, rest.trim_start_matches('/')),
            None => (false, text.as_str()),
        };
        let (scheme, rest) = ["wss", "ws", "https", "http"]
            .into_iter()
            .find_map(|scheme| Some((scheme, strip_word(rest, scheme)?)))?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let after = rest.trim_start_matches('/');
        if after.len() == rest.len() {
            return None;
        }
        let is_web = scheme.starts_with("http");
        if is_web && own {
            return None;
        }
        // What follows a place of tracking programs does not belong to it.
        let after = after.split('?').next().unwrap_or_default();
        let (host, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        let path = if own { path.strip_suffix("/i/").map(|path| [path, "/i"].concat()) } else { None }
            .unwrap_or_else(|| path.to_owned());
        let before_page = path.strip_suffix("/i");
        let is_page = before_page.is_some();
        let path = match before_page {
            Some(before) => [before, "/"].concat(),
            None if path.ends_with('/') => path,
            None => path + "/",
        };
        let scheme = if matches!(scheme, "wss" | "https") { "wss://" } else { "ws://" };
        let url = [scheme, &host.to_lowercase(), &path].concat();
        // A link of our own scheme that names no page is damaged.
        (is_page || !own).then_some(Self { url, is_invite: is_page, is_web })
    }
}

/// Returns exactly `len` characters after the `#`, which may be broken into several lines. What
/// follows them is ignored if it is separated by white space or a character that is not base64url;
/// otherwise the link is too long, and damaged or of a newer version. `emphasis` is the number of
/// underscores in front of the link: as many may follow it.
fn fragment(rest: &str, len: usize, emphasis: usize) -> Result<Zeroizing<String>, PasteError> {
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !is_base64url(c) && !c.is_whitespace()).unwrap_or(rest.len());
    let (own, behind) = rest.split_at(end);
    let mut fragment = Zeroizing::new(String::with_capacity(own.len()));
    for (at, piece) in own.split_whitespace().enumerate() {
        // A link that was cut is not to be made whole with the words that follow it. One that lacks exactly one letter was wrapped.
        if at > 0 && is_word(piece) && !(piece.len() == 1 && fragment.len() + 1 == len) {
            break;
        }
        fragment.push_str(piece);
        if fragment.len() >= len {
            break;
        }
    }
    let is_newer = len == FRAGMENT_LEN && version(&fragment).is_some_and(|version| version != LINK_VERSION);
    let over = fragment.len().saturating_sub(len);
    let marks = fragment.get(len..).unwrap_or_default();
    if over > 0 && over == emphasis && marks.bytes().all(|byte| byte == b'_') {
        fragment.truncate(len);
    }
    match fragment.len() {
        fit if fit == len => Ok(fragment),
        more if more > len && is_newer => Err(PasteError::NewerVersion),
        more if more > len => Err(PasteError::Damaged),
        // A foreign character in the middle, not an end.
        _ if behind.chars().nth(1).is_some_and(is_base64url)
            && !behind.starts_with(['.', '\u{2026}', '?', '&']) =>
        {
            Err(PasteError::Damaged)
        }
        _ => Err(PasteError::CutShort),
    }
}

/// Returns the version byte with which a fragment (the part of a link after the `#`) begins; `None`
/// if its first two characters are not base64url.
fn version(fragment: &str) -> Option<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut values = fragment.chars().map(|c| ALPHABET.find(c).and_then(|value| u8::try_from(value).ok()));
    let (high, low) = (values.next()??, values.next()??);
    Some((high << 2) | (low >> 4))
}

/// Whether a piece of a wrapped link is rather a word that follows the link: ASCII letters only,
/// all of them small except perhaps the first.
fn is_word(piece: &str) -> bool {
    piece.bytes().all(|byte| byte.is_ascii_alphabetic())
        && piece.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
}

fn is_base64url(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Returns the text after `word`, whose letters may be capital or small; `None` if the text does
/// not begin with it.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// Returns the positions in bytes at which the schemes of links begin, without those inside a link.
fn starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut before = None::<char>;
    let mut inside_until = 0;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let is_inside_word = before.is_some_and(char::is_alphanumeric);
        before = Some(c);
        if at < inside_until || is_inside_word {
            continue;
        }
        if let Some(behind) = strip_word(rest, "deaddrop:") {
            starts.push(at);
            let behind = behind.trim_start_matches(|c: char| c == '/' || c.is_whitespace());
            inside_until = text.len() - behind.len() + 1;
        } else if ["ws://", "wss://", "http://", "https://"]
            .iter()
            .any(|scheme| strip_word(rest, scheme).is_some())
        {
            starts.push(at);
        }
    }
    starts
}

#[cfg(test)]
mod tests;
