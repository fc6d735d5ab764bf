//! A vault that lives for years: any number of texts passes through it, and texts that its owner
//! has read are erased.
//!
//! `DEADDROP_TEXTS` sets another number of texts than 5,000; 500,000 before a release.

use super::*;

/// Number of texts that one person sends before the other does, as one batch.
const ROUND: usize = 25;

/// Returns the number of bytes of memory that this process has in use; 0 if the system does not
/// tell.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

#[test]
fn texts_without_end_pass_a_vault_whose_size_stays() {
    let count = std::env::var("DEADDROP_TEXTS").map_or(5_000, |count| count.parse().unwrap());
    let is_long = count > 50_000;
    // A run of CI gets a vault in which segments are used again some ten times.
    let shape = if is_long { Geometry::vault() } else { Geometry { max_segments: 64, ..small() } };
    let mut people = friends([shape; 2]);
    let mut day = TODAY;
    let (mut said, mut shown, mut levels) = ([0_usize; 2], [0_usize; 2], Vec::new());
    let begun = Instant::now();
    for round in 0..count / ROUND {
        let from = round % 2;
        // Some two years.
        if round % (count / ROUND / 730).max(1) == 0 && round > 0 {
            day = day.plus(1);
            people.iter_mut().for_each(|person| person.engine().begin_day(day).unwrap());
        }
        for _ in 0..ROUND {
            let text = format!("{} of {from}, some words more than a name has", said[from]);
            people[from].engine().send_text(NAMES[1 - from], &text, day.unix_seconds()).unwrap();
            said[from] += 1;
        }
        pass(&mut people, from, day).unwrap();
        for text in people[1 - from].take_texts() {
            assert!(text.starts_with(&format!("{} of {from},", shown[from])), "{text}");
            shown[from] += 1;
        }
        assert_eq!(shown, said);
        if round % (count / ROUND / 20) == 0 {
            let vaults: Vec<_> = people.iter_mut().map(|person| person.engine().vault_status()).collect();
            let level = (vaults[0].file_bytes + vaults[1].file_bytes, memory());
            let (used, dead) = (vaults[0].used_bytes, vaults[0].dead_bytes);
            println!(
                "{:>7} texts, {:>5} s: files {} KiB, memory {} KiB, used {} KiB, dead {} KiB",
                (round + 1) * ROUND,
                begun.elapsed().as_secs(),
                level.0 >> 10,
                level.1 >> 10,
                used >> 10,
                dead >> 10
            );
            assert!(vaults.iter().all(|vault| vault.file_bytes <= vault.limit_bytes));
            levels.push(level);
        }
    }
    for who in [1, 0, 1] {
        pass(&mut people, who, day).unwrap();
    }
    for person in &mut people {
        assert_eq!(person.engine().waiting(), (0, 0));
        assert_eq!(person.engine().vault_status().room, VaultRoom::Enough);
        person.crash(day);
    }
    // From a half of the run on nothing grows by more than a tenth and a segment or two.
    let (middle, last) = (levels[levels.len() / 2], *levels.last().unwrap());
    let slack = u64::from(shape.segment_bytes) * 2;
    assert!(last.0 <= middle.0 + middle.0 / 10 + slack, "{levels:?}");
    if is_long {
        assert!(last.1 <= middle.1 + middle.1 / 10 + 2 * slack, "{levels:?}");
    }
}
