//! Bytes of puts from one network over many links, and from many networks, with links as values and
//! simulated time.

use super::*;
use crate::admission::Prefix;
use crate::limits::Limits;
use crate::session::SessionContext;
use crate::session::kit::{at, hear, link};
use deaddrop_wire::{Blob, Item, PresentedSend, SizeClass};
use std::sync::Arc;

const MIB: u64 = 1_048_576;

/// Sends one put of a blob of `class`. Returns the seconds to wait if the put is refused, and
/// `None` if the session passes it on to the store.
fn put(link: &mut RelaySession, class: SizeClass, ms: u64) -> Option<u16> {
    let blob = Blob::new(vec![0; class.bytes()]).unwrap();
    let out = hear(link, Put { req: 1, send: PresentedSend::from_bytes([1; 32]), blob }.into(), ms);
    match (&out.items[..], &out.calls[..]) {
        ([], [Call::Put(_)]) => None,
        ([Item::Answer(Answer { code: AnswerCode::Busy, retry_s, .. })], []) => Some(*retry_s),
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_links_of_one_prefix_share_one_budget_and_another_prefix_has_its_own() {
    let limits = Limits {
        put_bytes_per_s_per_prefix: 4_096,
        put_bytes_burst_per_prefix: 16 * 4_096,
        ..Limits::DEFAULT
    };
    let shared = Arc::new(SessionContext::new(limits, None));
    let mut hostile: Vec<_> = (0..32).map(|_| link(&shared, Prefix::numbered(1))).collect();
    let taken = hostile.iter_mut().filter_map(|link| put(link, SizeClass::Small, 0).is_none().then_some(()));
    assert_eq!(taken.count(), 16, "the burst of the prefix, however many links it has");
    assert_eq!(put(&mut link(&shared, Prefix::numbered(1)), SizeClass::Small, 0), Some(1), "nor a new link");
    assert_eq!(put(&mut hostile[0], SizeClass::Large, 0), Some(16));
    assert_eq!(put(&mut link(&shared, Prefix::numbered(2)), SizeClass::Large, 0), None);
    // Loopback and the proxies have no rate of their own.
    let mut behind = link(&shared, Prefix::SHARED);
    assert!((0..32).all(|_| put(&mut behind, SizeClass::Small, 0).is_none()));
    assert_eq!(shared.puts_too_fast(), 18);
    assert_eq!(put(&mut hostile[31], SizeClass::Small, 999), Some(1));
    assert_eq!(put(&mut hostile[31], SizeClass::Small, 1_000), None);
}

#[test]
fn a_phone_network_full_of_honest_clients_is_never_refused_at_the_defaults() {
    let limits = Limits::DEFAULT;
    let shared = Arc::new(SessionContext::new(limits.clone(), None));
    let mut links: Vec<_> =
        (0..limits.connections_per_prefix).map(|_| link(&shared, Prefix::numbered(1))).collect();
    for link in &mut links {
        // 1 MiB each at once.
        assert!((0..16).all(|_| put(link, SizeClass::Large, 0).is_none()));
    }
    // Then each writes once a second, and one in four uploads 128 KiB a second, for five minutes.
    for second in 1..300 {
        for (number, link) in links.iter_mut().enumerate() {
            let uploaded = if number % 4 == 0 { 2 } else { 0 };
            assert!((0..uploaded).all(|_| put(link, SizeClass::Large, second * 1_000).is_none()));
            assert_eq!(put(link, SizeClass::Small, second * 1_000), None, "second {second}");
        }
    }
}

#[test]
fn a_put_that_its_prefix_refuses_takes_no_bytes_from_its_link() {
    let limits = Limits {
        put_bytes_per_s: 1,
        put_bytes_burst: 2 * 4_096,
        put_bytes_per_s_per_prefix: 4_096,
        put_bytes_burst_per_prefix: 4_096,
        ..Limits::DEFAULT
    };
    let shared = Arc::new(SessionContext::new(limits, None));
    let mut one = link(&shared, Prefix::numbered(1));
    assert_eq!(put(&mut one, SizeClass::Small, 0), None);
    assert_eq!([0; 8].map(|ms| put(&mut one, SizeClass::Small, ms)), [Some(1); 8]);
    assert_eq!(put(&mut one, SizeClass::Small, 1_000), None, "the link has its second one");
    assert!(put(&mut one, SizeClass::Small, 2_000).is_some_and(|wait| wait > 4_000), "and no third");
}

/// Simulates two minutes in which 32 networks put blobs of the largest class as fast as they can,
/// and `prefix` puts one of `class` each `every_ms` after the first second. Returns the accepted
/// bytes of the 32 networks, those of `prefix`, and the number of refused puts of `prefix`.
fn flood(limits: Limits, prefix: Prefix, class: SizeClass, every_ms: u64) -> (u64, u64, u32) {
    let shared = SessionContext::new(limits, None);
    let large = SizeClass::Large.bytes() as u64;
    let (mut got, mut own, mut refused) = (0, 0, 0);
    for ms in 0..120_000 {
        for number in 0..32 {
            while shared.take_put(Prefix::numbered(number), large, at(ms)).is_ok() {
                got += large;
            }
        }
        if ms >= 1_000 && ms % every_ms == 0 {
            match shared.take_put(prefix, class.bytes() as u64, at(ms)) {
                Ok(()) => own += class.bytes() as u64,
                Err(_) => refused += 1,
            }
        }
    }
    (got, own, refused)
}

#[test]
fn a_flood_of_puts_from_many_networks_leaves_the_others_theirs() {
    let all =
        u64::from(Limits::DEFAULT.all_put_bytes_burst) + 120 * u64::from(Limits::DEFAULT.all_put_bytes_per_s);
    let honest = Prefix::numbered(1_000);
    // One who writes twice a second, and one who uploads half a MiB a second.
    for (class, every_ms) in [(SizeClass::Small, 500), (SizeClass::Large, 125)] {
        let (got, own, refused) = flood(Limits::DEFAULT, honest, class, every_ms);
        assert_eq!(refused, 0, "{class:?}");
        assert!(got + own <= all && got > all / 2, "{got} and {own}");
    }
    // Without a rate over all, the flood gets what 32 networks may have.
    let free = Limits { all_put_bytes_per_s: u32::MAX, all_put_bytes_burst: u32::MAX, ..Limits::DEFAULT };
    assert!(flood(free, honest, SizeClass::Small, 500).0 > all);
}

#[test]
fn the_people_behind_a_proxy_have_their_part_of_the_bytes_beside_a_flood() {
    // 8 MiB a second: half of the part that is kept for them.
    let (_, own, refused) = flood(Limits::DEFAULT, Prefix::SHARED, SizeClass::Large, 8);
    assert_eq!((own, refused), (14_875 * 65_536, 0));
    assert!(own >= 900 * MIB, "they took more than a prefix that is served first");
    let none = Limits { proxies_percent: 0, ..Limits::DEFAULT };
    let (_, _, refused) = flood(none, Prefix::SHARED, SizeClass::Large, 8);
    assert!(refused > 5_000, "{refused}: nothing is kept for them");
}
