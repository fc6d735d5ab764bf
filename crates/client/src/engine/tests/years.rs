//! A vault that lives for years: any number of texts passes it, and what its owner has read leaves it.
//!
//! `DEADDROP_TEXTS` sets another number of texts, for a release: 500,000.

use super::*;

/// Texts that one person sends before the other does.
const ROUND: usize = 25;

/// One way: what `from` has to send is stored at the relay, and `to` takes it. Returns the texts that `to` reads and forgets.
fn pass(people: &mut [Person; 2], from: usize, today: Day) -> Vec<String> {
    let to = 1 - from;
    if let Some(id) = people[from].engine().receipts_due().first().copied() {
        people[from].engine().seal_receipt(id, today).unwrap();
    }
    loop {
        let jobs = people[from].engine().take_puts(1, &BTreeSet::new(), 16);
        if jobs.is_empty() {
            break;
        }
        let puts: Vec<_> = jobs.iter().map(PutJob::sent).collect();
        people[from].engine().accepted(1, &puts, LIVES, today).unwrap();
        let mailboxes = people[to].engine().mailboxes_at(RELAY);
        for job in jobs {
            let named = mailboxes.iter().find(|mailbox| mailbox.send.expose() == job.address.send.expose());
            let name = named.unwrap().name;
            people[to].engine().delivered(name, &job.envelope, today).unwrap();
            people[to].engine().acked(name, job.envelope.first_chunk().unwrap());
        }
    }
    let texts = people[to].texts();
    let engine = people[to].engine();
    let last = engine.last_event();
    engine.forget_events_before(last + 1).unwrap();
    texts
}

/// Bytes of memory of this process, as far as the system tells.
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
    let short = Geometry { segment_bytes: 256 << 10, slots_per_segment: 256, max_segments: 64, ..geometry() };
    let shape = if is_long { Geometry::vault() } else { short };
    let mut world = healing::friends_of(World::with(400, [shape, shape]));
    let mut day = world.today;
    for who in [0, 1] {
        let engine = world.people[who].engine();
        let last = engine.last_event();
        engine.forget_events_before(last + 1).unwrap();
    }
    let (mut said, mut shown, mut levels) = ([0_usize; 2], [0_usize; 2], Vec::new());
    let begun = std::time::Instant::now();
    for round in 0..count / ROUND {
        let from = round % 2;
        // Some two years.
        if round % (count / ROUND / 730).max(1) == 0 && round > 0 {
            day = day.plus(1);
            world.people.iter_mut().for_each(|person| person.engine().begin_day(day).unwrap());
        }
        for _ in 0..ROUND {
            let text = format!("{} of {from}, some words more than a name has", said[from]);
            world.people[from].engine().send_text(NAMES[1 - from], &text, NOW).unwrap();
            said[from] += 1;
        }
        for text in pass(&mut world.people, from, day) {
            assert!(text.starts_with(&format!("{} of {from},", shown[from])), "{text}");
            shown[from] += 1;
        }
        assert_eq!(shown, said);
        if round % (count / ROUND / 20) == 0 {
            let vaults: Vec<_> =
                world.people.iter_mut().map(|person| person.engine().vault_status()).collect();
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
        pass(&mut world.people, who, day);
    }
    for person in &mut world.people {
        assert_eq!(person.engine().waiting(), (0, 0));
        assert!(person.engine().vault.keys(Table::Seen).len() <= incoming::MAX_SEEN);
        assert_eq!(person.engine().vault_status().room, crate::VaultRoom::Enough);
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
