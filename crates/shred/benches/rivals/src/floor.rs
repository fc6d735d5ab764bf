//! The floor: the same bytes written and synced without a store.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// A file of zeros that is written over, from its beginning to its end and again.
pub struct Floor {
    file: File,
    length: u64,
    at: u64,
}

impl Floor {
    pub fn new(path: &Path, length: u64) -> Self {
        let file = File::create_new(path).unwrap();
        let zeros = vec![0u8; 1 << 20];
        for at in (0..length).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, length, at: 0 }
    }

    /// Writes `count` times as many bytes as `pending` bodies of `size` have, and syncs each time.
    /// Returns the seconds.
    pub fn run(&mut self, size: usize, pending: usize, count: usize) -> f64 {
        let chunk = vec![0x5a; (size * pending).next_multiple_of(4_096)];
        let start = Instant::now();
        for _ in 0..count {
            if self.at + chunk.len() as u64 > self.length {
                self.at = 0;
            }
            self.file.write_all_at(&chunk, self.at).unwrap();
            self.file.sync_data().unwrap();
            self.at += chunk.len() as u64;
        }
        start.elapsed().as_secs_f64()
    }
}
