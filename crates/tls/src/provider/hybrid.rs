//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): the client sends `ek || X25519 share`, the server
//! `ct || X25519 share`, and the secret is that of ML-KEM, then that of X25519.

use super::{
    agreement::{ActiveX25519, BAD_SHARE},
    random,
};
use deaddrop_primitives::{
    kem::{CIPHERTEXT_LEN, DecapsulationKey, ENCAPSULATION_KEY_LEN, EncapsulationKey, SEED_LEN},
    x25519,
};
use rustls::{
    Error, NamedGroup, ProtocolVersion,
    crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup},
};
use zeroize::Zeroizing;

/// The group X25519MLKEM768, the hybrid of X25519 and ML-KEM-768.
#[derive(Debug)]
pub(super) struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let kem = DecapsulationKey::from_seed(&*random::draw::<SEED_LEN>()?);
        let classical = ActiveX25519::generate()?;
        let share = [&kem.encapsulation_key().as_bytes()[..], classical.share()].concat();
        Ok(Box::new(Active { kem, classical, share }))
    }

    fn start_and_complete(&self, share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (ek, peer) = share.split_first_chunk::<ENCAPSULATION_KEY_LEN>().ok_or(BAD_SHARE)?;
        let classical = ActiveX25519::generate()?;
        let shared = classical.agree(peer)?;
        let ek = EncapsulationKey::from_bytes(ek).map_err(|_| BAD_SHARE)?;
        let (ct, secret) = ek.encapsulate(&mut random::checked()?);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ct[..], classical.share()].concat(),
            secret: join(secret.expose(), &shared),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's key pairs of one handshake: ML-KEM-768, and X25519 as `classical`.
struct Active {
    kem: DecapsulationKey,
    classical: ActiveX25519,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let (ct, peer) = share.split_first_chunk::<CIPHERTEXT_LEN>().ok_or(BAD_SHARE)?;
        let shared = self.classical.agree(peer)?;
        Ok(join(self.kem.decapsulate(ct).expose(), &shared))
    }

    /// Returns the X25519 half, which is also sent as a key share of its own for a server that has
    /// no ML-KEM; never `None`.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((NamedGroup::X25519, self.classical.share()))
    }

    fn complete_hybrid_component(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&self.classical.agree(share)?.expose()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

fn join(kem: &[u8; 32], classical: &x25519::SharedSecret) -> SharedSecret {
    let mut secret = Zeroizing::new([0; 64]);
    let (first, second) = secret.split_at_mut(32);
    first.copy_from_slice(kem);
    second.copy_from_slice(classical.expose());
    SharedSecret::from(&secret[..])
}
