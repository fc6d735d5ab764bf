//! fjall, an LSM tree with values separate from keys. Deleted bytes stay on the disk until a compaction.

use crate::rounds::{Plan, Store, name};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

struct Fjall {
    database: Database,
    records: Keyspace,
}

pub fn open(path: &Path, _plan: &Plan) -> Box<dyn Store> {
    let database = Database::builder(path).open().unwrap();
    let options =
        || KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()));
    let records = database.keyspace("records", options).unwrap();
    Box::new(Fjall { database, records })
}

impl Store for Fjall {
    fn put(&mut self, numbers: Range<u64>, plan: &Plan, times: &mut Vec<f64>) {
        for first in numbers.step_by(plan.pending) {
            let start = Instant::now();
            let mut batch = self.database.batch();
            for n in first..first + plan.pending as u64 {
                batch.insert(&self.records, name(n), plan.body(n));
            }
            batch.commit().unwrap();
            self.database.persist(PersistMode::SyncData).unwrap();
            times.push(start.elapsed().as_secs_f64());
        }
    }

    fn read(&mut self, n: u64) -> Vec<u8> {
        self.records.get(name(n)).unwrap().unwrap().to_vec()
    }

    fn erase(&mut self, numbers: Range<u64>, plan: &Plan) {
        for first in numbers.step_by(plan.pending) {
            let mut batch = self.database.batch();
            for n in first..first + plan.pending as u64 {
                batch.remove(&self.records, name(n));
            }
            batch.commit().unwrap();
            self.database.persist(PersistMode::SyncData).unwrap();
        }
    }
}
