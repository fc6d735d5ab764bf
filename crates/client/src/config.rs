//! Settings that an app may make: times, limits, and which addresses and certificates to accept.

use crate::resolve::{Resolve, SystemResolver};
use deaddrop_shred::PassphraseCost;
use deaddrop_tls::Verify as TlsVerify;
use std::{ops::Range, sync::Arc, time::Duration};

/// Maximum of [`Config::gap_wait`]: ten minutes, as spec/14-client.md section 4 says.
pub const MAX_GAP_WAIT: Duration = Duration::from_secs(600);
/// Minimum of [`Config::vault_mib`]. A part of the room is kept for receipts and for the store's own work.
pub const MIN_VAULT_MIB: u32 = 64;
/// Maximum of [`Config::vault_mib`].
pub const MAX_VAULT_MIB: u32 = 262_144;
/// Default of [`Config::vault_mib`].
pub const DEFAULT_VAULT_MIB: u32 = 4_096;
/// Maximum number of days for which an invite is valid: a relay keeps no invite longer.
pub const MAX_INVITE_DAYS: u32 = 30;

/// Rule about IP addresses that are not public: those of this machine, of a private network or
/// reserved. Addresses that the user has allowed do not depend on it: those of the relay that the
/// user has set, and those that
/// [`Client::allow_private_address`](crate::Client::allow_private_address) and accepting an invite
/// have stored.
///
/// Contacts and invite links name the hosts of relays. Without this rule they could make a client
/// connect to the services of its own machine and of the network around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// The app allows no address that is not public.
    #[default]
    Refuse,
    /// The app allows the addresses of these hosts, which are names as in relay addresses, or IP
    /// addresses.
    AllowRelays(Vec<String>),
    /// The app allows all addresses. Meant for networks that have relays of their own, and contacts
    /// that are trusted with every address in them.
    Allow,
}

/// Settings of a client. The defaults suit a person's device.
#[derive(Clone)]
pub struct Config {
    /// The clock: a function that returns the whole seconds since 1970-01-01 UTC. Tests set their
    /// own.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The range of the random time that a receipt waits, so that it reveals little about when the user is there, and so that one
    /// receipt serves many messages.
    pub receipt_delay: Range<Duration>,
    /// The time for which a message is held back if one before it is missing although everything
    /// that lay at the relays has been read. After that it is shown, and the missing message is
    /// late if it comes. A time above [`MAX_GAP_WAIT`] counts as that.
    pub gap_wait: Duration,
    /// The first and the longest wait between two tries to connect; jitter is added.
    pub backoff: Range<Duration>,
    /// The time without an answer of the relay after which a link over which messages for a contact
    /// are put is closed, whether puts wait for answers or none is left. It should be at most a
    /// minute; a longer time is not refused.
    pub putter_idle: Duration,
    /// The maximum time to open one connection, and for one answer of a relay while an invite is
    /// made or accepted. After that the relay counts as one that cannot be reached. A line of
    /// 2 KB/s connects in 4 s.
    pub patience: Duration,
    /// The number of days for which an invite can be used. A number above [`MAX_INVITE_DAYS`]
    /// counts as that.
    pub invite_days: u32,
    /// The rule about addresses that are not public, to which a contact or an invite may lead.
    pub private_addresses: PrivateAddresses,
    /// Rule about the TLS certificates of relays with `wss://` addresses. The link inside proves the relay's fingerprint in any
    /// case, so [`TlsVerify::PinnedOnly`] is as safe for messages; certificates keep others from seeing that the connection goes
    /// to a relay.
    pub tls_verify: TlsVerify,
    /// The resolver that turns the host names of relays into IP addresses.
    pub resolver: Arc<dyn Resolve>,
    /// The cost of one guess of the passphrase of a *new* vault; a vault that exists opens at its own cost. A device with
    /// little memory may take less, and so do tests.
    pub passphrase_cost: PassphraseCost,
    /// The number of MiB to which the file of a *new* vault may grow: at least [`MIN_VAULT_MIB`], at most [`MAX_VAULT_MIB`]. A
    /// vault that exists keeps its limit; [`Status::vault`](crate::Status::vault) tells how full it is.
    pub vault_mib: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            now: Arc::new(system_time),
            receipt_delay: Duration::from_secs(2)..Duration::from_secs(30),
            gap_wait: Duration::from_secs(30),
            backoff: Duration::from_secs(1)..Duration::from_secs(300),
            putter_idle: Duration::from_secs(60),
            patience: Duration::from_secs(15),
            invite_days: 7,
            private_addresses: PrivateAddresses::Refuse,
            tls_verify: TlsVerify::Platform,
            resolver: Arc::new(SystemResolver),
            passphrase_cost: PassphraseCost::default(),
            vault_mib: DEFAULT_VAULT_MIB,
        }
    }
}

impl core::fmt::Debug for Config {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Config(..)")
    }
}

fn system_time() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_names_the_limits_of_a_vault() {
        let spec = include_str!("../../../spec/14-client.md");
        let row = spec.lines().find(|line| line.starts_with("| the vault | ")).unwrap();
        let numbers: Vec<u32> =
            row.split(' ').filter_map(|word| word.replace(',', "").parse().ok()).collect();
        assert_eq!(numbers, [DEFAULT_VAULT_MIB, MIN_VAULT_MIB, MAX_VAULT_MIB]);
        let segment = deaddrop_shred::Geometry::vault().segment_bytes >> 20;
        assert_eq!(DEFAULT_VAULT_MIB / segment, deaddrop_shred::Geometry::vault().max_segments);
        assert_eq!(MAX_VAULT_MIB / segment, deaddrop_shred::geometry::MAX_SEGMENTS);
        let error = crate::OpenError::BadLimit.to_string();
        assert!(error.contains("between 64 and 262,144 MiB"), "{error}");
    }
}
