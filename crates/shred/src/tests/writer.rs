//! The writer's thread: many callers, one flush, every answer true.

use super::model::contents;
use super::{key, puts, record, rng, tiny, unlock};
use crate::testing::SimDisk;
use crate::{
    Batch, CommitError, Committed, Disk, Geometry, MemoryDisk, ReadError, Record, RecordKey, Shred, Writer,
    residue,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

fn roomy() -> Geometry {
    Geometry {
        segment_bytes: 256 << 10,
        slots_per_segment: 512,
        initial_segments: 2,
        max_segments: 64,
        ..tiny()
    }
}

fn start(geometry: &Geometry) -> (Arc<SimDisk>, Writer<Arc<SimDisk>>) {
    let disk = Arc::new(SimDisk::default());
    let store = Shred::create(Arc::clone(&disk), geometry, &unlock(), &mut rng(1)).unwrap();
    (disk, Writer::start(store, rng(2)).unwrap())
}

/// A disk of which one sync, if `shut` is set, waits twice at the barrier for the test, which
/// queues jobs meanwhile.
struct Gate {
    disk: MemoryDisk,
    shut: AtomicBool,
    panics: AtomicBool,
    syncs: AtomicU64,
    barrier: Barrier,
}

impl Disk for Gate {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.disk.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.disk.write_at(offset, bytes)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.shut.swap(false, Ordering::SeqCst) {
            self.barrier.wait();
            self.barrier.wait();
        }
        assert!(!self.panics.load(Ordering::SeqCst), "a disk's mistake");
        self.disk.sync()
    }
    fn length(&self) -> std::io::Result<u64> {
        self.disk.length()
    }

    fn set_length(&self, length: u64) -> std::io::Result<()> {
        self.disk.set_length(length)
    }
}

/// Makes a store on a disk with a gate that is open; the test shuts it for the next sync.
fn gated(geometry: &Geometry) -> (Arc<Gate>, Writer<Arc<Gate>>) {
    let gate = Arc::new(Gate {
        disk: MemoryDisk::new(),
        shut: AtomicBool::new(false),
        panics: AtomicBool::new(false),
        syncs: AtomicU64::new(0),
        barrier: Barrier::new(2),
    });
    let store = Shred::create(Arc::clone(&gate), geometry, &unlock(), &mut rng(1)).unwrap();
    gate.syncs.store(0, Ordering::SeqCst);
    (gate, Writer::start(store, rng(2)).unwrap())
}

#[test]
fn s1_what_queues_up_shares_one_flush_and_answers_come_in_order() {
    let (gate, writer) = gated(&roomy());
    let answers = Arc::new(Mutex::new(Vec::new()));
    let submit = |n: u8, batch: Batch, erases: Vec<RecordKey>| {
        let answers = Arc::clone(&answers);
        writer.submit(batch, erases, move |result| answers.lock().unwrap().push((n, result)));
    };
    gate.shut.store(true, Ordering::SeqCst);
    submit(0, puts(&[(100, b"first")]), vec![]);
    gate.barrier.wait();
    for n in 1..50 {
        submit(n, puts(&[(n, &[n; 100])]), vec![]);
    }
    submit(50, Batch::default(), vec![key(100), key(101)]);
    assert!(answers.lock().unwrap().is_empty(), "no answer before the sync");
    gate.barrier.wait();
    let reader = writer.reader();
    writer.close().unwrap();
    let answers = answers.lock().unwrap();
    assert_eq!(answers.iter().map(|a| a.0).collect::<Vec<_>>(), (0..=50).collect::<Vec<_>>());
    let orders: Vec<u64> = answers[..50].iter().map(|a| a.1.unwrap().first_order).collect();
    assert!(orders.is_sorted_by(|a, b| a < b));
    // The first, everything that had queued up behind it, and at the end one to settle, one for zeros, one to say that it is clean.
    assert_eq!(gate.syncs.load(Ordering::SeqCst), 5);
    assert_eq!(contents(&reader).0.len(), 49);
    assert_eq!(reader.entry(&key(7)).unwrap().order, orders[7]);
}

