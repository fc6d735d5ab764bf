//! Converts a vault of format 1 to format 2 (spec/14-client.md section 2.1).
//!
//! The work is done in batches. It has stages, one for each table. Each batch also stores how far
//! the work has come, so that a vault that was closed or killed between two batches continues from
//! there. The row that says "format 2" is written last and alone.

mod contact;
mod known;
mod rows;

pub(crate) use known::migrated_number;

use super::{
    AgainRow, BlockedRow, Changes, EventRow, FormatRow, HeldRow, InviteRow, ParkedRow, RelaysRow, RowKey,
    Rows, Table, Vault, changes::ROW_VERSION, format1, key, parts, sub,
};
use crate::error::VaultError;
use known::{Known, Streams, migrated_id};
use rand_core::CryptoRng;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Number of the format that this build reads and writes.
const FORMAT: u32 = 2;
/// The key of the row that holds the vault's format.
const FORMAT_KEY: RowKey = key(Table::Format, 0, 0);
/// The version byte of a row of format 1.
const OLD_VERSION: u8 = 1;
/// The table of format 1 that held what is [`Table::Relays`] now.
const OLD_RELAYS: Table = Table::Peer;
/// The table of format 1 that held what is [`Table::Blocked`] now.
const OLD_BLOCKED: Table = Table::Ratchet;
/// Maximum number of rows that one batch writes and erases (spec/14-client.md section 2.1).
const MAX_ROWS: usize = 200;
/// Maximum number of bytes that one batch writes (spec/14-client.md section 2.1).
const MAX_BYTES: usize = 2 << 20;
/// Maximum number of rows that one row of format 1 makes a batch write and erase, the row of the
/// format among them: a batch is stored when it has room for fewer.
const ROWS_OF_ONE: usize = 6;
/// Bound on the number of bytes that are written for one row of format 1: a batch is stored when it
/// has room for fewer.
const BYTES_OF_ONE: usize = 128 << 10;

/// The stages in their order. A stored stage is an index into this list.
///
/// The config row is first: an older build that opens the vault from then on sees a newer version.
/// Stages that need the contact rows of format 1 come before these are replaced, and tables 15 and
/// 16 are emptied before they get rows of their new meaning.
const STAGES: [Stage; 15] = [
    Stage::Config,
    Stage::Relays,
    Stage::Blocked,
    Stage::Invites,
    Stage::Cursor,
    Stage::Attempts,
    Stage::Running,
    Stage::StaleTried,
    Stage::Again,
    Stage::Missing,
    Stage::Events,
    Stage::Held,
    Stage::Parked,
    Stage::Outbox,
    Stage::Contacts,
];

/// The conversion of all rows of one table of format 1.
#[derive(Clone, Copy)]
enum Stage {
    Config,
    Relays,
    Blocked,
    Invites,
    Cursor,
    Attempts,
    Running,
    StaleTried,
    Again,
    Missing,
    Events,
    Held,
    Parked,
    Outbox,
    Contacts,
}

impl Stage {
    /// Returns the table in which the rows of format 1 lie.
    const fn table(self) -> Table {
        match self {
            Self::Config => Table::Config,
            Self::Relays => OLD_RELAYS,
            Self::Blocked => OLD_BLOCKED,
            Self::Invites => Table::Invite,
            Self::Cursor => Table::Cursor,
            Self::Attempts => Table::Attempt,
            Self::Running => Table::Running,
            Self::StaleTried => Table::StaleTried,
            Self::Again => Table::Again,
            Self::Missing => Table::Missing,
            Self::Events => Table::Event,
            Self::Held => Table::Held,
            Self::Parked => Table::Parked,
            Self::Outbox => Table::Outbox,
            Self::Contacts => Table::Person,
        }
    }
}

/// Converts a vault of format 1 to format 2. Costs one read if the vault has format 2.
///
/// Before the first change every row that is to be converted is read once. If one is damaged, or of
/// a newer version, this fails with [`VaultError::Corrupt`] or [`VaultError::NewerVersion`], and
/// nothing is changed. The rows of a session are read as well, but damage to them is no failure: a
/// contact whose session cannot be loaded has none afterwards.
pub(crate) fn migrate<V: Vault>(vault: &mut Rows<V>, rng: &mut impl CryptoRng) -> Result<(), VaultError> {
    run(vault, rng, &mut |_| Ok(()))
}

/// A callback after each stored batch, with the batch's number of rows and number of bytes. If it
/// fails, the migration ends with that error.
type AfterBatch<'a> = &'a mut dyn FnMut([usize; 2]) -> Result<(), VaultError>;

