//! The contact that an operator shows on the relay's page.

use serde::{Deserialize, Serialize};

/// Maximum number of bytes of an operator's contact.
pub const MAX_CONTACT: usize = 256;

/// The contact of an operator: one line of text. A text that begins with `https://` or `mailto:` is
/// shown as a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contact(String);

/// The reason for which a text cannot be a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadContact {
    /// The text is empty or longer than [`MAX_CONTACT`].
    #[error("a contact has 1 to {MAX_CONTACT} bytes")]
    Length,
    /// The text has a line break or another control character.
    #[error("a contact is one line, without control characters")]
    ControlCharacter,
}

impl Contact {
    /// Makes a contact from one line of 1 to [`MAX_CONTACT`] bytes.
    ///
    /// # Errors
    /// Fails with [`BadContact`] when the text has another length or a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, BadContact> {
        let text = text.into();
        if text.trim().is_empty() || text.len() > MAX_CONTACT {
            return Err(BadContact::Length);
        }
        // Marks that turn the direction of writing could make a text look like another one.
        let is_hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if text.contains(is_hidden) {
            return Err(BadContact::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Contact {
    type Error = BadContact;

    fn try_from(text: String) -> Result<Self, BadContact> {
        Self::new(text)
    }
}

impl From<Contact> for String {
    fn from(contact: Contact) -> Self {
        contact.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_one_short_line() {
        let long = "x".repeat(MAX_CONTACT);
        for good in ["mailto:op@relay.example", "https://relay.example/op", "Zoë, Room 4 <&>", &long] {
            assert_eq!(Contact::new(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", BadContact::Length),
            ("  ", BadContact::Length),
            (&format!("{long}x"), BadContact::Length),
            ("two\nlines", BadContact::ControlCharacter),
            ("a\u{202e}b", BadContact::ControlCharacter),
        ] {
            assert_eq!(Contact::new(bad), Err(why), "{bad:?}");
        }
    }
}