#[test]
fn a_key_is_touched_once_per_commit_so_order_is_kept() {
    let (gate, writer) = gated(&roomy());
    gate.shut.store(true, Ordering::SeqCst);
    writer.submit(puts(&[(9, b"")]), vec![], |_| {});
    gate.barrier.wait();
    let results = Arc::new(AtomicU64::new(0));
    let count = || {
        let results = Arc::clone(&results);
        move |result: Result<Committed, CommitError>| {
            result.unwrap();
            results.fetch_add(1, Ordering::SeqCst);
        }
    };
    writer.submit(puts(&[(1, b"a"), (2, b"x")]), vec![], count());
    writer.submit(puts(&[(1, b"b")]), vec![], count());
    writer.submit(Batch::default(), vec![key(1)], count());
    writer.submit(puts(&[(1, b"c")]), vec![key(2)], count());
    gate.barrier.wait();
    let reader = writer.reader();
    writer.close().unwrap();
    assert_eq!(results.load(Ordering::SeqCst), 4);
    assert_eq!(reader.read(&key(1)).unwrap(), b"c");
    assert_eq!(reader.read(&key(2)), Err(ReadError::NotFound));
    assert_eq!(residue::scan(&gate.disk, &unlock()).unwrap().heads, 2);
}

#[test]
fn answers_are_durable_and_erased_is_erased() {
    let (disk, writer) = start(&roomy());
    let writer = &writer;
    std::thread::scope(|scope| {
        for caller in 0..4u8 {
            let disk = Arc::clone(&disk);
            scope.spawn(move || {
                for round in 0..15u8 {
                    let n = caller * 50 + round;
                    let (sender, receiver) = mpsc::channel();
                    let seen = Arc::clone(&disk);
                    writer.submit(puts(&[(n, &[n; 50])]), vec![], move |result| {
                        result.unwrap();
                        sender.send(seen.durable()).unwrap();
                    });
                    let after_a_power_loss = MemoryDisk::from_bytes(receiver.recv().unwrap());
                    let store = Shred::open_read_only(after_a_power_loss, &unlock()).unwrap();
                    assert_eq!(store.read(&key(n)).unwrap(), [n; 50]);
                    if round % 3 == 0 {
                        writer.erase(vec![key(n)]).unwrap();
                        assert!(!super::model::opening(&disk.durable()).contains(&n));
                    }
                }
            });
        }
    });
    assert_eq!(contents(&writer.reader()).0.len(), 40);
}

