//! Sets of line numbers, written as `3,7-9`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Line numbers from 1, as ranges in ascending order that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LineSet(Vec<(u64, u64)>);

impl LineSet {
    pub(crate) fn range(first: u64, last: u64) -> Self {
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    /// Adds a line that is greater than all others.
    pub(crate) fn push(&mut self, line: u64) {
        self.push_range((line, line));
    }

    /// Adds a range that begins no earlier than all others.
    fn push_range(&mut self, (first, last): (u64, u64)) {
        match self.0.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => self.0.push((first, last)),
        }
    }

    pub(crate) fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|&(first, _)| first)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(|&(_, last)| last)
    }

    pub(crate) fn contains(&self, line: u64) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= line);
        after.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|&(_, last)| line <= last)
    }

    /// How many lines there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().fold(0, |count, &(first, last)| count.saturating_add((last - first).saturating_add(1)))
    }

    /// The lines up to this one.
    pub(crate) fn up_to(&self, line: u64) -> Self {
        let ranges = self.0.iter().take_while(|&&(first, _)| first <= line);
        Self(ranges.map(|&(first, last)| (first, last.min(line))).collect())
    }

    /// The first lines, at most so many.
    pub(crate) fn take(&self, count: usize) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last).take(count)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut ranges: Vec<_> = self.0.iter().chain(&other.0).copied().collect();
        ranges.sort_unstable();
        let mut union = Self::default();
        for range in ranges {
            union.push_range(range);
        }
        union
    }

    /// The lines that are not in the other set.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut removed = other.0.iter().peekable();
        for &(first, last) in &self.0 {
            // Those that end before this range end before all later ones, too.
            while removed.next_if(|&&(_, end)| end < first).is_some() {}
            let mut next = Some(first);
            for &(start, end) in removed.clone().take_while(|&&(start, _)| start <= last) {
                rest.extend(next.filter(|&next| next < start).map(|next| (next, start - 1)));
                next = end.checked_add(1);
            }
            rest.extend(next.filter(|&next| next <= last).map(|next| (next, last)));
        }
        Self(rest)
    }

    pub(crate) fn is_subset_of(&self, other: &Self) -> bool {
        self.without(other).is_empty()
    }
}

impl fmt::Display for LineSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{first}")?;
            if first < last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for LineSet {
    type Err = ();

    /// Parses what `Display` writes, and nothing else; not an empty set.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut set = Self::default();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (parse_number(first).ok_or(())?, parse_number(last).ok_or(())?);
            let is_after = set.last().is_none_or(|end| first > end.saturating_add(1));
            let is_range = if range.contains('-') { first < last } else { first == last };
            if !is_after || !is_range {
                return Err(());
            }
            set.0.push((first, last));
        }
        Ok(set)
    }
}

impl TryFrom<String> for LineSet {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|()| "not a set of lines")
    }
}

impl From<LineSet> for String {
    fn from(lines: LineSet) -> Self {
        lines.to_string()
    }
}

/// Parses a number above 0 without leading zeros or signs.
fn parse_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.starts_with(|c: char| ('1'..='9').contains(&c)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> LineSet {
        if text.is_empty() { LineSet::default() } else { text.parse().unwrap() }
    }

    fn members(set: &LineSet) -> BTreeSet<u64> {
        set.take(usize::MAX).collect()
    }

    fn of_members(members: &BTreeSet<u64>) -> LineSet {
        let mut set = LineSet::default();
        for &line in members {
            set.push(line);
        }
        set
    }

    #[test]
    fn text_has_one_form() {
        for text in ["1", "3,7-9", "1-2,4", "18446744073709551614-18446744073709551615"] {
            assert_eq!(set(text).to_string(), text);
        }
        for bad in ["", "0", "01", "+1", "-1", "1-", "2-1", "1-1", "1,1", "1,2", "3,1", "1-4,5", "1,", "1 ", "x"] {
            assert!(bad.parse::<LineSet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let all = LineSet::range(1, u64::MAX);
        assert_eq!(all.count(), u64::MAX);
        assert_eq!(all.without(&all), LineSet::default());
        assert_eq!(all.union(&all), all);
        assert!(LineSet::range(2, 1).is_empty());
    }

    proptest! {
        #[test]
        fn operations_match_sets(
            a in prop::collection::btree_set(1_u64..40, 0..20),
            b in prop::collection::btree_set(1_u64..40, 0..20),
            line in 1_u64..42,
        ) {
            let (x, y) = (of_members(&a), of_members(&b));
            prop_assert_eq!(&members(&x), &a);
            prop_assert_eq!(members(&x.union(&y)), a.union(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(members(&x.without(&y)), a.difference(&b).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(x.union(&y), of_members(&a.union(&b).copied().collect()));
            prop_assert_eq!(x.without(&y), of_members(&a.difference(&b).copied().collect()));
            prop_assert_eq!(x.is_subset_of(&y), a.is_subset(&b));
            prop_assert_eq!(members(&x.up_to(line)), a.range(..=line).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(x.contains(line), a.contains(&line));
            prop_assert_eq!(x.count(), a.len() as u64);
            prop_assert_eq!((x.first(), x.last()), (a.first().copied(), a.last().copied()));
            prop_assert_eq!(set(&x.to_string()), x);
        }
    }
}