/// Does the work of [`migrate`] and calls `after_batch` after each batch.
fn run<V: Vault, R: CryptoRng>(
    vault: &mut Rows<V>,
    rng: &mut R,
    after_batch: AfterBatch<'_>,
) -> Result<(), VaultError> {
    let begun = vault.read::<FormatRow>(&FORMAT_KEY)?;
    let row = match begun {
        None => FormatRow { version: 1, stage: 0, after: [0; 16] },
        Some(row) if row.version == FORMAT => return Ok(()),
        Some(row) if row.version > FORMAT => return Err(VaultError::NewerVersion),
        Some(row) if row.version == 1 => row,
        Some(_) => return Err(VaultError::Corrupt),
    };
    if begun.is_none() {
        // First of all: a vault without config is none, and that of a newer version says so.
        old::<format1::ConfigRow, V>(vault, &key(Table::Config, 0, 0))?;
        Work::<V, R>::new(vault, None, after_batch, &row)?.all()?;
    }
    Work::new(vault, Some(rng), after_batch, &row)?.all()?;
    let mut last = Changes::default();
    last.put(FORMAT_KEY, &FormatRow { version: FORMAT, stage: 0, after: [0; 16] })?;
    let size = [last.rows(), last.bytes()];
    vault.commit(last)?;
    after_batch(size)
}

/// The state of a migration from format 1 to format 2.
struct Work<'a, V: Vault, R: CryptoRng> {
    vault: &'a mut Rows<V>,
    /// The generator of the ids of new streams; `None`: the work only checks all rows, and stores
    /// nothing.
    rng: Option<&'a mut R>,
    after_batch: AfterBatch<'a>,
    /// The changes that are stored with the next batch.
    changes: Changes,
    /// The stage and the key of the last row whose changes are in `changes` or stored.
    done: FormatRow,
    /// The contacts by their rows of format 1; empty if the work continues at the stage that
    /// replaces these.
    known: Known,
    /// For each contact, the number of texts of its outbox that have become messages so far: the
    /// clock of the last one.
    clocks: BTreeMap<u32, u64>,
}

impl<'a, V: Vault, R: CryptoRng> Work<'a, V, R> {
    fn new(
        vault: &'a mut Rows<V>,
        rng: Option<&'a mut R>,
        after_batch: AfterBatch<'a>,
        done: &FormatRow,
    ) -> Result<Self, VaultError> {
        let mut work = Self {
            vault,
            rng,
            after_batch,
            changes: Changes::default(),
            done: *done,
            known: Known::default(),
            clocks: BTreeMap::new(),
        };
        let stage = work.stages().next().map(|(_, stage)| stage).ok_or(VaultError::Corrupt)?;
        match stage {
            Stage::Contacts => {}
            _ => work.load_known()?,
        }
        work.count_messages()?;
        Ok(work)
    }

    /// Returns the stages that are left, with their indices in [`STAGES`], the one under way among
    /// them.
    fn stages(&self) -> impl Iterator<Item = (u32, Stage)> + use<V, R> {
        let first = self.done.stage;
        (0..).zip(STAGES).filter(move |(number, _)| *number >= first)
    }

    /// Converts all rows that are left, in batches.
    fn all(&mut self) -> Result<(), VaultError> {
        for (number, stage) in self.stages() {
            let after = if number == self.done.stage { self.done.after } else { [0; 16] };
            let mut skipped = match stage {
                Stage::Contacts => self.skipped_keys(),
                _ => BTreeMap::new(),
            };
            for row in self.vault.keys(stage.table()) {
                // Drafts are rows of format 2.
                if row.0 <= after || sub(&row) != 0 {
                    continue;
                }
                self.convert(stage, &row, &mut skipped)?;
                self.done = FormatRow { version: 1, stage: number, after: row.0 };
                let rows = self.changes.rows() + ROWS_OF_ONE;
                if rows > MAX_ROWS || self.changes.bytes() + BYTES_OF_ONE > MAX_BYTES {
                    self.commit()?;
                }
            }
        }
        self.commit()
    }

    /// Stores the changes that have gathered, with the progress, as one batch. Does nothing if the
    /// work only checks.
    fn commit(&mut self) -> Result<(), VaultError> {
        let mut changes = std::mem::take(&mut self.changes);
        if self.rng.is_none() || changes.rows() == 0 {
            return Ok(());
        }
        changes.put(FORMAT_KEY, &self.done)?;
        let size = [changes.rows(), changes.bytes()];
        self.vault.commit(changes)?;
        (self.after_batch)(size)
    }

