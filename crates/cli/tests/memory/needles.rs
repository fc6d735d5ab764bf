//! The secrets that are searched for (needles): those of a vault, read with its own key
//! (spec/08-snapshots.md, spec/13-shred.md, spec/14-client.md), and those that derive from them.

use super::{COST, Kind, passphrase, scan::Needle};
use deaddrop_link::{
    MailboxAddress,
    capability::{OwnCapability, ReadCapability, SendCapability},
};
use deaddrop_primitives::{aead, hkdf};
use deaddrop_shred::{FileDisk, MasterKey, Passphrase, Reader, Shred, Unlock};
use libcrux_ml_kem::mlkem768;
use std::{collections::BTreeSet, fs, path::Path};

const CONFIG: u8 = 1;
const SESSION: u8 = 3;
const RESETS: u8 = 4;
pub(crate) const SKIPPED: u8 = 5;
const INVITE: u8 = 10;
const PEER: u8 = 15;
const RATCHET: u8 = 16;
const SENTINEL: u8 = 32;

/// Number of messages after the present one whose keys are computed and searched for: more than the
/// client sends or receives at once.
const STEPS: usize = 4;

/// Returns the key or the passphrase that opens the vault in a folder.
pub(crate) fn unlock(home: &Path, kind: Kind) -> Unlock {
    match kind {
        Kind::KeyFile => Unlock::Key(MasterKey::from_bytes(key(home))),
        Kind::Passphrase => Unlock::Passphrase(Passphrase::from_bytes(passphrase().as_bytes().to_vec())),
    }
}

/// Opens a vault for reading, while another process has it open.
pub(crate) fn open(home: &Path, kind: Kind) -> Reader<FileDisk> {
    let disk = FileDisk::open_read_only(home.join("vault")).unwrap();
    Shred::open_read_only(disk, &unlock(home, kind)).unwrap()
}

/// Returns the rows of the table with this number, decrypted.
pub(crate) fn rows(vault: &Reader<FileDisk>, table: u8) -> Vec<Vec<u8>> {
    let keys = vault.entries().map(|entry| entry.key).filter(|key| key.0[0] == table);
    keys.map(|key| vault.read(&key).unwrap().to_vec()).collect()
}

/// Adds every secret in a vault, and the secrets that derive from them.
pub(crate) fn add_vault(home: &Path, kind: Kind, needles: &mut Needles) {
    store(home, kind, needles);
    let vault = open(home, kind);
    for row in rows(&vault, CONFIG) {
        identity(array(&row, 1), needles);
    }
    for row in rows(&vault, PEER) {
        peer(&mut Fields(&row[1..]), needles);
    }
    for row in rows(&vault, SENTINEL) {
        mailboxes(&mut Fields(&row[1..]), needles);
    }
    for row in rows(&vault, RATCHET) {
        ratchet(&row, needles);
    }
    for row in rows(&vault, SESSION) {
        session(&row, needles);
    }
    for row in rows(&vault, RESETS) {
        for at in [6, 43, 80] {
            needles.add("reset secret", array(&row, at));
        }
    }
    for row in rows(&vault, SKIPPED) {
        needles.add("skipped key", array(&row, 5));
    }
    for row in rows(&vault, INVITE) {
        invite(&mut Fields(&row[1..]), needles);
    }
}

/// Adds the secret in the link of an invite, and every secret that derives from it.
pub(crate) fn add_link(link: &str, needles: &mut Needles) {
    let link: deaddrop_client::InviteLink = link.parse().unwrap();
    invite_secret(*link.secret().expose(), needles);
}

/// The secrets that are looked for, each once.
#[derive(Default)]
pub(crate) struct Needles {
    known: BTreeSet<[u8; 32]>,
    pub(crate) list: Vec<Needle>,
}

impl Needles {
    pub(crate) fn add(&mut self, kind: &'static str, bytes: [u8; 32]) {
        // An absent secret is stored as zeros.
        if bytes != [0; 32] && self.known.insert(bytes) {
            self.list.push(Needle { kind, bytes });
        }
    }

