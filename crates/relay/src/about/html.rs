//! The description of a relay as a page for people.

use super::{About, CAN_DO, CAN_WATCH, CANNOT_KNOW, Contact, LEASES, NOTE, QUOTAS, STYLE, StorePlace, qr};
use crate::data_dir::Medium;
use deaddrop_wire::item::{LeaseClass, QuotaClass};
use deaddrop_wire::{RelayAddress, RelayUrl};

impl About {
    /// Returns the description as a page. Everything that the operator writes is escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        let numbers = |numbers: Vec<u32>| {
            let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            match texts.split_last() {
                Some((last, before)) => format!("{} or {last}", before.join(", ")),
                None => String::new(),
            }
        };
        let days = |days: u16| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let list =
            |texts: &[&str]| texts.iter().map(|text| format!("<li>{}\n", escape(text))).collect::<String>();
        let unused = match self.unused_days {
            0 => "the day".to_owned(),
            more => days(more),
        };
        format!(
            include_str!("about.html"),
            style = STYLE,
            moved = self.moved_to.as_ref().map(moved).unwrap_or_default(),
            address = self.address.as_ref().map(address).unwrap_or_default(),
            blob_days = days(self.blob_days),
            large_blob_days = days(self.large_blob_days),
            leases = numbers(LEASES.into_iter().filter_map(LeaseClass::days).collect()),
            unused = unused,
            quotas = numbers(QUOTAS.into_iter().filter_map(QuotaClass::blobs).collect()),
            durability = self.durability(),
            key = self.key_place(),
            creating = if self.is_token_needed {
                "People who have a token of the operator."
            } else {
                "Everyone, within limits for each network."
            },
            cannot_know = list(&CANNOT_KNOW),
            can_watch = list(&CAN_WATCH),
            can_do = escape(CAN_DO),
            contact = self.contact.as_ref().map_or_else(|| "none given".to_owned(), link),
            version = env!("CARGO_PKG_VERSION"),
            note = escape(NOTE),
            json = self.address.as_ref().map_or("/", RelayAddress::path).to_owned() + "about.json",
        )
    }

    fn key_place(&self) -> String {
        let (place, consequence) = match self.key {
            None => ("nowhere: there is no store on a disk", ""),
            Some(key @ Medium::StoreFileSystem) => (
                key.text(),
                ": a person who takes the disk sees what the running relay holds, and nothing that was destroyed",
            ),
            Some(key) => (key.text(), ""),
        };
        escape(place) + consequence
    }

    fn durability(&self) -> String {
        match self.store {
            StorePlace::Disk => format!(
                "On a disk: a message is confirmed to its sender when it is written there. When its reader has confirmed it, \
                 its key is destroyed at once, and its sealed bytes within {} seconds.",
                self.dead_bytes_s
            ),
            StorePlace::Memory => {
                "In memory alone: when the relay ends, all mailboxes and messages are gone.".to_owned()
            }
        }
    }
}

/// Returns the part of the page that says where the relay is now.
fn moved(url: &RelayUrl) -> String {
    format!(
        "<p>This relay has moved to <strong>{}</strong> and takes nothing here. Clients find it there by themselves.</p>\n",
        escape(url.as_str())
    )
}

/// Returns the part of the page that shows the address as text and as a QR code.
fn address(address: &RelayAddress) -> String {
    let text = address.to_string();
    let drawing = qr::draw(&text).unwrap_or_default();
    format!(
        "<h2>Address</h2>\n<p class=\"address\">{}</p>\n<div class=\"qr\">{drawing}</div>\n",
        escape(&text)
    )
}

/// Returns the operator's contact as a link, if it is the address of a page or of a mailbox, or
/// else as text.
fn link(contact: &Contact) -> String {
    let text = contact.as_str();
    let shown = escape(text.strip_prefix("mailto:").unwrap_or(text));
    let is_link = ["https://", "mailto:"].iter().any(|scheme| text.starts_with(scheme));
    if is_link && !text.contains(char::is_whitespace) {
        format!("<a rel=\"noreferrer\" href=\"{}\">{shown}</a>", escape(text))
    } else {
        shown
    }
}

/// Escapes a text for the content of an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