#[test]
fn s6_an_idle_writer_settles_by_itself() {
    let (disk, writer) = start(&tiny());
    writer.commit(puts(&[(1, b"old"), (2, b"gone")])).unwrap();
    writer.commit(Batch { puts: vec![record(1, b"new")], erases: vec![key(2)] }).unwrap();
    // Far more time than it needs: the test is about a writer that settles without a call.
    for _ in 0..1_000 {
        if super::model::opening(&disk.durable()) == [1] {
            assert_eq!(writer.reader().stats().pending_erases, 0);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the replaced version still opens");
}

#[test]
fn closing_commits_what_is_queued_and_settles() {
    let (disk, writer) = start(&tiny());
    for n in 0..20 {
        writer.submit(puts(&[(n % 5, &[n; 30])]), vec![], |result| assert!(result.is_ok()));
    }
    drop(writer);
    let mut opening = super::model::opening(&disk.durable());
    opening.sort_unstable();
    assert_eq!(opening, [0, 1, 2, 3, 4]);
}

#[test]
fn s13_a_failure_reaches_everyone() {
    let (disk, writer) = start(&roomy());
    writer.commit(puts(&[(1, b"one")])).unwrap();
    disk.fail_from(disk.ops());
    let (sender, receiver) = mpsc::channel();
    for n in 0..10 {
        let sender = sender.clone();
        writer.submit(puts(&[(n + 10, b"")]), vec![], move |result| sender.send(result).unwrap());
    }
    for _ in 0..10 {
        assert_eq!(receiver.recv().unwrap(), Err(CommitError::Stopped));
    }
    disk.heal();
    assert_eq!(writer.commit(puts(&[(3, b"")])), Err(CommitError::Stopped), "no second try");
    assert_eq!(writer.erase(vec![key(1)]), Err(CommitError::Stopped));
    assert_eq!(writer.close(), Err(CommitError::Stopped));
}

#[test]
fn one_callers_refusal_is_his_own() {
    let (gate, writer) = gated(&tiny());
    gate.shut.store(true, Ordering::SeqCst);
    writer.submit(puts(&[(1, b"")]), vec![], |_| {});
    gate.barrier.wait();
    let (sender, receiver) = mpsc::channel();
    let submit = |batch: Batch| {
        let sender = sender.clone();
        writer.submit(batch, vec![], move |result| sender.send(result.map(|_| ())).unwrap());
    };
    submit(puts(&[(2, b"fits")]));
    submit(Batch { puts: (10..30).map(|n| record(n, &[0; 8000])).collect(), erases: vec![] });
    submit(puts(&[(3, b"fits")]));
    submit(puts(&[(4, &[0; 9000])]));
    gate.barrier.wait();
    let answers: Vec<_> = (0..4).map(|_| receiver.recv().unwrap()).collect();
    // The last is over what a segment holds, which is seen before it is queued.
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(())).count(), 2);
    assert!(answers.contains(&Err(CommitError::Full)));
    assert!(answers.contains(&Err(CommitError::TooLarge)));
    assert_eq!(contents(&writer.reader()).0.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn s1_a_panicking_callback_costs_its_own_caller_alone() {
    let (gate, writer) = gated(&roomy());
    gate.shut.store(true, Ordering::SeqCst);
    writer.submit(puts(&[(1, b"")]), vec![], |_| panic!("a caller's mistake"));
    gate.barrier.wait();
    let (sender, receiver) = mpsc::channel();
    for n in 2..6 {
        let sender = sender.clone();
        writer.submit(puts(&[(n, b"")]), vec![], move |result| {
            assert_ne!(n, 3, "a caller's mistake");
            sender.send(result.is_ok()).unwrap();
        });
    }
    gate.barrier.wait();
    drop(sender);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [true; 3], "what is durable is told");
    writer.commit(puts(&[(7, b"")])).unwrap();
    assert_eq!(contents(&writer.reader()).0.len(), 6);
    assert_eq!(writer.close(), Ok(0));
}

#[test]
fn s13_a_writer_that_ends_in_the_middle_of_a_commit_answers_everyone() {
    let (gate, writer) = gated(&roomy());
    gate.shut.store(true, Ordering::SeqCst);
    let (sender, receiver) = mpsc::channel();
    let submit = |n| {
        let sender = sender.clone();
        writer.submit(puts(&[(n, b"")]), vec![], move |result| {
            sender.send(result.map(|_| ())).unwrap();
            assert_ne!(n, 1, "a caller's mistake");
        });
    };
    submit(0);
    gate.barrier.wait();
    (1..5).for_each(submit);
    gate.panics.store(true, Ordering::SeqCst);
    gate.barrier.wait();
    drop(sender);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [Err(CommitError::Stopped); 5]);
    assert_eq!(writer.close(), Err(CommitError::Stopped));
}

