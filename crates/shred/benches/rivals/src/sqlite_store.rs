//! SQLite, with a write-ahead log, full durability, and deleted bytes overwritten.

use crate::rounds::{Plan, Store, name};
use rusqlite::{Connection, params};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

struct Sqlite(Connection);

pub fn open(path: &Path, _plan: &Plan) -> Box<dyn Store> {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE records (name BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;",
        )
        .unwrap();
    Box::new(Sqlite(connection))
}

impl Store for Sqlite {
    fn put(&mut self, numbers: Range<u64>, plan: &Plan, times: &mut Vec<f64>) {
        for first in numbers.step_by(plan.pending) {
            let start = Instant::now();
            let transaction = self.0.transaction().unwrap();
            for n in first..first + plan.pending as u64 {
                let mut insert = transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2)").unwrap();
                insert.execute(params![name(n), plan.body(n)]).unwrap();
            }
            transaction.commit().unwrap();
            times.push(start.elapsed().as_secs_f64());
        }
    }

    fn read(&mut self, n: u64) -> Vec<u8> {
        let mut select = self.0.prepare_cached("SELECT body FROM records WHERE name = ?1").unwrap();
        select.query_row([name(n)], |row| row.get(0)).unwrap()
    }

    fn erase(&mut self, numbers: Range<u64>, plan: &Plan) {
        for first in numbers.step_by(plan.pending) {
            let transaction = self.0.transaction().unwrap();
            for n in first..first + plan.pending as u64 {
                let mut delete = transaction.prepare_cached("DELETE FROM records WHERE name = ?1").unwrap();
                delete.execute([name(n)]).unwrap();
            }
            transaction.commit().unwrap();
        }
    }
}