    fn convert(
        &mut self,
        stage: Stage,
        row: &RowKey,
        skipped: &mut BTreeMap<u32, Vec<RowKey>>,
    ) -> Result<(), VaultError> {
        let (owner, number) = parts(row);
        match stage {
            Stage::Config => {
                let config = rows::config(old(self.vault, row)?);
                self.changes.put(*row, &config)
            }
            Stage::Relays => self.same::<RelaysRow>(row, Some(key(Table::Relays, owner, number))),
            Stage::Blocked => self.same::<BlockedRow>(row, Some(key(Table::Blocked, owner, number))),
            Stage::Invites => self.same::<InviteRow>(row, None),
            Stage::Cursor | Stage::StaleTried => self.same::<u64>(row, None),
            Stage::Attempts => self.same::<u8>(row, None),
            Stage::Running => self.same::<bool>(row, None),
            Stage::Again => self.same::<AgainRow>(row, None),
            Stage::Missing => {
                self.changes.erase(*row);
                Ok(())
            }
            Stage::Events => {
                let event: EventRow = rows::event(old(self.vault, row)?, &self.known);
                self.changes.put(*row, &event)
            }
            Stage::Held => {
                let held: HeldRow = rows::held(bytes(self.vault, row)?)?;
                self.changes.put(*row, &held)
            }
            Stage::Parked => {
                let in_stream = self.known.streams.get(&owner).and_then(|streams| streams.in_stream);
                let parked: ParkedRow = rows::parked(row, in_stream, bytes(self.vault, row)?);
                self.changes.put(*row, &parked)
            }
            Stage::Outbox => self.outbox_item(row),
            Stage::Contacts => self.contact(owner, &skipped.remove(&owner).unwrap_or_default()),
        }
    }

    /// Turns a numbered item of the outbox into a draft. Leaves control messages, which are dealt
    /// with by the stage of the contacts, and items that belong to no contact.
    fn outbox_item(&mut self, row: &RowKey) -> Result<(), VaultError> {
        let (owner, number) = parts(row);
        let Some(streams) = self.known.streams.get(&owner).filter(|_| number != rows::CONTROL) else {
            return Ok(());
        };
        let item: format1::ItemRow = old(self.vault, row)?;
        let before = self.clocks.get(&owner).copied().unwrap_or(0);
        let (draft, clock) = rows::draft(item, migrated_id(&streams.out_stream, number), before)?;
        self.clocks.insert(owner, clock);
        self.changes.erase(*row);
        self.changes.put(rows::draft_key(owner, number), &draft)
    }

    /// Writes a row again whose fields stay as they are, with the new version byte; `moved` is its
    /// new key, if that changes.
    fn same<T: Serialize + DeserializeOwned>(
        &mut self,
        row: &RowKey,
        moved: Option<RowKey>,
    ) -> Result<(), VaultError> {
        let body: T = old(self.vault, row)?;
        if moved.is_some() {
            self.changes.erase(*row);
        }
        self.changes.put(moved.unwrap_or(*row), &body)
    }

    fn load_known(&mut self) -> Result<(), VaultError> {
        for row in self.vault.keys(Table::Person) {
            let format1::ContactRow { name, out_stream, in_stream, .. } = old(self.vault, &row)?;
            let id = parts(&row).0;
            self.known.by_name.insert(name, id);
            self.known.streams.insert(id, Streams { out_stream, in_stream });
        }
        Ok(())
    }

    /// Counts the texts that an earlier run of the migration has turned into messages, for
    /// `clocks`.
    fn count_messages(&mut self) -> Result<(), VaultError> {
        for row in self.vault.keys(Table::Outbox) {
            if sub(&row) == rows::DRAFT {
                let draft: super::DraftRow = self.vault.read(&row)?.ok_or(VaultError::Corrupt)?;
                let count = self.clocks.entry(parts(&row).0).or_default();
                *count = count.saturating_add(u64::from(draft.message.is_some()));
            }
        }
        Ok(())
    }
}

fn bytes<V: Vault>(vault: &Rows<V>, row: &RowKey) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    vault.read_bytes(row)?.ok_or(VaultError::Corrupt)
}

/// Reads a row of format 1. Fails with [`VaultError::Corrupt`] if it is missing or damaged, and
/// with [`VaultError::NewerVersion`] if its version byte is above that of format 2.
fn old<T: DeserializeOwned, V: Vault>(vault: &Rows<V>, row: &RowKey) -> Result<T, VaultError> {
    match bytes(vault, row)?.split_first() {
        Some((&OLD_VERSION, fields)) => postcard::from_bytes(fields).map_err(|_| VaultError::Corrupt),
        Some((version, _)) if *version > ROW_VERSION => Err(VaultError::NewerVersion),
        _ => Err(VaultError::Corrupt),
    }
}

#[cfg(test)]
mod tests;
