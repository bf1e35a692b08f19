//! `--lines`: commands from standard input in batches, and the account of which lines are accepted, unknown, unsent.
//!
//! A reader fills the [`Queue`], a sender empties it a batch at a time and hands on what came of each: reading and
//! checking, waiting for the server, and printing overlap, while only one request is under way.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cent::{Command, ErrorKind, Reply, ReplyError};
use signal_hook::consts::{SIGINT, SIGTERM};

/// The body of a request holds at most this many bytes, unless a single line is larger: nginx refuses more than 1 MiB
/// unless it is told otherwise.
const MAX_REQUEST_BYTES: usize = 1_000_000;

/// What a command takes in a body besides its method and params.
const AROUND_COMMAND: usize = r#"{"method":"","params":},"#.len();

/// How long the first line of a batch waits for others; and how long the end of the input is waited for where it is not
/// known whether lines are left.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// How many batches wait at most, the one that is being filled among them.
const MAX_QUEUED: usize = 5;

/// The longest line that is taken, in bytes: an input without line ends would fill the memory. It is as much as of an
/// answer.
const MAX_LINE_BYTES: u64 = cent::MAX_ANSWER_BYTES;

/// How much is read at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// Commands that go out in one request.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) commands: Vec<Command>,
    /// The number of each command's line.
    pub(crate) lines: Vec<u64>,
    /// Where its last line ends in the input, in bytes.
    pub(crate) input_end: u64,
    bytes: usize,
    since: Instant,
    full: bool,
}

impl Batch {
    fn new() -> Self {
        let since = Instant::now();
        Self { commands: Vec::new(), lines: Vec::new(), input_end: 0, bytes: 0, since, full: false }
    }

    fn takes(&self, bytes: usize) -> bool {
        !self.full && self.bytes + bytes <= MAX_REQUEST_BYTES
    }

    fn add(&mut self, line: Line, bytes: usize, max_commands: usize) {
        self.commands.push(line.command);
        self.lines.push(line.number);
        self.input_end = line.input_end;
        self.bytes += bytes;
        self.full = self.commands.len() >= max_commands;
    }
}

/// One command of the input.
#[derive(Debug)]
struct Line {
    command: Command,
    /// From 1, blank lines counted.
    number: u64,
    input_end: u64,
}

/// Why a run ends before its input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The user or the system wants it; the number of the signal.
    Signal(i32),
    /// A request failed, or the output cannot be written.
    Failure,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) stop: Option<Stop>,
    /// A line that cannot be sent, or an input that cannot be read, unless the run was stopped before it.
    pub(crate) bad: Option<anyhow::Error>,
    /// Whether lines are left that were not sent.
    pub(crate) left: bool,
}

/// Batches on their way from the reader to the sender.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_commands: usize,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// What the reader came to.
    read: Option<anyhow::Result<()>>,
    stop: Option<Stop>,
    /// Whether batches were thrown away by the stop.
    dropped: bool,
}

