//! The queue of batches between the reader and the sender.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::ledger::Origin;
use super::batch::{Batch, MAX_REQUEST_BYTES};
use super::batch_size::BatchSize;

const MAX_QUEUED_BATCHES: usize = 24;

/// How many commands wait, unless a single batch has more: larger batches need not be ahead as far, and a size that was
/// just adapted reaches the server sooner.
const MAX_QUEUED_COMMANDS: usize = 2400;

/// How many bytes of commands wait, unless a single batch is larger.
const MAX_QUEUED_BYTES: usize = 4 * MAX_REQUEST_BYTES;

/// The buffers of larger batches are not reused, nor are their requests prepared: that would hold their commands twice.
pub(in crate::lines) const MAX_POOLED_BYTES: usize = MAX_QUEUED_BYTES / MAX_QUEUED_BATCHES;

/// A reader that waits for room is woken when so few batches remain: each wake-up costs as much as a request.
const LOW_WATERMARK: usize = 2;

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
    /// How many commands go into the next batch.
    batch_size: BatchSize,
    /// How large its body may be.
    max_bytes: usize,
    /// Batches to be sent.
    ready: VecDeque<Batch>,
    /// The bytes in them.
    bytes: usize,
    /// The commands in them.
    commands: usize,
    /// Batches that have been sent. The reader reuses or frees them, because it has more time than the sender.
    recycled: Vec<Batch>,
    /// Whether the input begins with what earlier runs sent.
    is_verified: bool,
    /// The outcome of the reader, once it is done.
    read_result: Option<anyhow::Result<()>>,
    stop: Option<StopReason>,
    /// Whether the stop discarded batches.
    discarded: bool,
    /// How many threads wait for a change.
    waiters: usize,
}

impl State {
    fn has_room_for(&self, batch: &Batch) -> bool {
        let fits = self.bytes + batch.bytes() <= MAX_QUEUED_BYTES
            && self.commands + batch.commands().len() <= MAX_QUEUED_COMMANDS;
        self.ready.is_empty() || self.ready.len() < MAX_QUEUED_BATCHES && fits
    }
}

impl Queue {
    pub(in crate::lines) fn new(batch_size: BatchSize) -> Self {
        let state = State {
            batch_size,
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
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// An empty batch of the size that suits the server.
    pub(super) fn new_batch(&self, origin: Origin) -> Batch {
        let state = self.lock();
        Batch::new(state.batch_size.current(), state.max_bytes, origin)
    }

    /// Keeps later batches below this size, which is more than a server accepts.
    pub(in crate::lines) fn limit_bytes(&self, bytes: usize) {
        let mut state = self.lock();
        state.max_bytes = state.max_bytes.min(bytes);
    }

    /// Adapts the size of batches to the response time of one with this many commands.
    pub(in crate::lines) fn observe(&self, commands: usize, elapsed: Duration) {
        self.lock().batch_size.observe(commands, elapsed);
    }

    /// Adds a batch, once there is room.
    ///
    /// A batch that is not full is appended to the last one if that waits and has room: while the sender is busy, the
    /// next request grows.
    pub(in crate::lines) fn push(&self, batch: Batch) -> Result<(), Stopped> {
        let mut state = self.lock();
        while state.stop.is_none() && !state.has_room_for(&batch) {
            state = self.wait(state);
        }
        if state.stop.is_some() {
            state.discarded = true;
            return Err(Stopped);
        }
        state.bytes += batch.bytes();
        state.commands += batch.commands().len();
        match state.ready.back_mut() {
            Some(last) if last.has_room_for_all(&batch) => last.append(batch),
            _ => state.ready.push_back(batch),
        }
        self.notify(&state);
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

    /// Takes the next batch, once there is one. Returns none at the end of the run.
    pub(in crate::lines) fn pop(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.ready.pop_front() {
                state.bytes -= batch.bytes();
                state.commands -= batch.commands().len();
                if state.ready.len() <= LOW_WATERMARK {
                    self.notify(&state);
                }
                return Some(batch);
            }
            if state.read_result.is_some() || state.stop.is_some() {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// Keeps a batch that has been sent for the reader, unless it is large.
    pub(in crate::lines) fn recycle(&self, batch: Batch) {
        if batch.bytes() <= MAX_POOLED_BYTES {
            self.lock().recycled.push(batch);
        }
    }

    /// Takes the batches that have been sent.
    pub(in crate::lines) fn take_recycled(&self) -> Vec<Batch> {
        std::mem::take(&mut self.lock().recycled)
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

    fn wait_while(&self, limit: Duration, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let start = Instant::now();
        let mut state = self.lock();
        while condition(&state) {
            let remaining = limit.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                break;
            }
            state.waiters += 1;
            state = self.changed.wait_timeout(state, remaining).unwrap_or_else(PoisonError::into_inner).0;
            state.waiters -= 1;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use cent::{Address, Command, Endpoint, RequestBuilder};

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
            [vec![1, 2], vec![3], vec![4], vec![5]]
        );
        assert_eq!(batches.iter().map(|batch| batch.input_end).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(queue.lock().bytes, 0);
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
        let queue = Queue::new(BatchSize::fixed(100));
        queue.recycle(full(1, MAX_POOLED_BYTES));
        assert!(queue.take_recycled().is_empty());
        queue.recycle(full(2, 1));
        assert_eq!(queue.take_recycled().len(), 1);
        assert!(queue.take_recycled().is_empty());
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
