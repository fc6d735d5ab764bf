//! Work on many values by as many threads as the machine has processors.

use std::num::NonZero;
use std::thread::{Builder, available_parallelism, scope};

/// Maximum number of threads, however many processors the machine has.
const MAX_THREADS: usize = 8;

/// Returns what `work` returns for each item, in order. The part of a thread that the system does
/// not provide, or that panics, is done by the calling thread.
pub(super) fn map_in_parallel<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> U + Sync) -> Vec<U> {
    let threads = available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let all = |part: &[T]| part.iter().map(&work).collect::<Vec<U>>();
    let mut parts = items.chunks(items.len().div_ceil(threads).max(1));
    let first = parts.next().unwrap_or_default();
    scope(|scope| {
        let mut others = Vec::new();
        for part in parts {
            others.push((part, Builder::new().spawn_scoped(scope, move || all(part)).ok()));
        }
        let mut found = all(first);
        for (part, thread) in others {
            let done = thread.and_then(|thread| thread.join().ok());
            found.extend(done.unwrap_or_else(|| all(part)));
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, 2, 7, 1_000] {
            let items: Vec<u32> = (0..count).collect();
            assert!(map_in_parallel(&items, |item| item * 2).into_iter().eq((0..count).map(|item| item * 2)));
        }
    }
}
