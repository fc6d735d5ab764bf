//! Finds byte strings in the memory of another process (Linux).

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
};

/// A secret of 32 bytes that is searched for. Either half of it is a hit, because the allocator
/// writes its own data over the front of freed memory.
pub(crate) struct Needle {
    pub(crate) kind: &'static str,
    pub(crate) bytes: [u8; 32],
}

/// A copy of a needle, or of one of its halves, in memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) kind: &'static str,
    /// Index of the needle in the list that was searched for.
    pub(crate) needle: usize,
    pub(crate) address: u64,
    /// The use of the memory that holds the copy.
    pub(crate) place: Place,
}

/// The use of a part of a process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The main heap, or another heap of the allocator (an arena).
    Heap,
    /// Memory below the stack pointer of a thread: returned calls have left it.
    DeadStack,
    /// Memory above the stack pointer: calls that have not returned hold it.
    LiveStack,
    /// Private memory without a thread: stacks of threads that have ended, large blocks, static data.
    Other,
}

/// A readable, writable, private part of the process's address space, from `start` to before `end`.
struct Mapping {
    start: u64,
    end: u64,
    name: String,
}

/// Searches all memory that the process can have written for the needles.
///
/// # Errors
/// Fails if the system does not let this process read the memory.
pub(crate) fn scan(pid: u32, needles: &[Needle]) -> io::Result<Vec<Hit>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let pointers = stack_pointers(pid);
    let wanted = Wanted::new(needles);
    let mut hits = Vec::new();
    for mapping in mappings(pid)? {
        let bytes = read(&memory, &mapping)?;
        let pointer = pointers.iter().find(|at| (mapping.start..mapping.end).contains(at));
        for (needle, offset) in wanted.find(&bytes) {
            let address = mapping.start + offset as u64;
            let place = match pointer {
                _ if mapping.name == "[heap]" => Place::Heap,
                Some(pointer) if address < *pointer => Place::DeadStack,
                Some(_) => Place::LiveStack,
                // An arena of glibc begins at a multiple of 64 MiB.
                None if mapping.name.is_empty() && mapping.start % (64 << 20) == 0 => Place::Heap,
                None => Place::Other,
            };
            hits.push(Hit { kind: needles[needle].kind, needle, address, place });
        }
    }
    Ok(hits)
}

fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let parsed = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let name = words.nth(3).unwrap_or_default().to_owned();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        rights.starts_with("rw-p").then_some(Mapping { start, end, name })
    });
    Ok(parsed.collect())
}

/// Reads all bytes of a mapping from `/proc/PID/mem`. Pages that were never touched read as zeros.
fn read(memory: &File, mapping: &Mapping) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(mapping.end - mapping.start).unwrap()];
    memory.read_exact_at(&mut bytes, mapping.start)?;
    Ok(bytes)
}

/// Returns the stack pointers of the process's threads. Threads that run at this moment are left
/// out.
fn stack_pointers(pid: u32) -> Vec<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let pointer = |task: io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.ok()?.path().join("syscall")).ok()?;
        let word = text.split_whitespace().rev().nth(1)?.strip_prefix("0x")?;
        u64::from_str_radix(word, 16).ok()
    };
    tasks.filter_map(pointer).collect()
}

/// An index of the needles, by the first eight bytes of each half.
struct Wanted<'a> {
    needles: &'a [Needle],
    by_word: HashMap<u64, Vec<(usize, usize)>>,
    /// Whether any half of a needle begins with two given bytes, by these bytes as a number: a
    /// quick test that rules out nearly all positions.
    first: Vec<bool>,
}

impl<'a> Wanted<'a> {
    fn new(needles: &'a [Needle]) -> Self {
        let mut by_word: HashMap<u64, Vec<(usize, usize)>> = HashMap::new();
        let mut first = vec![false; 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            for half in [0, 16] {
                let word = u64::from_le_bytes(*needle.bytes[half..].first_chunk().unwrap());
                by_word.entry(word).or_default().push((number, half));
                first[usize::try_from(word & 0xffff).unwrap()] = true;
            }
        }
        Self { needles, by_word, first }
    }

    /// Returns the index of the needle and the offset of each copy in `bytes`. Both halves of one
    /// copy count once.
    fn find(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (offset, window) in bytes.windows(16).enumerate() {
            if !self.first[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let word = u64::from_le_bytes(*window.first_chunk().unwrap());
            for (needle, half) in self.by_word.get(&word).into_iter().flatten() {
                if *window == self.needles[*needle].bytes[*half..*half + 16] {
                    let start = offset.saturating_sub(*half);
                    if !found.contains(&(*needle, start)) {
                        found.push((*needle, start));
                    }
                }
            }
        }
        found
    }
}
