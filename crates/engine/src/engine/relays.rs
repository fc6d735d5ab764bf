//! Settings for relays: allowed private addresses, tokens for new mailboxes (spec/14-client.md
//! section 6.1).

use super::{Engine, step::Step};
use crate::{
    error::{EngineError, VaultError},
    event::EventKind,
    vault::{BlockedRow, RelayToken, Table, Vault, key},
};
use deaddrop_wire::{Day, Fingerprint, RelayAddress, limits::MAX_TOKEN};
use rand_core::CryptoRng;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// Maximum number of private IP addresses that the user has allowed; beyond it the oldest is
/// forgotten. Far more than a person uses.
const MAX_ALLOWED: usize = 64;
/// Maximum number of relays for which a token is kept (spec/14-client.md section 6.2).
const MAX_TOKENS: usize = 64;

/// The relays and IP addresses to which the client may connect although they are not public.
pub struct Reach {
    /// Relays that the user has named: the one that is set, and those on which own mailboxes still
    /// lie, but not one that only came with an invite. For one that has moved, its address before
    /// the moves. Their hosts are allowed wherever they lead.
    pub named: Vec<RelayAddress>,
    /// IP addresses that the user has allowed, oldest first.
    pub allowed: Vec<IpAddr>,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the relays and IP addresses to which the client may connect although they are not
    /// public.
    pub fn reach(&self) -> Reach {
        let adopted = self.relays.adopted.as_deref();
        let mut named = self.reading_relays();
        named.extend(self.config.relay.clone());
        named.retain(|relay| Some(relay.as_str()) != adopted);
        let named = named.iter().filter_map(|relay| relay.parse().ok());
        Reach {
            // The relay has named its new place, not the user: its host could lead anywhere later.
            named: named.flat_map(|relay| self.named_place(relay)).collect(),
            allowed: self.relays.allowed.clone(),
        }
    }

    /// Allows the client to connect to an IP address that is not public. If 64 were allowed, the
    /// oldest is forgotten.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn allow_private(&mut self, ip: IpAddr) -> Result<(), VaultError> {
        let mut step = self.step();
        self.add_allowed(&mut step, ip)?;
        self.finish(step)
    }

    pub(super) fn add_allowed(&mut self, step: &mut Step, ip: IpAddr) -> Result<(), VaultError> {
        let ip = ip.to_canonical();
        let allowed = &mut self.relays.allowed;
        allowed.retain(|known| *known != ip);
        allowed.push(ip);
        let over = allowed.len().saturating_sub(MAX_ALLOWED);
        allowed.drain(..over);
        step.changes.put(key(Table::Relays, 0, 0), &self.relays)
    }

    /// Notes that the relay that is set came with an invite (it is *adopted*), so that the user has
    /// not named it.
    pub(super) fn adopt(&mut self, step: &mut Step, relay: &RelayAddress) -> Result<(), VaultError> {
        self.relays.adopted = Some(relay.to_string());
        self.forget_move(step, relay)?;
        step.changes.put(key(Table::Relays, 0, 0), &self.relays)
    }

    /// Notes that the user names a relay, which then no longer counts as adopted, nor its address as
    /// one that only the relay has named.
    pub(super) fn name_relay(&mut self, step: &mut Step, relay: &RelayAddress) -> Result<(), VaultError> {
        self.forget_move(step, relay)?;
        self.forget_moves_to(step, relay)?;
        let text = relay.to_string();
        if self.relays.adopted.take_if(|adopted| *adopted == text).is_some() {
            step.changes.put(key(Table::Relays, 0, 0), &self.relays)?;
        }
        Ok(())
    }

    /// Returns the token that is shown to the relay with this fingerprint for new mailboxes; empty
    /// if there is none.
    pub fn create_token(&self, relay: &Fingerprint) -> Zeroizing<Vec<u8>> {
        let found = self.relays.tokens.iter().find(|known| known.relay == *relay.as_bytes());
        Zeroizing::new(found.map_or_else(Vec::new, |known| known.token.clone()))
    }

    /// Sets the token that is shown to the relay with this fingerprint for new mailboxes; `None`
    /// forgets it.
    ///
    /// # Errors
    /// Fails with [`EngineError::BadToken`] if the token is empty or longer than 256 bytes, or if
    /// 64 other relays have one, and with [`EngineError::Vault`] if the vault fails.
    pub fn set_create_token(&mut self, relay: &Fingerprint, token: Option<&[u8]>) -> Result<(), EngineError> {
        let is_other = |known: &RelayToken| known.relay != *relay.as_bytes();
        let others = self.relays.tokens.iter().filter(|known| is_other(known)).count();
        if token.is_some_and(|token| token.is_empty() || token.len() > MAX_TOKEN || others >= MAX_TOKENS) {
            return Err(EngineError::BadToken);
        }
        let mut step = self.step();
        self.relays.tokens.retain(is_other);
        if let Some(token) = token {
            self.relays.tokens.push(RelayToken { relay: *relay.as_bytes(), token: token.to_vec() });
        }
        step.changes.put(key(Table::Relays, 0, 0), &self.relays)?;
        Ok(self.finish(step)?)
    }

    /// Notes that the newest address of a contact leads to an IP address to which the client does
    /// not connect. Messages for the contact wait. The app is told once, and again only after a
    /// relay has stored something for this contact.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn address_blocked(&mut self, id: u32, ip: IpAddr, today: Day) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let before = contact.blocked.replace(ip);
        if before == Some(ip) {
            return Ok(());
        }
        let mut step = self.step();
        step.changes.put(key(Table::Blocked, id, 0), &BlockedRow { address: ip })?;
        if before.is_none() {
            self.add_event(&mut step, id, today, EventKind::PrivateAddress { address: ip })?;
        }
        self.finish(step)
    }
}

#[cfg(test)]
mod tests;
