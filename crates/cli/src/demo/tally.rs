//! The comparison of the lines that a receiving side got with the lines that it should have got.
//!
//! Texts may be equal to each other, so lines are told from each other by their place: the longest
//! common subsequence is in order. Of the other lines, one that was expected and arrived is out of
//! order, one that was expected and did not arrive is lost, and any further arrival is duplicated.

use std::collections::HashMap;

/// The figures of the lines that go in one direction, or of both directions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of lines that arrived, each counted once.
    pub delivered: usize,
    /// Number of expected lines that did not arrive unchanged.
    pub lost: usize,
    /// Number of arrivals beyond the first of a line, or of a text that is no line.
    pub duplicated: usize,
    /// Number of lines that arrived, but not in their place in the order.
    pub out_of_order: usize,
}

impl Tally {
    /// Compares the expected lines with the received ones.
    pub fn compare(expected: &[&str], received: &[&str]) -> Self {
        let ordered = common(expected, received);
        let mut open = HashMap::<&str, usize>::new();
        for text in expected {
            *open.entry(text).or_default() += 1;
        }
        let mut delivered = 0;
        for text in received {
            if let Some(left) = open.get_mut(text).filter(|left| **left > 0) {
                *left -= 1;
                delivered += 1;
            }
        }
        Self {
            delivered,
            lost: expected.len() - delivered,
            duplicated: received.len() - delivered,
            out_of_order: delivered - ordered,
        }
    }

    /// Adds each count of `other` to that of this tally, and returns the result.
    pub fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            out_of_order: self.out_of_order + other.out_of_order,
        }
    }

    /// Whether no line is lost, duplicated or out of order.
    pub fn is_clean(self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.out_of_order == 0
    }
}

/// Returns the length of the longest common subsequence (Hunt and Szymanski 1977), equal heads and tails taken off
/// first.
fn common(mut a: &[&str], mut b: &[&str]) -> usize {
    let mut ends = 0;
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b)
        && x == y
    {
        (a, b, ends) = (a_rest, b_rest, ends + 1);
    }
    while let ([a_rest @ .., x], [b_rest @ .., y]) = (a, b)
        && x == y
    {
        (a, b, ends) = (a_rest, b_rest, ends + 1);
    }
    let mut places = HashMap::<&str, Vec<usize>>::new();
    for (place, text) in a.iter().enumerate() {
        places.entry(text).or_default().push(place);
    }
    // tails[k] is the smallest place in `a` at which a common subsequence of length k + 1 can end.
    let mut tails = Vec::<usize>::new();
    for text in b {
        for &place in places.get(text).into_iter().flatten().rev() {
            let length = tails.partition_point(|&tail| tail < place);
            match tails.get_mut(length) {
                Some(tail) => *tail = place,
                None => tails.push(place),
            }
        }
    }
    ends + tails.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(expected: &'static str, received: &'static str) -> (usize, usize, usize, usize) {
        let letters =
            |text: &'static str| text.split("").filter(|letter| !letter.is_empty()).collect::<Vec<_>>();
        let (expected, received) = (letters(expected), letters(received));
        let t = Tally::compare(&expected, &received);
        assert_eq!(t.delivered + t.lost, expected.len());
        assert_eq!(t.delivered + t.duplicated, received.len());
        (t.delivered, t.lost, t.duplicated, t.out_of_order)
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        assert_eq!(tally("abcabc", "abcabc"), (6, 0, 0, 0));
        assert_eq!(tally("", ""), (0, 0, 0, 0));
        assert_eq!(tally("abc", ""), (0, 3, 0, 0));
        assert_eq!(tally("abcd", "abd"), (3, 1, 0, 0));
        assert_eq!(tally("aba", "ba"), (2, 1, 0, 0));
        assert_eq!(tally("aba", "abba"), (3, 0, 1, 0));
        assert_eq!(tally("abcd", "acbd"), (4, 0, 0, 1));
        assert_eq!(tally("abc", "abx"), (2, 1, 1, 0));
        assert_eq!(tally("abcdef", "bcdefa"), (6, 0, 0, 1));
        assert_eq!(tally("aaaa", "aaa"), (3, 1, 0, 0));
    }

    #[test]
    fn the_longest_common_subsequence_is_the_longest() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand::rngs::StdRng::seed_from_u64(3);
        for _ in 0..500 {
            let word = |rng: &mut rand::rngs::StdRng| {
                (0..rng.random_range(0..9))
                    .map(|_| ["x", "y", "z"][rng.random_range(0..3_usize)])
                    .collect::<Vec<_>>()
            };
            let (a, b) = (word(&mut rng), word(&mut rng));
            let mut table = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
            for i in 0..a.len() {
                for j in 0..b.len() {
                    table[i + 1][j + 1] =
                        if a[i] == b[j] { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
                }
            }
            assert_eq!(common(&a, &b), table[a.len()][b.len()], "{a:?} {b:?}");
        }
    }
}
