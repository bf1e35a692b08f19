//! How many commands go into one request: a pure rule from response times to sizes.

use std::time::Duration;

/// The size with a secret, and where it starts otherwise.
pub(in crate::lines) const INITIAL_SIZE: usize = 100;

/// The most unless `--batch` says otherwise.
const MAX_SIZE: usize = 10_000;

/// While responses take at most this much longer than the fastest one, the network costs more than the commands.
const GROWTH_MARGIN: Duration = Duration::from_millis(50);

/// A request that takes this much longer than the fastest one leaves too many commands unknown if it is lost.
const SHRINK_MARGIN: Duration = Duration::from_millis(250);

/// Adapts the size of batches, so that distance costs little and a lost request is a fraction of a second's work.
#[derive(Debug)]
pub(in crate::lines) struct BatchSize {
    current: usize,
    max: usize,
    is_fixed: bool,
    fastest: Option<Duration>,
}

impl BatchSize {
    /// Always the same size.
    pub(in crate::lines) fn fixed(size: usize) -> Self {
        Self { current: size, max: size, is_fixed: true, fastest: None }
    }

    /// Starts at [`INITIAL_SIZE`], or at the maximum if that is less.
    pub(in crate::lines) fn adaptive(max: Option<usize>) -> Self {
        let max = max.unwrap_or(MAX_SIZE);
        Self { current: INITIAL_SIZE.min(max), max, is_fixed: false, fastest: None }
    }

    /// The smallest size of a full batch. Larger ones are put together from those.
    pub(in crate::lines) fn min(&self) -> usize {
        if self.is_fixed { self.max } else { INITIAL_SIZE.min(self.max) }
    }

    /// Whether all full batches have the same size.
    pub(in crate::lines) fn is_constant(&self) -> bool {
        self.min() == self.max
    }

    pub(in crate::lines) fn current(&self) -> usize {
        self.current
    }

    /// The largest size after the next response.
    pub(in crate::lines) fn next(&self) -> usize {
        if self.is_fixed { self.max } else { self.current.saturating_mul(2).min(self.max) }
    }

    /// Takes the response time of a request with this many commands.
    pub(in crate::lines) fn observe(&mut self, commands: usize, elapsed: Duration) {
        let fastest = *self.fastest.insert(self.fastest.map_or(elapsed, |fastest| fastest.min(elapsed)));
        let slower = elapsed.saturating_sub(fastest);
        if slower > SHRINK_MARGIN {
            self.current = (self.current / 2).max(self.min());
        } else if slower <= GROWTH_MARGIN && commands >= self.current {
            self.current = self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The sizes after full requests that took this long.
    fn sizes(mut size: BatchSize, times: &[u64]) -> Vec<usize> {
        let observe = |&time: &u64| {
            size.observe(size.current(), ms(time));
            size.current()
        };
        times.iter().map(observe).collect()
    }

    #[test]
    fn doubles_up_to_maximum_while_fast() {
        let doubled = sizes(BatchSize::adaptive(None), &[20, 20, 25, 30, 40, 55, 70, 70, 70]);
        assert_eq!(doubled, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        assert_eq!(sizes(BatchSize::adaptive(Some(300)), &[1, 1, 1]), [200, 300, 300]);
    }

    #[test]
    fn keeps_size_between_margins() {
        assert_eq!(sizes(BatchSize::adaptive(None), &[20, 70, 71, 270]), [200, 400, 400, 400]);
    }

    #[test]
    fn halves_when_slow_but_not_below_initial_size() {
        assert_eq!(sizes(BatchSize::adaptive(None), &[20, 20, 271, 900, 900]), [200, 400, 200, 100, 100]);
        assert_eq!(sizes(BatchSize::adaptive(Some(50)), &[20, 900]), [50, 50]);
    }

    #[test]
    fn partial_requests_do_not_grow() {
        let mut size = BatchSize::adaptive(None);
        size.observe(99, ms(1));
        assert_eq!(size.current(), 100);
        size.observe(100, ms(1));
        // All that was there.
        size.observe(100, ms(1));
        assert_eq!(size.current(), 200);
    }

    #[test]
    fn fixed_size_never_changes() {
        assert_eq!(sizes(BatchSize::fixed(100), &[1, 1, 900, 1]), [100; 4]);
        assert_eq!(sizes(BatchSize::fixed(7), &[1, 900]), [7; 2]);
    }
}
