//! The store of this project, through its writer, as a relay uses it.

use crate::counted::Counted;
use crate::rounds::{Plan, Store, name};
use deaddrop_shred::{
    Batch, CommitError, FileDisk, Geometry, MasterKey, Reader, Record, RecordKey, Shred, Unlock, Writer,
};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const SEGMENT: u32 = 4 << 20;

struct Ours {
    disk: Arc<Counted<FileDisk>>,
    writer: Writer<Arc<Counted<FileDisk>>>,
    reader: Reader<Arc<Counted<FileDisk>>>,
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
    let disk = Arc::new(Counted::new(FileDisk::create(path).unwrap()));
    let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
    let mut store = Shred::create(Arc::clone(&disk), &geometry, &unlock, &mut UnwrapErr(SysRng)).unwrap();
    store.set_dead_bytes_limit(Duration::from_secs(4));
    let writer = Writer::start_with(store, UnwrapErr(SysRng), |_| true).unwrap();
    let reader = writer.reader();
    Box::new(Ours { disk, writer, reader })
}

/// The calls that are under way, and the channel by which they tell their times.
struct Flight {
    sender: mpsc::Sender<f64>,
    answers: mpsc::Receiver<f64>,
    under_way: usize,
}

impl Flight {
    fn new() -> Self {
        let (sender, answers) = mpsc::channel();
        Self { sender, answers, under_way: 0 }
    }

    /// Waits until fewer than `most` calls are under way. Returns the callback of the next call,
    /// which then counts as under way.
    fn begin<T>(
        &mut self,
        most: usize,
        times: &mut Vec<f64>,
    ) -> impl FnOnce(Result<T, CommitError>) + Send + use<T> {
        self.wait(most - 1, times);
        self.under_way += 1;
        let (sender, sent) = (self.sender.clone(), Instant::now());
        move |result| {
            result.unwrap();
            sender.send(sent.elapsed().as_secs_f64()).unwrap();
        }
    }

    /// Waits until no more than `most` calls are under way. Adds the seconds that each answered
    /// call took to `times`.
    fn wait(&mut self, most: usize, times: &mut Vec<f64>) {
        while self.under_way > most {
            times.push(self.answers.recv().unwrap());
            self.under_way -= 1;
            while let Ok(time) = self.answers.try_recv() {
                times.push(time);
                self.under_way -= 1;
            }
        }
    }
}

impl Store for Ours {
    fn put(&mut self, numbers: Range<u64>, plan: &Plan, times: &mut Vec<f64>) {
        let mut flight = Flight::new();
        for n in numbers {
            let record = Record { key: RecordKey(name(n)), meta: [0; 8], expiry_day: 0, body: plan.body(n) };
            let done = flight.begin(plan.pending, times);
            self.writer.submit(Batch { puts: vec![record], erases: vec![] }, vec![], done);
        }
        flight.wait(0, times);
    }

    fn read(&mut self, n: u64) -> Vec<u8> {
        self.reader.read(&RecordKey(name(n))).unwrap()
    }

    fn erase(&mut self, numbers: Range<u64>, plan: &Plan) {
        let mut flight = Flight::new();
        for n in numbers {
            let done = flight.begin(plan.pending, &mut Vec::new());
            self.writer.submit(Batch::default(), vec![RecordKey(name(n))], done);
        }
        flight.wait(0, &mut Vec::new());
    }

    fn written(&self) -> Option<u64> {
        Some(self.disk.bytes())
    }

    fn syncs(&self) -> Option<u64> {
        Some(self.disk.syncs())
    }
}
