//! How often links for one contact begin, whatever their relay does with them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The least time between the beginnings of two links for one contact.
pub(super) const SPACING: Duration = Duration::from_secs(1);
/// A user's action lets a link begin sooner, once in this time.
const HASTE_EVERY: Duration = Duration::from_secs(10);

/// Start times of the links for contacts. They outlive the tasks that open them: a relay that answers a put and closes ends the task, and the
/// next text would begin a new one at once.
#[derive(Default)]
pub(crate) struct Openings(Mutex<BTreeMap<u32, Opening>>);

struct Opening {
    /// The newest link began.
    began: Instant,
    /// The newest of those that began sooner than the spacing allows.
    hasty: Option<Instant>,
}

impl Openings {
    /// A link for a contact is about to begin; `is_urgent`: a user's action has ended the wait for it. `Ok`: it may, and counts as begun
    /// now. `Err`: not before this moment.
    pub(super) fn begin(&self, contact: u32, is_urgent: bool, spacing: Duration) -> Result<(), Instant> {
        let now = Instant::now();
        let mut openings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No hasty one is newer than the newest, so what falls out here makes no difference.
        openings.retain(|_, opening| now.duration_since(opening.began) < HASTE_EVERY.max(spacing));
        let Some(opening) = openings.get_mut(&contact) else {
            openings.insert(contact, Opening { began: now, hasty: None });
            return Ok(());
        };
        let earliest = opening.began + spacing;
        if now < earliest {
            if !is_urgent || opening.hasty.is_some_and(|at| now.duration_since(at) < HASTE_EVERY) {
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
    use tokio::time::{advance, sleep_until};

    #[tokio::test(start_paused = true)]
    async fn links_begin_a_second_apart_and_one_in_ten_seconds_sooner() {
        let openings = Openings::default();
        let begin = Instant::now();
        let mut count = 0;
        while begin.elapsed() < Duration::from_secs(100) {
            match openings.begin(1, true, SPACING) {
                Ok(()) => count += 1,
                Err(at) => sleep_until(at).await,
            }
        }
        assert!((100..=111).contains(&count), "{count} links in 100 s");
        assert_eq!(openings.begin(2, false, SPACING), Ok(()), "another contact");
        assert!(openings.begin(2, false, SPACING).is_err(), "no user wants it");
        advance(Duration::from_secs(10)).await;
        assert_eq!(openings.begin(1, false, SPACING), Ok(()));
        assert_eq!(openings.0.lock().unwrap().len(), 1, "what does not matter any more takes no room");
    }
}
