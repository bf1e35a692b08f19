//! The queue of batches between the reader and the sender.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::ledger::Origin;
use super::batch::{Batch, MAX_REQUEST_BYTES};
use super::batch_size::{BatchSize, INITIAL_SIZE};
use super::rate::Rate;

/// How many batches of a constant size wait, if they are small.
const MAX_QUEUED_BATCHES: usize = 24;

/// How many commands wait, unless the next request can have more.
const MAX_QUEUED_COMMANDS: usize = 2400;

/// How many bytes of commands wait, unless a single batch is larger: the next request cannot have more.
const MAX_QUEUED_BYTES: usize = MAX_REQUEST_BYTES;

/// How long the end of a run waits for the reader, which may be about to find that the input has ended.
const READER_TIMEOUT: Duration = Duration::from_millis(100);

/// Why a run ends before its input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lines) enum StopReason {
    /// A signal of this number.
    Signal(i32),
    /// A request failed, or standard output cannot be written.
    Failure,
}

/// How a run ended.
#[derive(Debug)]
pub(in crate::lines) struct RunResult {
    pub(in crate::lines) stop: Option<StopReason>,
    /// An invalid line or unreadable input, unless the run was stopped before it.
    pub(in crate::lines) input_error: Option<anyhow::Error>,
    /// Whether there are lines that were not sent.
    pub(in crate::lines) lines_remain: bool,
}

/// The run was stopped, for a reason that is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run was stopped")]
pub(in crate::lines) struct Stopped;

#[derive(Debug)]
pub(in crate::lines) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// How many commands go into the next request.
    batch_size: BatchSize,
    /// With `--rate`.
    rate: Option<Rate>,
    /// How large its body may be.
    max_bytes: usize,
    /// Batches to be sent, which are put together then.
    ready: VecDeque<Batch>,
    /// The bytes in them.
    bytes: usize,
    /// The commands in them.
    commands: usize,
    /// Buffers of lines that have been sent, for the reader to use again.
    recycled: Vec<Vec<u8>>,
    /// Whether the input begins with what earlier runs sent.
    is_verified: bool,
    /// The outcome of the reader, once it is done.
    read_result: Option<anyhow::Result<()>>,
    stop: Option<StopReason>,
    /// Whether the stop discarded batches.
    discarded: bool,
    /// How many threads wait for a change.
    waiters: usize,
    /// Whether the reader is one of them.
    is_full: bool,
}

impl State {
    fn has_room_for(&self, batch: &Batch) -> bool {
        let batches = (MAX_QUEUED_BATCHES * self.batch_size.min()).min(MAX_QUEUED_COMMANDS);
        let commands = batches.max(self.batch_size.next());
        self.ready.is_empty()
            || self.commands + batch.commands().len() <= commands && self.bytes + batch.bytes() <= MAX_QUEUED_BYTES
    }

    /// Whether more commands would not make the next request larger.
    fn has_full_request(&self) -> bool {
        self.is_full || self.commands >= self.batch_size.current() || self.bytes >= self.max_bytes
    }

    /// Whether the reader is to be woken. Each wake-up costs as much as a request.
    fn is_low(&self) -> bool {
        let two_batches = (2 * self.batch_size.min()).min(2 * INITIAL_SIZE);
        self.is_full && self.commands <= self.batch_size.current().max(two_batches)
    }

    /// How much longer the first command waits for others, if there is one. With a rate, for itself.
    fn remaining_linger(&self, now: Instant) -> Option<Duration> {
        let first = self.ready.front()?;
        Some(match &self.rate {
            Some(rate) => rate.remaining(now),
            None if self.read_result.is_some() || self.has_full_request() => Duration::ZERO,
            None => first.remaining_linger(),
        })
    }

    /// Takes as many of the batches as go into one request; there is one at least.
    fn take_request(&mut self, now: Instant) -> Option<Batch> {
        let mut request = self.ready.pop_front()?;
        let max_commands = self.batch_size.current();
        let max_commands = self.rate.as_ref().map_or(max_commands, |rate| rate.due(now, max_commands));
        request.reserve(max_commands.min(self.commands));
        let max_bytes = self.max_bytes;
        while self.ready.front().is_some_and(|next| request.has_room_for_all(next, max_commands, max_bytes)) {
            self.ready.pop_front().into_iter().for_each(|next| request.append(next));
        }
        self.bytes -= request.bytes();
        self.commands -= request.commands().len();
        if let Some(rate) = &mut self.rate {
            rate.take(now, request.commands().len());
        }
        Some(request)
    }
}

