//! Every limit of a relay, in one table (spec/12-relay.md section 8). All can be set in `config.toml`.

use crate::statistics::LEAST_SLOTS;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One limit as the documentation shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitRow {
    /// Name in `config.toml`.
    pub name: &'static str,
    /// Type of the value, such as `u32`.
    pub kind: &'static str,
    /// Lowest value that can be set.
    pub least: u64,
    /// Highest value that can be set.
    pub most: u64,
    /// Value if none is set.
    pub default: u64,
    /// Meaning, one string for each line.
    pub meaning: &'static [&'static str],
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:ident, from $least:literal $(to $most:literal)? = $default:expr;)*) => {
        /// The limits of one relay. Limits that are read with serde are within the ranges of
        /// [`Limits::TABLE`].
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "Given")]
        pub struct Limits {
            $($(#[doc = $doc])* pub $name: $kind,)*
        }

        /// Limits as they were read, before their ranges are checked. A limit that is not set has
        /// its default.
        #[derive(Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Given {
            $($name: $kind,)*
        }

        impl Default for Given {
            fn default() -> Self {
                let Limits { $($name,)* } = Limits::DEFAULT;
                Self { $($name,)* }
            }
        }

        impl TryFrom<Given> for Limits {
            type Error = String;

            fn try_from(given: Given) -> Result<Self, String> {
                let limits = Self { $($name: given.$name,)* };
                match limits.fault([$(u64::from(given.$name),)*]) {
                    Some(fault) => Err(fault),
                    None => Ok(limits),
                }
            }
        }

        impl Limits {
            /// The limits for a small server: 1 processor, 1 GiB of memory, 20 GB of disk.
            pub const DEFAULT: Self = Self { $($name: $default,)* };
            /// Every limit with its range and its meaning, for the documentation.
            pub const TABLE: &[LimitRow] = &[$(LimitRow {
                name: stringify!($name),
                kind: stringify!($kind),
                least: $least,
                most: limits!(@most $kind $(, $most)?),
                default: $default as u64,
                meaning: &[$($doc),*],
            },)*];
        }
    };
    // The highest value of an integer of TOML.
    (@most u64) => { u64::MAX >> 1 };
    (@most $kind:ident) => { $kind::MAX as u64 };
    (@most $kind:ident, $most:literal) => { $most };
}

