//! The days that own relays say now (spec/14-client.md section 2.2).

use deaddrop_wire::Day;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);

/// The days that relays said in the Hellos of open links. They go on with the time that passes.
#[derive(Default)]
pub(crate) struct RelayDays {
    links: Mutex<(u64, BTreeMap<u64, Heard>)>,
}

struct Heard {
    relay: String,
    day: Day,
    at: Instant,
}

impl Heard {
    /// Returns the day that the relay would say now: the day in its Hello and the days since.
    fn now(&self) -> Day {
        self.day.plus(u32::try_from(self.at.elapsed().as_secs() / DAY.as_secs()).unwrap_or(u32::MAX))
    }
}

/// A day that a relay said on one link. Dropping it, which ends with the link, takes the day out of
/// [`RelayDays`].
pub(super) struct HeardDay {
    days: Arc<RelayDays>,
    link: u64,
}

impl RelayDays {
    /// Notes the day in the Hello of a relay, until the returned value is dropped.
    pub(super) fn hear(self: &Arc<Self>, relay: String, day: Day) -> HeardDay {
        let (next, links) = &mut *self.lock();
        *next += 1;
        links.insert(*next, Heard { relay, day, at: Instant::now() });
        HeardDay { days: Arc::clone(self), link: *next }
    }

    /// Returns the days that the relays with an open link would say now, one for each link.
    pub(crate) fn now(&self) -> Vec<Day> {
        self.lock().1.values().map(Heard::now).collect()
    }

    /// Returns the days that the relays with an open link would say now, by the relay's address;
    /// of several links to one relay, the newest counts.
    pub(crate) fn by_relay(&self) -> BTreeMap<String, Day> {
        self.lock().1.values().map(|heard| (heard.relay.clone(), heard.now())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Heard>)> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeardDay {
    fn drop(&mut self) {
        self.days.lock().1.remove(&self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_day_is_known_while_the_link_stands_and_goes_on() {
        let days = Arc::new(RelayDays::default());
        let today = Day::from_number(20_785);
        let reading = days.hear("a".into(), today);
        let other = days.hear("b".into(), today.plus(9));
        tokio::time::advance(DAY * 5 / 2).await;
        assert_eq!(days.now(), [today.plus(2), today.plus(11)]);
        assert_eq!(days.by_relay().get("b"), Some(&today.plus(11)));
        drop(other);
        let again = days.hear("a".into(), today.plus(3));
        drop(reading);
        assert_eq!(days.now(), [today.plus(3)]);
        drop(again);
        assert!(days.now().is_empty());
    }
}