impl Queue {
    fn new(max_commands: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), max_commands }
    }

    /// Adds a line; waits while enough batches wait. False where the run is over.
    fn push(&self, line: Line) -> bool {
        let bytes = line.command.method().len() + line.command.params().len() + AROUND_COMMAND;
        let mut state = self.wait(self.lock(), |state| {
            let room = state.batches.len() < MAX_QUEUED || state.batches.back().is_some_and(|last| last.takes(bytes));
            let waiting: usize = state.batches.iter().map(|batch| batch.bytes).sum();
            let too_much = waiting > 0 && waiting + bytes > MAX_QUEUED * MAX_REQUEST_BYTES;
            state.stop.is_none() && (!room || too_much)
        });
        if state.stop.is_some() {
            return false;
        }
        if !state.batches.back().is_some_and(|last| last.takes(bytes)) {
            state.batches.push_back(Batch::new());
        }
        let queued = state.batches.len();
        if let Some(last) = state.batches.back_mut() {
            let first = last.commands.is_empty();
            last.add(line, bytes, self.max_commands);
            // The sender waits for the first batch only: for its beginning, its end, and what closes it.
            if (queued == 1 && (first || last.full)) || (queued == 2 && first) {
                self.changed.notify_all();
            }
        }
        true
    }

    /// Takes the next batch once it is full, its time is over, or no more lines come; nothing at the end of the run.
    pub(crate) fn pop(&self) -> Option<Batch> {
        let mut state =
            self.wait(self.lock(), |state| state.stop.is_none() && state.read.is_none() && state.batches.is_empty());
        while let Some(first) = state.batches.front() {
            let left = MAX_WAIT.saturating_sub(first.since.elapsed());
            if first.full || state.batches.len() > 1 || state.read.is_some() || left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let batch = state.batches.pop_front();
        self.changed.notify_all();
        batch
    }

    /// Keeps what waits from being sent.
    pub(crate) fn stop(&self, stop: Stop) {
        let mut state = self.lock();
        state.stop.get_or_insert(stop);
        state.dropped |= !state.batches.is_empty();
        state.batches.clear();
        self.changed.notify_all();
    }

    /// Waits as long as that; false, and at once, where the run is stopped.
    pub(crate) fn wait_unless_stopped(&self, pause: Duration) -> bool {
        let running = |state: &mut State| state.stop.is_none();
        let state = self.lock();
        let (state, _) = self.changed.wait_timeout_while(state, pause, running).unwrap_or_else(PoisonError::into_inner);
        state.stop.is_none()
    }

    fn all_read(&self, result: anyhow::Result<()>) {
        self.lock().read = Some(result);
        self.changed.notify_all();
    }

    /// Tells how the run ended, once the sender is done. A reader that waits for input is given a moment to notice that
    /// there is none: whether lines are left depends on it.
    pub(crate) fn end(&self) -> End {
        let state = self.lock();
        let is_open = |state: &mut State| state.read.is_none() && !state.dropped;
        let (mut state, _) =
            self.changed.wait_timeout_while(state, MAX_WAIT, is_open).unwrap_or_else(PoisonError::into_inner);
        let (stop, read, dropped) = (state.stop, state.read.take(), state.dropped);
        let left = dropped || !matches!(read, Some(Ok(())));
        End { stop, bad: read.and_then(Result::err).filter(|_| stop.is_none()), left }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until_not: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, until_not).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts to read standard input; `command` makes a command of a line.
///
/// # Errors
/// If standard input, signals or threads are not to be had.
pub(crate) fn read_input(
    max_commands: usize,
    command: impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error> + Send + 'static,
) -> anyhow::Result<Arc<Queue>> {
    let queue = Arc::new(Queue::new(max_commands));
    stop_at_signals(&queue)?;
    let input = input()?;
    let filled = Arc::clone(&queue);
    thread::Builder::new()
        .spawn(move || filled.all_read(read(BufReader::with_capacity(BLOCK_BYTES, input), &filled, command)))
        .context("the reading thread cannot be started")?;
    Ok(queue)
}

/// Standard input as a file: read in larger blocks than the standard library's own buffer takes.
fn input() -> anyhow::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from).context("standard input")
}

/// How many bytes there are to read, where standard input is a regular file.
pub(crate) fn input_bytes() -> Option<u64> {
    let mut input = input().ok()?;
    let file = input.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(file.len().saturating_sub(input.stream_position().ok()?))
}

/// Reads lines into the queue, to the end of the input or of the run, or to the first bad line.
fn read(
    mut input: impl BufRead,
    queue: &Queue,
    command: impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error>,
) -> anyhow::Result<()> {
    let mut input_end = 0;
    for number in 1.. {
        let mut text = Vec::new();
        let count = input.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut text);
        let count = count.with_context(|| format!("{}: cannot be read", at_line(number)))?;
        if count == 0 {
            break;
        }
        if count as u64 > MAX_LINE_BYTES {
            bail!(
                "{}: longer than 64 MB; is its line end missing? params that large go with --params",
                at_line(number)
            );
        }
        input_end += count as u64;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let command = command(text, number).with_context(|| at_line(number))?;
        if !queue.push(Line { command, number, input_end }) {
            break;
        }
    }
    Ok(())
}

fn at_line(number: u64) -> String {
    format!("standard input, line {number}")
}

/// The first Ctrl-C or SIGTERM ends the run after the request under way, the second one at once.
fn stop_at_signals(queue: &Arc<Queue>) -> anyhow::Result<()> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A pipe for each: the iterator of signal-hook panics where a read fails.
        let (mut signals, told) = io::pipe().context("signals cannot be waited for")?;
        signal_hook::low_level::pipe::register(signal, told).context("signals cannot be waited for")?;
        let (queue, stopped) = (Arc::clone(queue), Arc::clone(&stopped));
        thread::Builder::new()
            .spawn(move || {
                while signals.read_exact(&mut [0]).is_ok() {
                    if stopped.swap(true, Ordering::AcqRel) {
                        // Nothing is left to be done if that fails.
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                    queue.stop(Stop::Signal(signal));
                }
            })
            .context("the thread that waits for signals cannot be started")?;
    }
    Ok(())
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) batch: Batch,
    pub(crate) result: Result<Vec<Reply>, cent::Error>,
}

/// Sends batch after batch, to the end of the run or to the first request that fails.
///
/// # Errors
/// If no thread is to be had.
pub(crate) fn send_all(
    queue: &Arc<Queue>,
    mut send: impl FnMut(&[Command]) -> Result<Vec<Reply>, cent::Error> + Send + 'static,
) -> anyhow::Result<Receiver<Sent>> {
    let (done, outcomes) = mpsc::sync_channel(MAX_QUEUED);
    let queue = Arc::clone(queue);
    thread::Builder::new()
        .spawn(move || {
            while let Some(batch) = queue.pop() {
                let result = send(&batch.commands);
                let failed = result.is_err();
                if failed {
                    queue.stop(Stop::Failure);
                }
                if done.send(Sent { batch, result }).is_err() || failed {
                    break;
                }
            }
        })
        .context("the sending thread cannot be started")?;
    Ok(outcomes)
}