    /// Adds the two halves of an ML-KEM seed, and parts of the secret key that the provider
    /// computes from it.
    fn add_seed(&mut self, kind: &'static str, seed: [u8; 64]) {
        self.add(kind, array(&seed, 0));
        self.add(kind, array(&seed, 32));
        let pair = mlkem768::generate_key_pair(seed);
        for at in [0, 576, 1_120] {
            self.add("ML-KEM secret key, expanded", array(pair.sk(), at));
        }
    }

    /// Adds a chain key, and the keys of the [`STEPS`] messages that follow.
    fn add_chain(&mut self, kind: &'static str, chain: [u8; 32]) {
        self.add(kind, chain);
        // A closed chain is stored as zeros.
        if chain == [0; 32] {
            return;
        }
        let mut chain = chain;
        for _ in 0..STEPS {
            self.add("message key", hkdf::expand(&chain, &[b"deaddrop/1 message\0"]));
            chain = hkdf::expand(&chain, &[b"deaddrop/1 chain\0"]);
            self.add("chain key, stepped", chain);
        }
    }
}

fn key(home: &Path) -> [u8; 32] {
    fs::read(home.join("vault.key")).unwrap().try_into().unwrap()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().unwrap()
}

/// Adds the key or passphrase of the vault, and the keys of its store.
fn store(home: &Path, kind: Kind, needles: &mut Needles) {
    let file = fs::read(home.join("vault")).unwrap();
    let (file_id, salt) = (&file[24..40], &file[72..104]);
    let secret = match kind {
        Kind::KeyFile => key(home),
        Kind::Passphrase => {
            let passphrase = passphrase();
            let bytes = passphrase.as_bytes();
            needles.add("store: passphrase", array(bytes, 0));
            needles.add("store: passphrase", array(bytes, bytes.len() - 32));
            let params = argon2::Params::new(COST.memory_kib, COST.passes, COST.lanes, Some(32)).unwrap();
            let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
            let mut secret = [0; 32];
            argon.hash_password_into(bytes, salt, &mut secret).unwrap();
            secret
        }
    };
    let unlock: [u8; 32] = hkdf::extract(salt, &[&secret]).expand(&[b"deaddrop/1 shred unlock\0", file_id]);
    let data = aead::open(&unlock, &[0; 12], &file[..112], &file[112..160]).unwrap();
    needles.add("store: unlock secret", secret);
    needles.add("store: unlock key", unlock);
    needles.add("store: data key", array(&data, 0));
}

fn identity(seed: [u8; 32], needles: &mut Needles) {
    let prk = hkdf::extract(b"deaddrop/1 identity\0", &[&seed]);
    needles.add("identity: seed", seed);
    needles.add("identity: Ed25519 secret", prk.expand(&[b"deaddrop/1 identity ed25519\0"]));
    needles.add("identity: X25519 secret", prk.expand(&[b"deaddrop/1 identity x25519\0"]));
    needles.add_seed("identity: ML-KEM seed", prk.expand(&[b"deaddrop/1 identity ml-kem-768\0"]));
}

fn session(row: &[u8], needles: &mut Needles) {
    assert_eq!(row[0], 2, "the version of a session row");
    let mut fields = Fields(&row[1 + 1 + 16 + 32 + 4..]);
    needles.add("root key", fields.array());
    needles.add("header key", fields.array());
    needles.add("header key", fields.array());
    let _previous_length: [u8; 4] = fields.array();
    for _ in 0..fields.u8() {
        let _turn: [u8; 4] = fields.array();
        needles.add("header key", fields.array());
        let _next: [u8; 5] = fields.array();
        needles.add_chain("receiving chain key", fields.array());
        let _seen: [u8; 8 + 256] = fields.array();
    }
    let turn = u32::from_le_bytes(array(row, 50));
    if fields.u8() == 0 {
        needles.add("ratchet: X25519 secret", fields.array());
        needles.add_seed("ratchet: ML-KEM seed", fields.array());
        needles.add_chain("sending chain key", fields.array());
        needles.add("header key", fields.array());
        let ciphertexts = [0, 2, 1][usize::try_from(turn.min(2)).unwrap()];
        let _constants = fields.take(4 + 32 + 1_184 + ciphertexts * 1_088 + 4);
    } else {
        let _public = fields.take(32 + 1_184);
        let identity = usize::from(fields.u8());
        let _identity = fields.take(identity * 1_184);
    }
    match fields.u8() {
        0 => {}
        1 => {
            needles.add("initial message key", fields.array());
            let _flight = fields.take(3_472);
        }
        _ => {
            needles.add("initial message key", fields.array());
            let _hash: [u8; 32] = fields.array();
        }
    }
    assert!(fields.0.is_empty());
}