impl Queue {
    pub(in crate::lines) fn new(batch_size: BatchSize) -> Self {
        let state = State {
            batch_size,
            rate: None,
            max_bytes: MAX_REQUEST_BYTES,
            ready: VecDeque::new(),
            bytes: 0,
            commands: 0,
            recycled: Vec::new(),
            is_verified: false,
            read_result: None,
            stop: None,
            discarded: false,
            waiters: 0,
            is_full: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Limits the commands per second.
    pub(in crate::lines) fn with_rate(self, rate: Option<Rate>) -> Self {
        self.lock().rate = rate;
        self
    }

    /// An empty batch of the smallest size. With a rate, any number of commands may be due.
    pub(super) fn new_batch(&self, origin: Origin) -> Batch {
        let state = self.lock();
        let max_commands = if state.rate.is_some() { 1 } else { state.batch_size.min() };
        Batch::new(max_commands, state.max_bytes, origin)
    }

    /// Whether batches are sent as they are, because all have the same size.
    pub(super) fn has_constant_size(&self) -> bool {
        let state = self.lock();
        state.rate.is_none() && state.batch_size.is_constant()
    }

    /// Moves the times at which commands are due by a pause.
    pub(in crate::lines) fn pause(&self, length: Duration) {
        if let Some(rate) = &mut self.lock().rate {
            rate.pause(length);
        }
    }

    /// Keeps later batches below this size, which is more than a server accepts.
    pub(in crate::lines) fn limit_bytes(&self, bytes: usize) {
        let mut state = self.lock();
        state.max_bytes = state.max_bytes.min(bytes);
    }

    /// Adapts the size of requests to the response time of one with this many commands.
    pub(in crate::lines) fn observe(&self, commands: usize, elapsed: Duration) {
        self.lock().batch_size.observe(commands, elapsed);
    }

    /// Adds a batch, once there is room.
    pub(in crate::lines) fn push(&self, batch: Batch) -> Result<(), Stopped> {
        let mut state = self.lock();
        while state.stop.is_none() && !state.has_room_for(&batch) {
            state.is_full = true;
            self.notify(&state);
            state = self.wait(state);
        }
        state.is_full = false;
        if state.stop.is_some() {
            state.discarded = true;
            return Err(Stopped);
        }
        state.bytes += batch.bytes();
        state.commands += batch.commands().len();
        state.ready.push_back(batch);
        if state.ready.len() == 1 || state.has_full_request() {
            self.notify(&state);
        }
        Ok(())
    }

    /// Lets the sender begin: the input begins with what earlier runs sent.
    pub(in crate::lines) fn set_verified(&self) {
        let mut state = self.lock();
        state.is_verified = true;
        self.notify(&state);
    }

    /// Waits until the input is verified; returns false if it is not, or if the run was stopped before.
    pub(in crate::lines) fn wait_until_verified(&self) -> bool {
        let mut state = self.lock();
        while !state.is_verified && state.read_result.is_none() && state.stop.is_none() {
            state = self.wait(state);
        }
        state.is_verified
    }

    /// Takes what goes into the next request, once it is full or its first command has waited for long enough. Returns
    /// none at the end of the run.
    pub(in crate::lines) fn pop(&self) -> Option<Batch> {
        let mut state = self.lock();
        while state.stop.is_none() {
            let now = Instant::now();
            state = match state.remaining_linger(now) {
                Some(linger) if linger.is_zero() => {
                    let request = state.take_request(now);
                    if state.is_low() {
                        self.notify(&state);
                    }
                    return request;
                }
                Some(linger) => self.wait_timeout(state, linger),
                None if state.read_result.is_some() => return None,
                None => {
                    let mut state = self.wait(state);
                    if let Some(rate) = &mut state.rate {
                        rate.pause_since(now, Instant::now());
                    }
                    state
                }
            };
        }
        None
    }

    /// Keeps the buffers of a batch that has been sent, unless it is large.
    pub(in crate::lines) fn recycle(&self, batch: Batch) {
        if batch.bytes() <= MAX_REQUEST_BYTES {
            let mut state = self.lock();
            state.recycled.reserve_exact(batch.commands().len());
            state.recycled.extend(batch.into_buffers());
        }
    }

    /// Takes the buffers of lines that have been sent, once the reader has used up the others.
    pub(in crate::lines) fn take_recycled(&self, pool: &mut Vec<Vec<u8>>) {
        if pool.is_empty() {
            *pool = std::mem::take(&mut self.lock().recycled);
        }
    }

    pub(in crate::lines) fn is_stopped(&self) -> bool {
        self.lock().stop.is_some()
    }

    /// Ends the run: discards the batches that wait. The first reason counts.
    pub(in crate::lines) fn stop(&self, reason: StopReason) {
        let mut state = self.lock();
        state.stop.get_or_insert(reason);
        state.discarded |= !state.ready.is_empty();
        state.ready.clear();
        (state.bytes, state.commands) = (0, 0);
        self.notify(&state);
    }

    /// Sleeps for that long; returns false, and at once, if the run is stopped.
    pub(in crate::lines) fn sleep_unless_stopped(&self, duration: Duration) -> bool {
        self.wait_while(duration, |state| state.stop.is_none()).stop.is_none()
    }

    /// Ends the input: the reader is done.
    pub(in crate::lines) fn close(&self, result: anyhow::Result<()>) {
        let mut state = self.lock();
        state.read_result = Some(result);
        self.notify(&state);
    }

    /// The error that ended the input, if the run was not stopped before.
    pub(in crate::lines) fn take_input_error(&self) -> Option<anyhow::Error> {
        let mut state = self.lock();
        if state.stop.is_some() { None } else { state.read_result.take().and_then(Result::err) }
    }

    /// How the run ended. To be called when the sender is done.
    pub(in crate::lines) fn result(&self) -> RunResult {
        let mut state = self.wait_while(READER_TIMEOUT, |state| state.read_result.is_none() && !state.discarded);
        let (stop, read_result) = (state.stop, state.read_result.take());
        let lines_remain = state.discarded || !matches!(read_result, Some(Ok(())));
        RunResult { stop, input_error: read_result.and_then(Result::err).filter(|_| stop.is_none()), lines_remain }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the waiters, if any: it is a system call.
    fn notify(&self, state: &State) {
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiters += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiters -= 1;
        state
    }

    fn wait_timeout<'a>(&self, mut state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        state.waiters += 1;
        let mut state = self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
        state.waiters -= 1;
        state
    }

    fn wait_while(&self, limit: Duration, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let start = Instant::now();
        let mut state = self.lock();
        while condition(&state) {
            let remaining = limit.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                break;
            }
            state = self.wait_timeout(state, remaining);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use cent::{Address, Command, Endpoint, RequestBuilder};

    use super::super::batch::BATCH_LINGER;
    use super::*;

    /// A batch whose request is prepared, as the reader does for full ones.
    fn full(line: u64, bytes: usize) -> Batch {
        let endpoint = Endpoint::with_secret(Address::parse("http://127.0.0.1:1").unwrap(), "secret").unwrap();
        let mut batch = partial(line, bytes);
        batch.request(&RequestBuilder::new(endpoint)).unwrap();
        batch
    }

    fn partial(line: u64, bytes: usize) -> Batch {
        let mut batch = Batch::new(2, MAX_REQUEST_BYTES, Origin::New);
        let params = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        batch.push(Command::new("info", params).unwrap(), line, line);
        batch
    }

    fn pop_lines(queue: &Queue) -> Vec<u64> {
        queue.pop().map_or_else(Vec::new, |batch| batch.lines)
    }

    #[test]
    fn waiting_partial_batches_are_merged() {
        let queue = Queue::new(BatchSize::fixed(100));
        for line in 1..=3 {
            queue.push(partial(line, 1)).unwrap();
        }
        queue.push(full(4, 1)).unwrap();
        queue.push(partial(5, 1)).unwrap();
        queue.close(Ok(()));
        let batches: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(
            batches.iter().map(|batch| batch.lines.clone()).collect::<Vec<_>>(),
            [vec![1, 2, 3], vec![4], vec![5]]
        );
        assert_eq!(batches.iter().map(|batch| batch.input_end).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn waiting_commands_are_sent_up_to_the_current_size() {
        let queue = Queue::new(BatchSize::adaptive(None));
        let hundred = |first: u64| {
            let mut batch = Batch::new(INITIAL_SIZE, MAX_REQUEST_BYTES, Origin::New);
            (first..first + 100).for_each(|line| batch.push(Command::new("info", "{}").unwrap(), line, line));
            queue.push(batch).unwrap();
        };
        let pop = || queue.pop().map_or((0, 0), |batch| (batch.lines[0], batch.lines.len()));
        (0..7).for_each(|index| hundred(1 + 100 * index));
        let millisecond = Duration::from_millis(1);
        assert_eq!(pop(), (1, 100));
        queue.observe(100, millisecond);
        assert_eq!(pop(), (101, 200));
        queue.observe(200, millisecond);
        assert_eq!(pop(), (301, 400));
        // What was put together before the size shrank.
        (7..11).for_each(|index| hundred(1 + 100 * index));
        queue.observe(400, Duration::from_secs(1));
        assert_eq!(pop(), (701, 200));
        queue.close(Ok(()));
        assert_eq!(pop(), (901, 200));
    }

    #[test]
    fn full_request_is_awaited_until_its_first_command_has_lingered() {
        let queue = Queue::new(BatchSize::adaptive(None));
        queue.observe(100, Duration::ZERO);
        let start = Instant::now();
        queue.push(partial(1, 1)).unwrap();
        queue.push(partial(2, 1)).unwrap();
        assert_eq!(pop_lines(&queue), [1, 2]);
        assert!(start.elapsed() >= BATCH_LINGER);
    }

    #[test]
    fn end_of_input_leaves_no_lines() {
        let queue = Queue::new(BatchSize::fixed(100));
        queue.push(partial(1, 1)).unwrap();
        queue.close(Ok(()));
        assert_eq!(pop_lines(&queue), [1]);
        assert!(queue.pop().is_none());
        let result = queue.result();
        assert!(result.stop.is_none() && result.input_error.is_none() && !result.lines_remain);
    }

    #[test]
    fn stop_discards_queue_and_ignores_bad_line() {
        let queue = Queue::new(BatchSize::fixed(100));
        queue.push(full(1, 1)).and_then(|()| queue.push(full(2, 1))).unwrap();
        queue.close(Err(anyhow::anyhow!("a bad line")));
        assert_eq!(pop_lines(&queue), [1]);
        queue.stop(StopReason::Signal(15));
        queue.stop(StopReason::Failure);
        assert!(queue.pop().is_none());
        let result = queue.result();
        assert!(result.lines_remain && result.input_error.is_none());
        assert_eq!(result.stop, Some(StopReason::Signal(15)));
    }

    #[test]
    fn batch_after_stop_is_not_sent() {
        let queue = Queue::new(BatchSize::fixed(100));
        queue.stop(StopReason::Failure);
        assert_eq!(queue.push(partial(1, 1)), Err(Stopped));
        queue.close(Ok(()));
        assert!(queue.pop().is_none());
        assert!(queue.result().lines_remain);
    }

    #[test]
    fn stop_after_last_line_leaves_none() {
        let queue = Queue::new(BatchSize::fixed(100));
        queue.push(partial(1, 1)).unwrap();
        queue.close(Ok(()));
        assert_eq!(pop_lines(&queue), [1]);
        queue.stop(StopReason::Failure);
        assert!(!queue.result().lines_remain);
    }

    #[test]
    fn large_batches_are_not_recycled() {
        let (queue, mut pool) = (Queue::new(BatchSize::fixed(100)), Vec::new());
        queue.recycle(full(1, MAX_REQUEST_BYTES));
        queue.take_recycled(&mut pool);
        assert!(pool.is_empty());
        queue.recycle(full(2, 1));
        queue.take_recycled(&mut pool);
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn queue_is_bounded_in_bytes() {
        let queue = Arc::new(Queue::new(BatchSize::fixed(100)));
        let shared = Arc::clone(&queue);
        let reader = thread::spawn(move || {
            for (line, bytes) in [(1, 2 * MAX_QUEUED_BYTES), (2, MAX_QUEUED_BYTES / 2), (3, MAX_QUEUED_BYTES / 2)] {
                shared.push(full(line, bytes)).unwrap();
            }
        });
        for line in 1..=3 {
            // Each batch keeps the next one out.
            let is_next_waiting = |state: &State| line == 3 || state.waiters > 0;
            while queue.lock().ready.is_empty() || !is_next_waiting(&queue.lock()) {
                thread::yield_now();
            }
            assert_eq!(queue.lock().ready.len(), 1);
            assert_eq!(pop_lines(&queue), [line]);
        }
        reader.join().unwrap();
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn full_queue_blocks_reader_until_stop() {
        let queue = Arc::new(Queue::new(BatchSize::fixed(100)));
        let shared = Arc::clone(&queue);
        let reader = thread::spawn(move || (1..1000).take_while(|&line| shared.push(full(line, 1)).is_ok()).count());
        while queue.lock().ready.len() < MAX_QUEUED_BATCHES {
            thread::yield_now();
        }
        assert_eq!(pop_lines(&queue), [1]);
        queue.stop(StopReason::Failure);
        assert!(reader.join().unwrap() >= MAX_QUEUED_BATCHES);
    }
}
