//! The same work for each store.

use crate::floor::Floor;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// Number of bytes of bodies in one slice: store and floor take turns after each.
const SLICE: u64 = 6 << 20;

/// Sizes and amounts of one run.
pub struct Plan {
    pub size: usize,
    /// Number of calls that are under way at once.
    pub pending: usize,
    /// Number of bytes of bodies that the store has room for.
    pub room: u64,
    /// Number of bytes of bodies that live at the same time.
    pub live: u64,
    /// Number of bytes of bodies that are put in all.
    pub passes: u64,
}

impl Plan {
    pub fn new(size: usize, pending: usize, is_quick: bool) -> Self {
        // Large enough for some segments, small enough to be filled many times.
        let room = (64 << 20).max(6 * (size * pending) as u64);
        let times = if is_quick { 2 } else { 8 };
        Self { size, pending, room, live: room / 3, passes: times * room }
    }

    pub fn body(&self, n: u64) -> Vec<u8> {
        let mut body = vec![0x5a; self.size];
        body[..8].copy_from_slice(&n.to_le_bytes());
        body
    }
}

/// Returns the name of record `n`, another one for each number. The names of successive numbers are
/// not in order, as those of hashes are not.
pub fn name(n: u64) -> [u8; 16] {
    (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes()
}

/// A store under test. A call returns when its changes are durable. Records are named by their
/// numbers.
pub trait Store {
    /// Puts the records with these numbers, `plan.pending` at the same time. Adds the seconds that
    /// each commit, or each call, took to `times`.
    fn put(&mut self, numbers: Range<u64>, plan: &Plan, times: &mut Vec<f64>);
    fn read(&mut self, n: u64) -> Vec<u8>;
    /// Erases the records with these numbers, `plan.pending` at the same time.
    fn erase(&mut self, numbers: Range<u64>, plan: &Plan);
    /// Returns the number of bytes that the store has written so far; `None` if it is not known.
    fn written(&self) -> Option<u64> {
        None
    }
    /// Returns the number of syncs that the store has waited for so far; `None` if it is not known.
    fn syncs(&self) -> Option<u64> {
        None
    }
}

/// Measures one store in its steady state: puts, and cycles of put, read and erase, in slices,
/// after each of which the floor writes as much. Prints a line of the table.
pub fn measure(dir: &Path, name: &str, plan: &Plan, open: fn(&Path, &Plan) -> Box<dyn Store>) {
    let (size, pending) = (plan.size, plan.pending as u64);
    // A slice: several commits, beside as many of the floor.
    let commits = (SLICE / (size as u64 * pending)).max(1);
    let mut floor = Floor::new(&dir.join("floor"), plan.room.min(64 << 20));
    let mut store = open(&dir.join("store"), plan);
    let (mut next, mut oldest) = (0, 0);
    let (mut floor_time, mut put_time, mut cycle_time, mut measured) = (0.0, 0.0, 0.0, 0);
    let mut times = Vec::new();
    let mut written_before = 0;
    let mut syncs_of_puts = 0;
    while next * (size as u64) < plan.passes {
        // The first quarter warms up: until then no segment is used again.
        let counts = next * (size as u64) >= plan.passes / 4;
        let syncs = store.syncs().unwrap_or(0);
        let start = Instant::now();
        let numbers = next..next + commits * pending;
        store.put(numbers.clone(), plan, &mut times);
        let put = start.elapsed().as_secs_f64();
        let syncs = store.syncs().unwrap_or(0) - syncs;
        for n in numbers.clone() {
            assert_eq!(store.read(n)[..8], n.to_le_bytes());
        }
        next = numbers.end;
        if (next - oldest) * size as u64 > plan.live {
            store.erase(oldest..oldest + commits * pending, plan);
            oldest += commits * pending;
        }
        let cycle = start.elapsed().as_secs_f64();
        if !counts {
            written_before = store.written().unwrap_or(0);
            times.clear();
            continue;
        }
        put_time += put;
        cycle_time += cycle;
        measured += commits * pending;
        syncs_of_puts += syncs;
        // The floor takes turns: the disk is not the same from second to second.
        floor_time += floor.run(size, plan.pending, commits as usize);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] * 1e6;
    let rate = |seconds: f64| measured as f64 / seconds;
    let bytes =
        store.written().map(|bytes| (bytes - written_before) as f64 / (measured as f64 * size as f64));
    let length = walk(&dir.join("store"));
    println!(
        "{size:>6} x {pending:>7} {name:<8} | {:>9.0} | {:>9.0} {:>5.2} | {:>9.0} {:>5.2} | {:>7.0} {:>8.0} {:>9.1} | {:>5.2} | {:>5.0} | {:>7.1}",
        rate(floor_time),
        rate(put_time),
        floor_time / put_time,
        rate(cycle_time),
        floor_time / cycle_time,
        at(0.5),
        at(0.99),
        at(1.0) / at(0.5),
        bytes.unwrap_or(f64::NAN),
        measured as f64 / syncs_of_puts as f64,
        length as f64 / 1e6,
    );
}

fn walk(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::metadata(path) else { return 0 };
    if metadata.is_dir() {
        return std::fs::read_dir(path).unwrap().map(|entry| walk(&entry.unwrap().path())).sum();
    }
    metadata.len()
}
