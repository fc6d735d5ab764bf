//! fjall, an LSM tree with values apart from keys. What it deletes stays on the disk until a compaction.

use crate::rounds::{Plan, Store, name};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use std::path::Path;

struct Fjall {
    database: Database,
    records: Keyspace,
}

pub fn open(path: &Path, _plan: &Plan) -> Box<dyn Store> {
    let database = Database::builder(path).open().unwrap();
    let options = || KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()));
    let records = database.keyspace("records", options).unwrap();
    Box::new(Fjall { database, records })
}

impl Store for Fjall {
    fn put(&mut self, from: u64, plan: &Plan) {
        let mut batch = self.database.batch();
        for n in from..from + plan.pending as u64 {
            batch.insert(&self.records, name(n), plan.body(n));
        }
        batch.commit().unwrap();
        self.database.persist(PersistMode::SyncData).unwrap();
    }

    fn read(&mut self, n: u64) -> Vec<u8> {
        self.records.get(name(n)).unwrap().unwrap().to_vec()
    }

    fn erase(&mut self, from: u64, count: u64) {
        let mut batch = self.database.batch();
        for n in from..from + count {
            batch.remove(&self.records, name(n));
        }
        batch.commit().unwrap();
        self.database.persist(PersistMode::SyncData).unwrap();
    }
}
