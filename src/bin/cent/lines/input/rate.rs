//! `--rate`: when commands are due, evenly over the whole run.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(in crate::lines) struct Rate {
    per_second: f64,
    /// When the first command was due; none before that.
    start: Option<Instant>,
    /// Commands that were taken.
    taken: u64,
}

impl Rate {
    /// A finite number above 0.
    pub(in crate::lines) fn new(per_second: f64) -> Self {
        Self { per_second, start: None, taken: 0 }
    }

    /// How long it is until the next command is due; zero if it is.
    pub(in crate::lines) fn remaining(&self, now: Instant) -> Duration {
        let Some(start) = self.start else { return Duration::ZERO };
        self.offset(self.taken).saturating_sub(now.saturating_duration_since(start))
    }

    /// How many commands are due, at most so many. The first one is due at once.
    pub(in crate::lines) fn due(&self, now: Instant, max: usize) -> usize {
        let Some(start) = self.start else { return max.min(1) };
        let elapsed = now.saturating_duration_since(start);
        let is_due = |index: u64| self.offset(index) <= elapsed;
        // The number of those that are due is between these two: bisection needs no rounding.
        let (mut due, mut not_due) = (0, max as u64);
        while due < not_due {
            let middle = due + (not_due - due) / 2;
            if is_due(self.taken + middle) {
                due = middle + 1;
            } else {
                not_due = middle;
            }
        }
        usize::try_from(due).unwrap_or(max)
    }

    /// Takes commands that are due.
    pub(in crate::lines) fn take(&mut self, now: Instant, commands: usize) {
        self.start.get_or_insert(now);
        self.taken += commands as u64;
    }

    /// Moves due times by a pause, which is not caught up.
    pub(in crate::lines) fn pause(&mut self, length: Duration) {
        if let Some(start) = &mut self.start {
            *start += length;
        }
    }

    /// Takes the time from when the next command was due, or from `since` if that was later, for a pause: there was none.
    pub(in crate::lines) fn pause_since(&mut self, since: Instant, now: Instant) {
        if let Some(next) = self.next() {
            self.pause(now.saturating_duration_since(next.max(since)));
        }
    }

    /// When the next command is due; none before the first.
    fn next(&self) -> Option<Instant> {
        self.start?.checked_add(self.offset(self.taken))
    }

    /// How long after the first one a command is due, counted from 0.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 commands")]
    fn offset(&self, index: u64) -> Duration {
        Duration::try_from_secs_f64(index as f64 / self.per_second).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Takes all that is due at each of these times in milliseconds.
    fn take_all(rate: &mut Rate, start: Instant, times: &[u64]) -> Vec<usize> {
        let take = |&time: &u64| {
            let now = start + ms(time);
            let due = rate.due(now, 1000);
            rate.take(now, due);
            due
        };
        times.iter().map(take).collect()
    }

    #[test]
    fn commands_are_due_evenly_after_the_first() {
        let (mut rate, start) = (Rate::new(50.0), Instant::now());
        assert_eq!(take_all(&mut rate, start, &[0, 0, 19, 20, 39, 100, 1000]), [1, 0, 0, 1, 0, 4, 45]);
        assert_eq!(rate.remaining(start + ms(1000)), ms(20));
        assert_eq!(rate.remaining(start + ms(1020)), Duration::ZERO);
        assert_eq!(rate.due(start + ms(2000), 7), 7);
    }

    #[test]
    fn fractions_are_exact() {
        let (mut rate, start) = (Rate::new(0.5), Instant::now());
        assert_eq!(take_all(&mut rate, start, &[0, 1999, 2000, 4000]), [1, 0, 1, 1]);
        // No command gets lost in rounding.
        let mut rate = Rate::new(3.0);
        rate.take(start, 1);
        for _ in 0..10_000 {
            let now = start + rate.remaining(start);
            assert_eq!(rate.due(now, 1000), 1);
            rate.take(now, 1);
        }
        let mut rate = Rate::new(f64::MIN_POSITIVE);
        rate.take(start, 1);
        assert_eq!(rate.due(start + ms(1_000_000), 5), 0);
        assert!(rate.remaining(start) > ms(1_000_000));
    }

    #[test]
    fn pauses_are_not_caught_up() {
        let (mut rate, start) = (Rate::new(10.0), Instant::now());
        assert_eq!(take_all(&mut rate, start, &[0, 100]), [1, 1]);
        rate.pause(ms(5000));
        assert_eq!(take_all(&mut rate, start, &[5100, 5200, 5300]), [0, 1, 1]);
    }

    #[test]
    fn time_without_commands_is_not_caught_up() {
        let (mut rate, start) = (Rate::new(10.0), Instant::now());
        rate.take(start, 1);
        // What came before the next one was due costs nothing.
        rate.pause_since(start, start + ms(50));
        assert_eq!(rate.due(start + ms(100), 10), 1);
        rate.pause_since(start, start + ms(3000));
        assert_eq!(take_all(&mut rate, start, &[3000, 3099, 3100]), [1, 0, 1]);
        rate.pause_since(start + ms(3500), start + ms(4000));
        assert_eq!(rate.due(start + ms(4000), 10), 4);
    }
}
