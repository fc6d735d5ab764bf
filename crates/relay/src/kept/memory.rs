//! Records in memory: for a volatile relay, for volatile mailboxes, and for tests. Nothing survives
//! the process.

use super::backing::{Backing, Done};
use crate::mailboxes::Job;
use deaddrop_shred::{ReadError, RecordKey};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Storage of records in memory. A job is durable at once.
#[derive(Default)]
pub struct MemoryBacking {
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    bodies: HashMap<RecordKey, Vec<u8>>,
    order: u64,
}

impl MemoryBacking {
    fn locked(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backing for MemoryBacking {
    #[allow(private_interfaces, private_bounds, reason = "as in the trait")]
    fn submit(&self, job: Job, done: impl Done) {
        let mut records = self.locked();
        let first = records.order + 1;
        for mut record in job.puts {
            records.order += 1;
            records.bodies.insert(record.key, std::mem::take(&mut record.body));
        }
        for key in job.erases {
            records.bodies.remove(&key);
        }
        drop(records);
        done(Ok(first));
    }

    async fn read(&self, keys: Vec<RecordKey>) -> Vec<Result<Vec<u8>, ReadError>> {
        let records = self.locked();
        keys.iter().map(|key| records.bodies.get(key).cloned().ok_or(ReadError::NotFound)).collect()
    }
}

impl std::fmt::Debug for MemoryBacking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryBacking(..)")
    }
}
