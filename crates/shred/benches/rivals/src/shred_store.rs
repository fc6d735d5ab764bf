//! The store of this project, through its writer, as a relay uses it.

use crate::rounds::{Plan, Store, name};
use deaddrop_shred::{Batch, Disk, FileDisk, Geometry, MasterKey, Reader, Record, RecordKey, Shred, Unlock, Writer};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const SEGMENT: u32 = 4 << 20;

/// A file that counts what is written to it.
struct Counted {
    file: FileDisk,
    bytes: AtomicU64,
}

impl Disk for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn publish(&self) -> io::Result<()> {
        self.file.publish()
    }
}

struct Ours {
    disk: Arc<Counted>,
    writer: Writer<Arc<Counted>>,
    reader: Reader<Arc<Counted>>,
}

pub fn open(path: &Path, plan: &Plan) -> Box<dyn Store> {
    let segments = u32::try_from(plan.room / u64::from(SEGMENT)).unwrap();
    let geometry = Geometry {
        segment_bytes: SEGMENT,
        slots_per_segment: SEGMENT / (plan.size as u32 + 128) / 32 * 32 + 32,
        initial_segments: segments,
        max_segments: segments + 4,
        ..Geometry::server()
    };
    let disk = Arc::new(Counted { file: FileDisk::create(path).unwrap(), bytes: AtomicU64::new(0) });
    let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
    let mut store = Shred::create(Arc::clone(&disk), &geometry, &unlock, &mut UnwrapErr(SysRng)).unwrap();
    store.set_dead_bytes_limit(Duration::from_secs(4));
    let writer = Writer::start_with(store, UnwrapErr(SysRng), |_| true).unwrap();
    let reader = writer.reader();
    Box::new(Ours { disk, writer, reader })
}

impl Store for Ours {
    fn put(&mut self, from: u64, plan: &Plan) {
        let (sender, receiver) = mpsc::channel();
        for n in from..from + plan.pending as u64 {
            let record = Record { key: RecordKey(name(n)), meta: [0; 8], expiry_day: 0, body: plan.body(n) };
            let sender = sender.clone();
            self.writer.submit(Batch { puts: vec![record], erases: vec![] }, vec![], move |result| {
                sender.send(result.map(|_| ())).unwrap();
            });
        }
        for _ in 0..plan.pending {
            receiver.recv().unwrap().unwrap();
        }
    }

    fn read(&mut self, n: u64) -> Vec<u8> {
        self.reader.read(&RecordKey(name(n))).unwrap()
    }

    fn erase(&mut self, from: u64, count: u64) {
        let (sender, receiver) = mpsc::channel();
        for n in from..from + count {
            let sender = sender.clone();
            self.writer.submit(Batch::default(), vec![RecordKey(name(n))], move |result| {
                sender.send(result.map(|_| ())).unwrap();
            });
        }
        for _ in 0..count {
            receiver.recv().unwrap().unwrap();
        }
    }

    fn written(&self) -> Option<u64> {
        Some(self.disk.bytes.load(Ordering::Relaxed))
    }
}
