//! Every limit of a relay, in one table (spec/12-relay.md section 8). All can be set in `config.toml`.

use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $default:expr;)*) => {
        /// The limits of one relay.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $kind,)*
        }

        impl Limits {
            /// For a small server: 1 processor, 1 GiB of memory, 20 GB of disk.
            pub const DEFAULT: Self = Self { $($name: $default,)* };
            /// Names and default values, for the documentation.
            pub const TABLE: &[(&str, u64)] = &[$((stringify!($name), $default as u64),)*];
        }
    };
}

limits! {
    /// Connections at once.
    connections: u32 = 5_000;
    /// Connections at once from one address prefix (/24 or /56); not of loopback and of configured proxies.
    connections_per_prefix: u32 = 64;
    /// Handshakes in a second, over all.
    handshakes_per_s: u32 = 500;
    /// Handshakes in a second from one address prefix, lasting.
    handshakes_per_s_per_prefix: u32 = 5;
    /// Handshakes at once from one address prefix after a pause.
    handshake_burst_per_prefix: u32 = 20;
    /// Valid C1s in a second above which a cookie is asked for.
    cookie_above_per_s: u32 = 100;
    /// Connections without a finished handshake above which a cookie is asked for.
    cookie_above_half_open: u32 = 128;
    /// Connections without a finished handshake. Half of them are for peers that have sent a valid C1.
    half_open: u32 = 256;
    /// Milliseconds from the moment in which a connection was accepted to the end of its handshake.
    handshake_ms: u64 = 10_000;
    /// Milliseconds that a link may live without a subscription and without a put.
    idle_ms: u64 = 600_000;
    /// Milliseconds within which a client must take 1,024 bytes of what waits for it, and send 1,024 bytes of a message that it
    /// has begun.
    stall_ms: u64 = 20_000;
    /// Shortest ping interval that a client can ask for, in seconds.
    ping_min_s: u16 = 45;
    /// Longest ping interval that a client can ask for, in seconds. Silence of 2.5 intervals ends the link.
    ping_max_s: u16 = 300;
    /// Bytes of unfinished requests and unsent answers of one link above which it is not read from. Deliveries do not count.
    link_buffer_bytes: u64 = 524_288;
    /// Bytes that all links together hold, deliveries and incomplete messages too, above which little is read.
    buffer_bytes: u64 = 134_217_728;
    /// Requests of one link that wait for the store; above, the link is not read from.
    link_requests: u32 = 256;
    /// Subscribed mailboxes of one link.
    subscriptions: u32 = 16_384;
    /// Blobs in flight on one link.
    window_blobs: u16 = 64;
    /// Bytes of blobs in flight on one link; one blob is always allowed.
    window_bytes: u32 = 1_048_576;
    /// Blobs in flight of one mailbox.
    in_flight_per_mailbox: u16 = 16;
    /// Milliseconds after which a subscribed mailbox is looked at again without a hint.
    peek_again_ms: u64 = 45_000;
    /// Puts a second on one link, lasting.
    puts_per_s: u16 = 50;
    /// Puts at once on one link after a pause.
    put_burst: u16 = 500;
    /// Bytes put a second on one link, lasting.
    put_bytes_per_s: u32 = 2_097_152;
    /// Bytes put at once on one link after a pause.
    put_bytes_burst: u32 = 16_777_216;
    /// Puts a second into one mailbox, lasting.
    mailbox_puts_per_s: u32 = 10;
    /// Puts at once into one mailbox after a pause.
    mailbox_put_burst: u32 = 100;
    /// Creates and changes of mailboxes a second on one link, lasting.
    creates_per_s: u32 = 1;
    /// Creates and changes of mailboxes at once on one link after a pause.
    create_burst: u32 = 64;
    /// Creates and changes of mailboxes a minute from one address prefix, lasting; not of loopback and of configured proxies.
    creates_per_min_per_prefix: u32 = 30;
    /// Creates and changes of mailboxes at once from one address prefix after a pause.
    create_burst_per_prefix: u32 = 128;
    /// Creates and changes of mailboxes a second over all links, lasting.
    all_creates_per_s: u32 = 20;
    /// Creates and changes of mailboxes at once over all links after a pause.
    all_create_burst: u32 = 256;
    /// Senders of one mailbox.
    sends_per_mailbox: u32 = 16;
    /// Milliseconds between two changes of a mailbox's reader while one is connected.
    takeover_ms: u64 = 5_000;
    /// A full mailbox takes nothing before a random time up to this many milliseconds.
    full_pause_ms: u64 = 900_000;
    /// Seconds that a client is told to wait when a mailbox is full.
    full_retry_s: u16 = 60;
    /// Days after which a blob of the two smaller classes expires, at most the lease.
    blob_days: u16 = 30;
    /// Days after which a blob of the largest class expires, at most the lease.
    large_blob_days: u16 = 7;
    /// Days after which a mailbox is removed into which nothing was put and from which nobody read.
    unused_days: u16 = 1;
    /// Mailboxes.
    mailboxes: u64 = 500_000;
    /// Blobs.
    blobs: u64 = 1_000_000;
    /// Bytes of blobs.
    store_bytes: u64 = 8_589_934_592;
    /// Bytes of blobs that are kept in memory only: all of a volatile relay, or those of volatile mailboxes.
    memory_bytes: u64 = 268_435_456;
    /// Bytes of blobs kept in memory beside the disk, on their way to a connected reader.
    hot_bytes: u64 = 16_777_216;
    /// Percent of mailboxes, blobs or bytes at which creates are refused.
    create_percent: u8 = 80;
    /// Percent of blobs or bytes at which puts are refused. Acks and deletes never are.
    put_percent: u8 = 95;
    /// Records erased in one step of expiry.
    sweep_batch: u32 = 4_096;
    /// Milliseconds between two looks at the day.
    sweep_every_ms: u64 = 60_000;
    /// Milliseconds between two lines of the log about the same trouble.
    notice_every_ms: u64 = 60_000;
    /// Seconds over which clients spread their return when the relay stops.
    go_away_s: u16 = 10;
    /// Milliseconds that open links get to finish when the relay stops.
    drain_ms: u64 = 2_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// Whether `have` of `most` is at this many percent.
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
    fn the_specification_lists_every_limit_and_its_default() {
        let spec = include_str!("../../../spec/12-relay.md");
        let section = spec.split("\n## ").find(|section| section.starts_with("8. ")).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let said: Vec<(&str, u64)> =
            rows.map(|(name, rest)| (name, rest.split_once(" |").unwrap().0.parse().unwrap())).collect();
        assert_eq!(said, Limits::TABLE, "the same limits in the same order");
    }
}
