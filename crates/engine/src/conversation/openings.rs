//! Limits the rate at which links for one contact begin, whatever their relay does with them.

use super::moment::Moment;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Minimum time between the beginnings of two putting links for one contact (spec/14-client.md
/// section 6).
pub(crate) const SPACING: Duration = Duration::from_secs(1);
/// Minimum time between two putting links for one contact that begin earlier than the spacing
/// allows, because of a user's action (spec/14-client.md section 6).
const HASTE_EVERY: Duration = Duration::from_secs(10);

/// Start times of the putting links, by contact, shared by all conversations of a client. The times
/// are kept when a conversation ends: otherwise a relay that answers a put and closes would be
/// connected to again with the next text at once.
#[derive(Debug, Default)]
pub struct Openings(Mutex<BTreeMap<u32, Opening>>);

#[derive(Debug)]
/// The times at which putting links for one contact have begun.
struct Opening {
    /// The time at which the newest link began.
    began: Moment,
    /// The time at which a link last began earlier than the spacing allows; `None`: none did.
    hasty: Option<Moment>,
}

impl Openings {
    /// Asks whether a putting link for a contact may begin now, at least `spacing` after the one
    /// before; if it may, notes that it begins. `is_urgent` tells that a user's action has ended
    /// the wait: then the link may begin earlier, once in [`HASTE_EVERY`]. `Err` holds the moment
    /// before which the link may not begin.
    pub(crate) fn begin(
        &self,
        contact: u32,
        is_urgent: bool,
        spacing: Duration,
        now: Moment,
    ) -> Result<(), Moment> {
        let mut openings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No hasty one is newer than the newest, so what falls out here makes no difference.
        openings.retain(|_, opening| now.since(opening.began) < HASTE_EVERY.max(spacing));
        let Some(opening) = openings.get_mut(&contact) else {
            openings.insert(contact, Opening { began: now, hasty: None });
            return Ok(());
        };
        let earliest = opening.began.plus(spacing);
        if now < earliest {
            if !is_urgent || opening.hasty.is_some_and(|at| now.since(at) < HASTE_EVERY) {
                return Err(earliest);
            }
            opening.hasty = Some(now);
        }
        opening.began = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_begin_a_second_apart_and_one_in_ten_seconds_sooner() {
        let openings = Openings::default();
        let mut now = Moment::default();
        let end = now.plus(Duration::from_secs(100));
        let mut count = 0;
        while now < end {
            match openings.begin(1, true, SPACING, now) {
                Ok(()) => count += 1,
                Err(at) => now = at,
            }
        }
        assert!((100..=111).contains(&count), "{count} links in 100 s");
        assert_eq!(openings.begin(2, false, SPACING, now), Ok(()), "another contact");
        assert!(openings.begin(2, false, SPACING, now).is_err(), "no user wants it");
        now = now.plus(Duration::from_secs(10));
        assert_eq!(openings.begin(1, false, SPACING, now), Ok(()));
        assert_eq!(openings.0.lock().unwrap().len(), 1, "what does not matter any more takes no room");
    }
}