#[test]
fn s11_readers_beside_the_writer_see_whole_records_or_none() {
    let (_, writer) = start(&Geometry { max_segments: 200, ..roomy() });
    let (writer, done) = (&writer, AtomicBool::new(false));
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = writer.reader();
                while !done.load(Ordering::SeqCst) {
                    for n in 0..8 {
                        match reader.read(&key(n)) {
                            Ok(body) => {
                                assert!(body.iter().all(|byte| *byte == body[0]) && body.len() == 300)
                            }
                            Err(error) => assert_eq!(error, ReadError::NotFound),
                        }
                        reads.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        // On a busy machine for as long as it takes a reader to come to work.
        let rounds = (0..=u8::MAX).cycle().enumerate();
        for (_, round) in rounds.take_while(|(n, _)| *n < 200 || reads.load(Ordering::SeqCst) == 0) {
            let n = round % 8;
            if round % 5 == 4 {
                writer.erase(vec![key(n)]).unwrap();
            } else {
                let body = vec![round; 300];
                let record = Record { key: key(n), meta: [n; 8], expiry_day: u32::from(n), body };
                writer.commit(Batch { puts: vec![record], erases: vec![] }).unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(reads.load(Ordering::SeqCst) > 0);
}

#[test]
fn s14_a_look_beside_a_busy_writer_shows_some_moment() {
    let (disk, writer) = start(&roomy());
    // Each batch replaces the same two records: a moment shows both of one batch.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..150u8 {
                let both: Vec<(u8, &[u8])> = vec![(1, &[0; 10]), (2, &[0; 10])];
                let mut batch = puts(&both);
                batch.puts.iter_mut().for_each(|record| record.body = vec![n; 10]);
                writer.commit(batch).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut looks = 0;
        while !done.load(Ordering::SeqCst) || looks == 0 {
            let before = disk.seen();
            let look = Shred::open_read_only(Arc::clone(&disk), &unlock()).unwrap();
            let orders: Vec<u64> = look.entries().map(|entry| entry.order).collect();
            assert!(orders.is_empty() || orders[0] + 1 == orders[1], "{orders:?}");
            drop(before);
            looks += 1;
        }
    });
}

#[test]
fn a_callback_may_drop_the_last_handle() {
    let (disk, writer) = start(&tiny());
    let writer = Arc::new(writer);
    let (theirs, (sender, receiver)) = (Arc::clone(&writer), mpsc::channel());
    let barrier = Arc::new(Barrier::new(2));
    let dropped = Arc::clone(&barrier);
    writer.submit(puts(&[(1, b"one")]), vec![], move |result| {
        result.unwrap();
        dropped.wait();
        drop(theirs);
        sender.send(()).unwrap();
    });
    drop(writer);
    barrier.wait();
    receiver.recv().unwrap();
    assert_eq!(super::model::opening(&disk.durable()), [1]);
}

/// A disk that calls a hook before its next read: between a reader's look at the index and its
/// read.
#[derive(Default)]
struct Hooked {
    disk: MemoryDisk,
    hook: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Disk for Hooked {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.disk.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.disk.write_at(offset, bytes)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.disk.sync()
    }
    fn length(&self) -> std::io::Result<u64> {
        self.disk.length()
    }

    fn set_length(&self, length: u64) -> std::io::Result<()> {
        self.disk.set_length(length)
    }
}

#[test]
fn s11_what_moves_under_a_reader_is_followed() {
    let disk = Arc::new(Hooked::default());
    let mut store = Shred::create(Arc::clone(&disk), &tiny(), &unlock(), &mut rng(1)).unwrap();
    store.commit(puts(&[(1, b"one"), (2, b"two"), (3, b"three")]), &mut rng(2)).unwrap();
    let reader = store.reader();
    let core = reader.core();
    let damage = || {
        let at = core.published().find(&key(3)).unwrap().at();
        disk.write_at(core.layout.slot_at(at, 0) + 40, &[0xee; 16]).unwrap();
    };
    let store = Arc::new(Mutex::new(store));
    let meanwhile = |hook: Box<dyn FnOnce() + Send>| *disk.hook.lock().unwrap() = Some(hook);
    let theirs = Arc::clone(&store);
    meanwhile(Box::new(move || {
        let mut store = theirs.lock().unwrap();
        store.commit(puts(&[(1, b"ONE")]), &mut rng(3)).unwrap();
        store.settle().unwrap();
    }));
    assert_eq!(reader.read(&key(1)).unwrap(), b"ONE", "replaced, and the old version destroyed");
    let theirs = Arc::clone(&store);
    meanwhile(Box::new(move || theirs.lock().unwrap().erase(&[key(2)]).unwrap()));
    assert_eq!(reader.read(&key(2)), Err(ReadError::NotFound), "erased");
    damage();
    let theirs = Arc::clone(&store);
    meanwhile(Box::new(move || {
        theirs.lock().unwrap().commit(puts(&[(3, b"new")]), &mut rng(4)).unwrap();
    }));
    assert_eq!(reader.read(&key(3)).unwrap(), b"new", "damaged, but replaced in time");
    damage();
    assert_eq!(reader.read(&key(3)), Err(ReadError::Corrupt), "damaged where it lies");
    assert_eq!(reader.read(&key(1)).unwrap(), b"ONE");
}