fn peer(fields: &mut Fields<'_>, needles: &mut Needles) {
    let _person = fields.number();
    if fields.u8() == 1 {
        let _identity: [u8; 32] = fields.array();
    }
    let _kind = fields.number();
    for _ in 0..fields.number() {
        let _slot_and_session: [u8; 1 + 16] = fields.array();
    }
    let _established_and_unreachable: [u8; 2] = fields.array();
    mailboxes(fields, needles);
    let _next = fields.number();
    for _ in 0..fields.number() {
        let address = MailboxAddress::decode(fields.bytes()).unwrap();
        let _stale = fields.u8();
        needles.add("capability: the peer's send", *address.send.expose());
        let shown = address.send.present(address.relay.fingerprint());
        needles.add("presented: the peer's send", *shown.expose());
    }
}

/// Adds the capabilities of own mailboxes, and the forms in which relays are shown them. `fields`
/// is a list of mailboxes in a row.
fn mailboxes(fields: &mut Fields<'_>, needles: &mut Needles) {
    for _ in 0..fields.number() {
        let _id = fields.number();
        let relay = fields.bytes();
        let _kind_and_state = (fields.number(), fields.number());
        let [own, read, send] = [fields.array(), fields.array(), fields.array()];
        needles.add("capability: own", own);
        needles.add("capability: read", read);
        needles.add("capability: send", send);
        let relay: deaddrop_wire::RelayAddress = str::from_utf8(relay).unwrap().parse().unwrap();
        let relay = relay.fingerprint();
        needles.add("presented: own", *OwnCapability::from_bytes(own).present(relay).expose());
        needles.add("presented: read", *ReadCapability::from_bytes(read).present(relay).expose());
        needles.add("presented: send", *SendCapability::from_bytes(send).present(relay).expose());
    }
}

/// Adds the secrets in the row that the e2ee crate keeps for a contact.
fn ratchet(row: &[u8], needles: &mut Needles) {
    assert_eq!(row[0], 1, "the version of a contact row");
    let mut fields = Fields(&row[1 + 32 + 1 + 4 + 4..]);
    for _ in 0..fields.u8() {
        let _session: [u8; 16 + 4 + 1 + 4 + 4] = fields.array();
    }
    for _ in 0..fields.u8() {
        needles.add("reset bundle: secret", fields.array());
        let _not_after: [u8; 4] = fields.array();
        needles.add("reset bundle: X25519 prekey", fields.array());
        needles.add_seed("reset bundle: ML-KEM prekey", fields.array());
        for _ in 0..2 {
            let flights = usize::from(fields.u8());
            let _hashes = fields.take(flights * 32);
        }
    }
}

fn invite(fields: &mut Fields<'_>, needles: &mut Needles) {
    let pending = fields.bytes();
    invite_secret(array(pending, 1), needles);
    needles.add("invite: X25519 prekey", array(pending, 37));
    needles.add_seed("invite: ML-KEM prekey", array(pending, 69));
    let _relay = fields.bytes();
    needles.add("capability: own", fields.array());
    needles.add("capability: send", fields.array());
}

fn invite_secret(secret: [u8; 32], needles: &mut Needles) {
    let prk = hkdf::extract(b"deaddrop/1 invite\0", &[&secret]);
    needles.add("invite: secret of the link", secret);
    needles.add("invite: read capability", prk.expand(&[b"deaddrop/1 invite read\0"]));
    needles.add("invite: bundle key", prk.expand(&[b"deaddrop/1 invite bundle\0"]));
    needles.add("invite: initial message key", prk.expand(&[b"deaddrop/1 invite initial\0"]));
    needles.add("invite: shared key", prk.expand(&[b"deaddrop/1 invite psk\0"]));
}

/// The bytes of a row that were not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    /// Reads a number of variable length: seven bits in each byte, the lowest first.
    fn number(&mut self) -> u64 {
        let byte = u64::from(self.u8());
        if byte < 0x80 { byte } else { byte - 0x80 + (self.number() << 7) }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.number()).unwrap();
        self.take(len)
    }
}