/// Which lines are surely answered, which may have run, and how many commands came to what; what comes after those was
/// not accepted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Commands that have a reply.
    pub(crate) answered: u64,
    /// Those of them that the server refused.
    pub(crate) refused: u64,
    /// Those of them that may have run in spite of an error.
    pub(crate) unknown: u64,
    /// The last line of the last request that succeeded.
    pub(crate) answered_to: u64,
    /// The last line of the request whose outcome is not known; those from the last answered one to it are unknown.
    pub(crate) unknown_to: Option<u64>,
    /// Whether a request was turned away or refused: its lines are left.
    pub(crate) turned_away: bool,
}

impl Account {
    pub(crate) fn add(&mut self, sent: &Sent) {
        let Some(&last) = sent.batch.lines.last() else { return };
        match &sent.result {
            Ok(replies) => {
                for reply in replies {
                    self.answered += 1;
                    match reply.errors().iter().map(ReplyError::kind).find(|&kind| kind != ErrorKind::Refused) {
                        Some(_) => self.unknown += 1,
                        None => self.refused += u64::from(!reply.errors().is_empty()),
                    }
                }
                self.answered_to = last;
            }
            Err(error) if error.kind() == ErrorKind::Unknown => self.unknown_to = Some(last),
            Err(_) => self.turned_away = true,
        }
    }

    /// The first line that was not accepted and is not unknown either.
    pub(crate) fn unsent_from(&self) -> u64 {
        self.unknown_to.unwrap_or(self.answered_to) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, params: &str) -> Line {
        Line { command: Command::new("history", params).unwrap(), number, input_end: number }
    }

    fn numbers(batch: Option<Batch>) -> Vec<u64> {
        batch.map_or_else(Vec::new, |batch| batch.lines)
    }

    fn read_all(queue: &Queue, input: &str) {
        queue.all_read(read(input.as_bytes(), queue, |text, _| Command::new("history", text)));
    }

    #[test]
    fn a_batch_is_full_at_its_number_of_commands() {
        let queue = Queue::new(2);
        read_all(&queue, "{}\n\n{}\n{}\n \n");
        assert_eq!(numbers(queue.pop()), [1, 3]);
        assert_eq!(numbers(queue.pop()), [4]);
        assert!(queue.pop().is_none());
        let end = queue.end();
        assert!(end.stop.is_none() && end.bad.is_none() && !end.left);
    }

    #[test]
    fn a_batch_is_full_at_its_size_and_a_larger_line_goes_alone() {
        let queue = Queue::new(100);
        let params = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        for (number, bytes) in [(1, 400_000), (2, 400_000), (3, 400_000), (4, 2_000_000), (5, 1)] {
            assert!(queue.push(line(number, &params(bytes))));
        }
        queue.all_read(Ok(()));
        let batches: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|batch| batch.lines).collect();
        assert_eq!(batches, [vec![1, 2], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn an_early_batch_does_not_wait_for_the_end() {
        let queue = Queue::new(100);
        queue.push(line(1, "{}"));
        let start = Instant::now();
        assert_eq!(numbers(queue.pop()), [1]);
        assert!(start.elapsed() >= MAX_WAIT / 2);
    }

    #[test]
    fn a_bad_line_is_reached_after_what_came_before() {
        let queue = Queue::new(100);
        read_all(&queue, "{}\n{}\n[]\n{}\n");
        assert_eq!(numbers(queue.pop()), [1, 2]);
        assert!(queue.pop().is_none());
        let end = queue.end();
        let bad = format!("{:#}", end.bad.unwrap());
        assert!(end.left && bad.starts_with("standard input, line 3: "), "{bad}");
    }

    #[test]
    fn a_stop_keeps_what_waits_and_passes_over_a_bad_line() {
        let queue = Queue::new(1);
        read_all(&queue, "{}\n{}\n[]\n");
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(Stop::Signal(SIGTERM));
        queue.stop(Stop::Failure);
        assert!(queue.pop().is_none());
        let end = queue.end();
        assert!(end.left && end.bad.is_none());
        assert_eq!(end.stop, Some(Stop::Signal(SIGTERM)));
    }

    #[test]
    fn a_stop_after_the_last_line_leaves_none() {
        let queue = Queue::new(1);
        read_all(&queue, "{}\n");
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(Stop::Failure);
        assert!(!queue.end().left);
    }

    #[test]
    fn a_full_queue_holds_the_reader_until_there_is_room_or_an_end() {
        let queue = Arc::new(Queue::new(1));
        let filled = Arc::clone(&queue);
        let reader = thread::spawn(move || (1..1000).take_while(|&number| filled.push(line(number, "{}"))).count());
        while queue.lock().batches.len() < MAX_QUEUED {
            thread::yield_now();
        }
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(Stop::Failure);
        assert!(reader.join().unwrap() >= MAX_QUEUED);
    }
}
