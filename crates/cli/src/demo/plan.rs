//! The plan of a replay: the lines of each side, the flights (times in which one side is offline),
//! and the lines after which the relay is killed.

use std::ops::Range;

use crate::transcript::Transcript;

/// The two people of a demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The person who invites; in a replay, the speaker of the lines of "me".
    One,
    /// The person who accepts; in a replay, the speaker of all other lines.
    Two,
}

impl Side {
    /// Both sides, the first one first.
    pub const BOTH: [Self; 2] = [Self::One, Self::Two];

    /// Returns the other side.
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}

/// A value for each side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair<T> {
    /// The value for [`Side::One`].
    pub one: T,
    /// The value for [`Side::Two`].
    pub two: T,
}

impl<T> Pair<T> {
    /// Returns the value for a side.
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::One => &self.one,
            Side::Two => &self.two,
        }
    }

    /// Returns the value for a side, to be changed.
    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::One => &mut self.one,
            Side::Two => &mut self.two,
        }
    }
}

/// A line that one side is going to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// Index of the line in the transcript, from 0, counted over both sides.
    pub place: usize,
    /// Number of lines of the other side that come before this line: the speaker has seen them.
    pub after: usize,
    /// The text of the line.
    pub text: String,
}

/// A time in which one side is offline while the other continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// The side that is offline.
    pub side: Side,
    /// Indices of lines, as [`Saying::place`] counts them. The flight begins when the line at
    /// `start` is next to be said, and ends when the other side has said all its lines before
    /// `end`.
    pub lines: Range<usize>,
}

/// The course of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The lines of each side, in their order.
    pub sayings: Pair<Vec<Saying>>,
    /// Flights in the order of their start. They do not overlap, and the sides take turns:
    /// [`Side::Two`] first.
    pub flights: Vec<Flight>,
    /// Numbers of said lines, counted over both sides, after which the relay is killed; ascending,
    /// with repeats if there are more crashes than lines.
    pub crashes: Vec<usize>,
}

/// Number of lines that the side in flight misses, if the other side has so many in this part of
/// the transcript. Twelve, so that several texts wait together at the relay.
const FLIGHT_LINES: usize = 12;

impl Plan {
    /// Plans a replay: the lines of the speaker `me` go to side one, all others to side two.
    /// `flights` and `crashes` are the numbers of each; they are spread evenly. In a short
    /// transcript some flights miss no line.
    pub fn new(transcript: &Transcript, me: &str, flights: usize, crashes: usize) -> Self {
        let mut sayings = Pair::<Vec<Saying>>::default();
        for (place, line) in transcript.lines().iter().enumerate() {
            let side = if line.speaker == me { Side::One } else { Side::Two };
            let after = sayings.of(side.other()).len();
            sayings.of_mut(side).push(Saying { place, after, text: line.text.clone() });
        }
        let lines = transcript.lines().len();
        // Each flight has a stretch of the transcript of its own and begins after a third of it, so that there is talk before.
        let flights = (0..flights).map(|flight| {
            let side = if flight % 2 == 0 { Side::Two } else { Side::One };
            let (from, to) = (lines * flight / flights, lines * (flight + 1) / flights);
            let start = from + (to - from) / 3;
            let theirs = sayings.of(side.other()).iter().map(|saying| saying.place);
            let last = theirs.filter(|place| (start..to).contains(place)).take(FLIGHT_LINES).last();
            Flight { side, lines: start..last.map_or(start, |place| place + 1) }
        });
        let flights = flights.collect();
        // In the middle of stretches, and never before the first line.
        let crashes =
            (0..crashes).map(|crash| (lines * (2 * crash + 1)).div_ceil(2 * crashes).max(1)).collect();
        Self { sayings, flights, crashes }
    }

    /// Returns the number of lines of both sides.
    pub fn lines(&self) -> usize {
        self.sayings.one.len() + self.sayings.two.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(speakers: &str) -> Transcript {
        let text: String =
            speakers.chars().enumerate().map(|(n, speaker)| format!("{speaker}\t{n}\n")).collect();
        Transcript::parse(text.as_bytes(), 100).unwrap()
    }

    #[test]
    fn every_line_is_said_by_one_side_in_order() {
        let plan = Plan::new(&transcript("abacb"), "a", 0, 0);
        let places = |side| plan.sayings.of(side).iter().map(|x| (x.place, x.after)).collect::<Vec<_>>();
        assert_eq!(places(Side::One), [(0, 0), (2, 1)]);
        assert_eq!(places(Side::Two), [(1, 1), (3, 2), (4, 2)]);
        assert_eq!(plan.lines(), 5);
    }

    #[test]
    fn flights_take_turns_and_do_not_overlap() {
        let plan = Plan::new(&transcript(&"ab".repeat(400)), "a", 8, 4);
        assert_eq!(plan.flights.len(), 8);
        for (flight, next) in plan.flights.iter().zip(plan.flights.iter().skip(1)) {
            assert!(flight.lines.end <= next.lines.start);
            assert_eq!(flight.side.other(), next.side);
        }
        for flight in &plan.flights {
            let missed =
                plan.sayings.of(flight.side.other()).iter().filter(|x| flight.lines.contains(&x.place));
            assert_eq!(missed.count(), FLIGHT_LINES);
        }
        assert_eq!(plan.crashes, [100, 300, 500, 700]);
    }

    #[test]
    fn short_talks_fly_and_crash_as_often_as_asked() {
        for talk in ["a", "ab", "aaa", "abc"] {
            let plan = Plan::new(&transcript(talk), "a", 5, 7);
            assert_eq!((plan.flights.len(), plan.crashes.len()), (5, 7));
            assert!(plan.crashes.iter().all(|crash| (1..=talk.len()).contains(crash)));
            assert!(plan.crashes.is_sorted());
            assert!(plan.flights.iter().all(|flight| flight.lines.end <= talk.len()));
        }
    }
}