limits! {
    /// Connections at once.
    connections: u32, from 1 = 5_000;
    /// Connections at once from one address prefix (/24 or /56); does not apply to loopback and configured proxies.
    connections_per_prefix: u32, from 1 = 64;
    /// Handshakes in a second, in total.
    handshakes_per_s: u32, from 1 = 500;
    /// Handshakes in a second from one address prefix, lasting.
    handshakes_per_s_per_prefix: u32, from 1 = 5;
    /// Handshakes at once from one address prefix after a pause.
    handshake_burst_per_prefix: u32, from 1 = 20;
    /// TLS handshakes in a second, in total.
    tls_handshakes_per_s: u32, from 1 = 300;
    /// TLS handshakes in a second from one address prefix, lasting.
    tls_handshakes_per_s_per_prefix: u32, from 1 = 5;
    /// TLS handshakes at once from one address prefix after a pause.
    tls_handshake_burst_per_prefix: u32, from 1 = 64;
    /// Valid C1s in a second above which the relay asks for a cookie.
    cookie_above_per_s: u32, from 0 = 100;
    /// Connections without a finished handshake above which the relay asks for a cookie.
    cookie_above_half_open: u32, from 0 = 128;
    /// Connections without a finished handshake. Half of them are for peers that have sent a valid C1.
    half_open: u32, from 2 = 1_024;
    /// Percent of places, and of handshakes, creates, entries and bytes put in a second, that loopback and the proxies keep,
    /// together, while others ask for them.
    proxies_percent: u8, from 0 to 90 = 50;
    /// Milliseconds from accepting a connection to the end of its handshake.
    handshake_ms: u64, from 1 = 10_000;
    /// Milliseconds for which a link may exist without a subscription and without a put.
    idle_ms: u64, from 1 = 600_000;
    /// Milliseconds within which a client must send 1,024 bytes of a message that it has begun. Within twice this time it must
    /// take 1,024 bytes of the data that waits for it.
    stall_ms: u64, from 1 = 10_000;
    /// Shortest ping interval that a client can ask for, in seconds.
    ping_min_s: u16, from 1 = 45;
    /// Longest ping interval that a client can ask for, in seconds. Silence of 2.5 intervals ends the link.
    ping_max_s: u16, from 1 = 300;
    /// Bytes of unfinished requests and unsent answers of one link above which the relay does not read from it. Deliveries do not
    /// count.
    link_buffer_bytes: u64, from 1 = 524_288;
    /// Bytes that all links together hold, including deliveries and incomplete messages, above which the relay reads little.
    buffer_bytes: u64, from 1 = 134_217_728;
    /// Requests of one link that wait for the store; above, the relay does not read from the link.
    link_requests: u32, from 1 = 256;
    /// Subscribed mailboxes of one link.
    subscriptions: u32, from 1 = 16_384;
    /// Blobs in flight on one link.
    window_blobs: u16, from 1 = 64;
    /// Bytes of blobs in flight on one link; one blob is always allowed.
    window_bytes: u32, from 1 = 1_048_576;
    /// Blobs in flight of one mailbox.
    in_flight_per_mailbox: u16, from 1 = 16;
    /// Milliseconds after which the relay peeks into a subscribed mailbox again without a hint.
    peek_again_ms: u64, from 1 = 45_000;
    /// Puts a second on one link, lasting.
    puts_per_s: u16, from 1 = 50;
    /// Puts at once on one link after a pause.
    put_burst: u16, from 1 = 500;
    /// Bytes put a second on one link, lasting.
    put_bytes_per_s: u32, from 1 = 2_097_152;
    /// Bytes put at once on one link after a pause.
    put_bytes_burst: u32, from 1 = 16_777_216;
    /// Bytes put a second from one address prefix over all its links, lasting; does not apply to loopback and configured proxies.
    put_bytes_per_s_per_prefix: u32, from 1 = 4_194_304;
    /// Bytes put at once from one address prefix after a pause.
    put_bytes_burst_per_prefix: u32, from 1 = 67_108_864;
    /// Bytes put a second on all links together, lasting.
    all_put_bytes_per_s: u32, from 1 = 33_554_432;
    /// Bytes put at once on all links together after a pause.
    all_put_bytes_burst: u32, from 1 = 268_435_456;
    /// Puts a second into one mailbox, lasting.
    mailbox_puts_per_s: u32, from 1 = 10;
    /// Puts at once into one mailbox after a pause.
    mailbox_put_burst: u32, from 1 = 100;
    /// Creates and changes of mailboxes a second on one link, lasting.
    creates_per_s: u32, from 1 = 1;
    /// Creates and changes of mailboxes at once on one link after a pause.
    create_burst: u32, from 1 = 64;
    /// Creates and changes of mailboxes a minute from one address prefix, lasting; does not apply to loopback and configured
    /// proxies.
    creates_per_min_per_prefix: u32, from 1 = 30;
    /// Creates and changes of mailboxes at once from one address prefix after a pause.
    create_burst_per_prefix: u32, from 1 = 128;
    /// Creates and changes of mailboxes a second on all links together, lasting.
    all_creates_per_s: u32, from 1 = 20;
    /// Creates and changes of mailboxes at once on all links together after a pause.
    all_create_burst: u32, from 1 = 256;
    /// Entries a second of one link, lasting: what it asks for beside puts and acks (section 7.4).
    entries_per_s: u32, from 1 = 1_000;
    /// Entries at once of one link after a pause.
    entries_burst: u32, from 1 = 32_768;
    /// Entries a second from one address prefix over all its links, lasting; does not apply to loopback and configured proxies.
    entries_per_s_per_prefix: u32, from 1 = 4_000;
    /// Entries at once from one address prefix after a pause.
    entries_burst_per_prefix: u32, from 1 = 65_536;
    /// Entries a second on all links together, lasting.
    all_entries_per_s: u32, from 1 = 40_000;
    /// Entries (see `entries_per_s`) at once on all links together after a pause.
    all_entries_burst: u32, from 1 = 262_144;
    /// Senders of one mailbox.
    sends_per_mailbox: u32, from 4 to 255 = 16;
    /// Milliseconds between two takeovers of a mailbox from a connected reader.
    takeover_ms: u64, from 0 = 5_000;
    /// A class for which a mailbox had no room is closed for a random time up to this many milliseconds.
    full_pause_ms: u64, from 0 = 900_000;
    /// Seconds to wait that a client is told when a mailbox is full or has `sends_per_mailbox` senders.
    full_retry_s: u16, from 0 = 60;
    /// Days after which a blob of the two smaller classes expires, at most the lease.
    blob_days: u16, from 1 = 30;
    /// Days after which a blob of the largest class expires, at most the lease.
    large_blob_days: u16, from 1 = 7;
    /// Days after which a mailbox is removed if no put and no read has used it.
    unused_days: u16, from 0 = 1;
    /// Mailboxes.
    mailboxes: u64, from 0 = 500_000;
    /// Blobs.
    blobs: u64, from 0 = 1_000_000;
    /// Bytes of blobs.
    store_bytes: u64, from 0 = 8_589_934_592;
    /// Bytes of blobs that are kept in memory only: all of a volatile relay, or those of volatile mailboxes.
    memory_bytes: u64, from 0 = 268_435_456;
    /// Bytes of blobs that are kept in memory in addition to the disk, on their way to a connected reader.
    hot_bytes: u64, from 0 = 16_777_216;
    /// Percent of mailboxes, blobs or bytes at which creates are refused.
    create_percent: u8, from 1 to 100 = 80;
    /// Percent of blobs or bytes at which puts are refused. Acks and deletes never are.
    put_percent: u8, from 1 to 100 = 95;
    /// Seconds for which the sealed bytes of a destroyed blob may lie on the disk, also under full load (section 11). Puts are
    /// refused from three quarters of it on, until they are zeroed.
    dead_bytes_s: u32, from 1 = 300;
    /// Slots of each table of the statistics (chapter 16), 0 or at least 1,024; with 0 there are no statistics.
    statistics_slots: u32, from 0 to 1_048_576 = 4_096;
    /// Records erased in one step of expiry.
    sweep_batch: u32, from 1 = 4_096;
    /// Milliseconds between two looks at the clock for a new day. At each, what has expired is destroyed, and the counts are logged.
    sweep_every_ms: u64, from 1 = 60_000;
    /// Milliseconds between two lines of the log about the same event.
    notice_every_ms: u64, from 0 = 60_000;
    /// Seconds over which clients spread their reconnections when the relay stops.
    go_away_s: u16, from 0 = 10;
    /// Milliseconds that open links get to finish when the relay stops.
    drain_ms: u64, from 0 = 2_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// Describes the first limit that is out of its range, or the two that contradict each other;
    /// `None` if there is no fault. `values` are those of the limits, in the order of the table.
    fn fault<const N: usize>(&self, values: [u64; N]) -> Option<String> {
        let mut rows = Self::TABLE.iter().zip(values);
        let out = rows.find(|(row, value)| !(row.least..=row.most).contains(value));
        out.map(|(row, _)| format!("`{}` goes from {} to {}", row.name, row.least, row.most)).or_else(|| {
            (self.ping_min_s > self.ping_max_s).then(|| "`ping_min_s` is above `ping_max_s`".to_owned())
        })
        .or_else(|| {
            (1..LEAST_SLOTS).contains(&self.statistics_slots).then(|| {
                format!("`statistics_slots` is 0 (no statistics) or at least {LEAST_SLOTS}, so that the noise leaves something")
            })
        })
    }

    /// Returns the time for which the sealed bytes of destroyed records may be on the disk.
    pub(crate) const fn dead_bytes(&self) -> Duration {
        Duration::from_secs(self.dead_bytes_s as u64)
    }

    /// Whether `have` is at least `percent` percent of `most`.
    pub(crate) const fn reached(have: u64, most: u64, percent: u8) -> bool {
        have.saturating_mul(100) >= most.saturating_mul(percent as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_name_and_a_typing_error_is_found() {
        let limits: Limits = toml::from_str("puts_per_s = 7").unwrap();
        assert_eq!(limits, Limits { puts_per_s: 7, ..Limits::DEFAULT });
        assert!(toml::from_str::<Limits>("put_per_s = 7").is_err());
    }

    #[test]
    fn a_limit_out_of_its_range_is_refused_by_name() {
        let refused = |text: &str| toml::from_str::<Limits>(text).unwrap_err().message().to_owned();
        assert_eq!(refused("half_open = 1"), "`half_open` goes from 2 to 4294967295");
        assert_eq!(refused("put_percent = 101"), "`put_percent` goes from 1 to 100");
        assert_eq!(refused("ping_min_s = 301"), "`ping_min_s` is above `ping_max_s`");
        assert!(refused("statistics_slots = 1023").starts_with("`statistics_slots` is 0 "));
        for row in Limits::TABLE {
            assert!((row.least..=row.most).contains(&row.default), "{}", row.name);
            let at = |value: u64| toml::from_str::<Limits>(&format!("{} = {value}", row.name));
            if row.least > 0 {
                assert!(at(row.least - 1).is_err(), "{}", row.name);
            }
            assert!(at(row.most + 1).is_err() && at(u64::MAX).is_err(), "{}", row.name);
            if row.name != "ping_min_s" {
                assert!(at(row.most).is_ok(), "{}", row.name);
            }
            if row.name != "ping_max_s" {
                assert!(at(row.least).is_ok(), "{}", row.name);
            }
        }
    }

    #[test]
    fn the_specification_lists_every_limit_with_its_range_its_default_and_its_meaning() {
        let spec = include_str!("../../../spec/12-relay.md");
        let section = spec.split("\n## ").find(|section| section.starts_with("8. ")).unwrap();
        let said: Vec<String> =
            section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let row = |row: &LimitRow| {
            let LimitRow { name, kind, least, most, default, meaning } = row;
            let meaning = meaning.concat();
            let meaning = meaning.trim_start().trim_end_matches('.');
            let bits: u32 = kind.trim_start_matches('u').parse().unwrap();
            // The highest value of a TOML integer is 2^63 - 1.
            let is_bounded = *most != u64::MAX >> (64 - bits.min(63));
            let most = if is_bounded { format!(" to {most}") } else { String::new() };
            format!("| `{name}` | {kind} from {least}{most} | {default} | {meaning} |")
        };
        assert_eq!(
            said,
            Limits::TABLE.iter().map(row).collect::<Vec<_>>(),
            "the same limits in the same order"
        );
    }
}
