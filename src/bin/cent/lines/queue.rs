//! Batches on their way from standard input to the server.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cent::{Command, Endpoint, HttpRequest};

/// The body of a request holds at most this many bytes, unless a single line is larger: nginx refuses more than 1 MiB
/// unless it is told otherwise.
const MAX_REQUEST_BYTES: usize = 1_000_000;

/// What a command takes in a body besides its method and params.
const AROUND_COMMAND: usize = r#"{"method":"","params":},"#.len();

/// How long the first line of a batch waits for others; and how long the end of the input is waited for where it is not
/// known whether lines are left.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// How many full batches wait at most.
const MAX_QUEUED: usize = 24;

/// How many bytes of commands wait at most, unless a single line is larger.
const MAX_QUEUED_BYTES: usize = 4 * MAX_REQUEST_BYTES;

/// Of batches of more bytes nothing is kept once they were answered.
const MAX_KEPT_BYTES: usize = MAX_QUEUED_BYTES / MAX_QUEUED;

/// A reader that waits for room goes on once so many are left: each time that it has to be woken costs as much as a
/// request.
const FEW_QUEUED: usize = 2;

/// How many commands a batch has room for at its start.
const MAX_ROOM: usize = 100;

/// The longest line that is taken, in bytes: an input without line ends would fill the memory. It is as much as of an
/// answer.
const MAX_LINE_BYTES: u64 = cent::MAX_ANSWER_BYTES;

/// How much is read at a time.
const BLOCK_BYTES: usize = 32 * 1024;

/// Commands that go out in one request.
#[derive(Debug)]
pub(super) struct Batch {
    /// Until the request is written.
    commands: Vec<Command>,
    request: Option<HttpRequest<'static>>,
    /// The number of each command's line, from 1, blank lines counted.
    pub(super) lines: Vec<u64>,
    /// Where its last line ends in the input, in bytes.
    pub(super) input_end: u64,
    bytes: usize,
    since: Instant,
}

impl Batch {
    fn new(max_commands: usize) -> Self {
        let room = max_commands.min(MAX_ROOM);
        let (commands, lines) = (Vec::with_capacity(room), Vec::with_capacity(room));
        Self { commands, request: None, lines, input_end: 0, bytes: 0, since: Instant::now() }
    }

    fn takes(&self, bytes: usize) -> bool {
        self.commands.is_empty() || self.bytes + bytes <= MAX_REQUEST_BYTES
    }

    /// The request of the commands, written when it is first asked for.
    pub(super) fn request(&mut self, endpoint: &Endpoint) -> Result<&HttpRequest<'static>, cent::Error> {
        match &mut self.request {
            Some(request) => Ok(request),
            none => Ok(none.insert(HttpRequest::new(endpoint, std::mem::take(&mut self.commands))?)),
        }
    }

    pub(super) fn commands(&self) -> &[Command] {
        self.request.as_ref().map_or(&self.commands, HttpRequest::commands)
    }

    /// The buffers of its lines, but for those that are much too large for what they hold.
    fn into_buffers(self) -> impl Iterator<Item = Vec<u8>> {
        let commands = self.request.map_or(self.commands, HttpRequest::into_commands);
        let buffers = commands.into_iter().map(|command| command.into_params().into_bytes());
        buffers.filter(|buffer| buffer.capacity() <= 2 * buffer.len())
    }
}

/// Why a run ends before its input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The user or the system wants it; the number of the signal.
    Signal(i32),
    /// A request failed, or the output cannot be written.
    Failure,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) stop: Option<StopReason>,
    /// A line that cannot be sent, or an input that cannot be read, unless the run was stopped before it.
    pub(super) bad: Option<anyhow::Error>,
    /// Whether lines are left that were not sent.
    pub(super) left: bool,
}

/// Batches on their way from the reader to the sender.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_commands: usize,
    endpoint: Endpoint,
}

#[derive(Debug, Default)]
struct State {
    /// Batches that take no more commands.
    full: VecDeque<Batch>,
    /// The bytes in them.
    bytes: usize,
    /// Batches that were answered, for the reader to use again or free: it has more time than the sender.
    answered: Vec<Batch>,
    /// The last batch, while the reader waits for more input.
    open: Option<Batch>,
    /// What the reader came to.
    read: Option<anyhow::Result<()>>,
    stop: Option<StopReason>,
    /// Whether batches were thrown away by the stop.
    dropped: bool,
    /// How many threads wait for a change.
    waiting: usize,
}

impl Queue {
    pub(super) fn new(max_commands: usize, endpoint: Endpoint) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), max_commands, endpoint }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Adds a batch that takes no more commands; waits while enough of them wait. False where the run is over.
    fn push(&self, batch: Batch) -> bool {
        let mut state = self.lock();
        while state.stop.is_none()
            && (state.full.len() >= MAX_QUEUED || state.bytes > 0 && state.bytes + batch.bytes > MAX_QUEUED_BYTES)
        {
            state = self.wait(state, None);
        }
        if state.stop.is_some() {
            state.dropped = true;
            return false;
        }
        state.bytes += batch.bytes;
        state.full.push_back(batch);
        self.tell(&state);
        true
    }

    /// Leaves a batch to the sender: its time may come while more input is waited for.
    fn lend(&self, batch: Batch) {
        let mut state = self.lock();
        state.dropped |= state.stop.is_some();
        state.open = Some(batch).filter(|_| state.stop.is_none());
        self.tell(&state);
    }

    /// Takes that batch back, unless it was sent; and those that were answered.
    fn take_back(&self) -> (Option<Batch>, Vec<Batch>) {
        let mut state = self.lock();
        (state.open.take(), std::mem::take(&mut state.answered))
    }

    /// Takes a batch that was answered.
    pub(super) fn recycle(&self, batch: Batch) {
        if batch.bytes <= MAX_KEPT_BYTES {
            self.lock().answered.push(batch);
        }
    }

    /// Takes the next batch once it is full, its time is over, or no more lines come; nothing at the end of the run.
    pub(super) fn pop(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.full.pop_front() {
                state.bytes -= batch.bytes;
                if state.full.len() <= FEW_QUEUED {
                    self.tell(&state);
                }
                return Some(batch);
            }
            let left = state.open.as_ref().map(|open| MAX_WAIT.saturating_sub(open.since.elapsed()));
            if state.read.is_some() || state.stop.is_some() || left.is_some_and(|left| left.is_zero()) {
                return state.open.take();
            }
            state = self.wait(state, left);
        }
    }

    /// Keeps what waits from being sent.
    pub(super) fn stop(&self, stop: StopReason) {
        let mut state = self.lock();
        state.stop.get_or_insert(stop);
        state.dropped |= !state.full.is_empty() || state.open.is_some();
        state.full.clear();
        state.bytes = 0;
        state.open = None;
        self.tell(&state);
    }

    /// Waits as long as that; false, and at once, where the run is stopped.
    pub(super) fn sleep_unless_stopped(&self, pause: Duration) -> bool {
        self.wait_while(pause, |state| state.stop.is_none()).stop.is_none()
    }

    fn all_read(&self, result: anyhow::Result<()>) {
        let mut state = self.lock();
        state.read = Some(result);
        self.tell(&state);
    }

    /// Tells how the run ended, once the sender is done. A reader that waits for input is given a moment to notice that
    /// there is none: whether lines are left depends on it.
    pub(super) fn end(&self) -> End {
        let mut state = self.wait_while(MAX_WAIT, |state| state.read.is_none() && !state.dropped);
        let (stop, read, dropped) = (state.stop, state.read.take(), state.dropped);
        let left = dropped || !matches!(read, Some(Ok(())));
        End { stop, bad: read.and_then(Result::err).filter(|_| stop.is_none()), left }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait; where nobody does, that would be a system call for nothing.
    fn tell(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for a change, or as long as that.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, limit: Option<Duration>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = match limit {
            Some(limit) => self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0,
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.waiting -= 1;
        state
    }

    fn wait_while(&self, limit: Duration, goes_on: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let start = Instant::now();
        let mut state = self.lock();
        while goes_on(&state) {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, Some(left));
        }
        state
    }
}

/// Starts to read standard input; `command` makes a command of a line.
///
/// # Errors
/// If standard input cannot be had or a thread cannot be started.
pub(super) fn read_input(
    queue: &Arc<Queue>,
    command: impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error> + Send + 'static,
) -> anyhow::Result<()> {
    let input = BufReader::with_capacity(BLOCK_BYTES, input()?);
    let queue = Arc::clone(queue);
    thread::Builder::new()
        .spawn(move || queue.all_read(read(input, &queue, command)))
        .context("the reading thread cannot be started")?;
    Ok(())
}

/// Standard input as a file: read in larger blocks than the standard library's own buffer takes.
fn input() -> anyhow::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from).context("standard input")
}

/// How many bytes there are to read, where standard input is a regular file.
pub(super) fn input_bytes() -> Option<u64> {
    let mut input = input().ok()?;
    let file = input.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(file.len().saturating_sub(input.stream_position().ok()?))
}

/// Makes batches of commands, and writes their requests while the sender waits for the server.
struct Filler<'a> {
    queue: &'a Queue,
    batch: Option<Batch>,
    /// Buffers of lines that were answered: to free them and allocate others takes longer than to use them again.
    spare: Vec<Vec<u8>>,
}

impl<'a> Filler<'a> {
    fn new(queue: &'a Queue) -> Self {
        Self { queue, batch: None, spare: Vec::new() }
    }

    /// An empty buffer for a line.
    fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Adds the command of a line; false where the run is over.
    fn add(&mut self, command: Command, number: u64, input_end: u64) -> anyhow::Result<bool> {
        let bytes = command.method().len() + command.params().len() + AROUND_COMMAND;
        self.take_back();
        if self.batch.as_ref().is_some_and(|batch| !batch.takes(bytes)) && !self.close()? {
            return Ok(false);
        }
        let max_commands = self.queue.max_commands;
        let batch = self.batch.get_or_insert_with(|| Batch::new(max_commands));
        batch.commands.push(command);
        batch.lines.push(number);
        batch.input_end = input_end;
        batch.bytes += bytes;
        Ok(batch.commands.len() < max_commands || self.close()?)
    }

    /// Takes back the batch that was left to the sender, unless it was sent, and the buffers of what was answered.
    fn take_back(&mut self) {
        if self.batch.is_none() {
            let (open, answered) = self.queue.take_back();
            self.batch = open;
            self.spare.extend(answered.into_iter().flat_map(Batch::into_buffers));
        }
    }

    /// Leaves what there is to the sender, since nobody knows when the next line comes; false where the run is over.
    fn await_input(&mut self) -> anyhow::Result<bool> {
        // Taken back again and again, its time would never come.
        if self.batch.as_ref().is_some_and(|batch| batch.since.elapsed() >= MAX_WAIT) {
            return self.close();
        }
        if let Some(batch) = self.batch.take() {
            self.queue.lend(batch);
        }
        Ok(true)
    }

    /// Hands the batch on; false where the run is over.
    fn close(&mut self) -> anyhow::Result<bool> {
        self.take_back();
        let Some(mut batch) = self.batch.take() else { return Ok(true) };
        batch.request(&self.queue.endpoint)?;
        Ok(self.queue.push(batch))
    }
}

/// Reads lines to the end of the input or of the run, or to the first bad line; what came before that is sent.
fn read(
    input: BufReader<impl Read>,
    queue: &Queue,
    command: impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error>,
) -> anyhow::Result<()> {
    let mut filler = Filler::new(queue);
    let read = read_lines(input, &mut filler, command);
    let closed = filler.close();
    read?;
    closed.map(drop)
}

fn read_lines(
    mut input: BufReader<impl Read>,
    filler: &mut Filler<'_>,
    command: impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error>,
) -> anyhow::Result<()> {
    let mut input_end = 0;
    for number in 1.. {
        let mut text = filler.buffer();
        if let Some(end) = memchr::memchr(b'\n', input.buffer()) {
            text.extend_from_slice(&input.buffer()[..=end]);
            input.consume(text.len());
        } else {
            if !filler.await_input()? {
                break;
            }
            let count = input.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut text);
            count.with_context(|| format!("{}: cannot be read", at_line(number)))?;
        }
        if text.is_empty() {
            break;
        }
        if text.len() as u64 > MAX_LINE_BYTES {
            bail!(
                "{}: longer than 64 MB; is its line end missing? params that large go with --params",
                at_line(number)
            );
        }
        input_end += text.len() as u64;
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let command = command(text, number).with_context(|| at_line(number))?;
        if !filler.add(command, number, input_end)? {
            break;
        }
    }
    Ok(())
}

fn at_line(number: u64) -> String {
    format!("standard input, line {number}")
}

#[cfg(test)]
mod tests {
    use cent::Address;

    use super::*;

    fn queue(max_commands: usize) -> Queue {
        let endpoint = Endpoint::with_secret(Address::parse("http://127.0.0.1:1").unwrap(), "secret").unwrap();
        Queue::new(max_commands, endpoint)
    }

    fn command(params: &str) -> Command {
        Command::new("info", params).unwrap()
    }

    fn numbers(batch: Option<Batch>) -> Vec<u64> {
        batch.map_or_else(Vec::new, |batch| batch.lines)
    }

    fn read_all(queue: &Queue, input: impl Read) {
        queue.all_read(read(BufReader::new(input), queue, |text, _| Command::new("info", text)));
    }

    #[test]
    fn a_batch_is_full_at_its_number_of_commands() {
        let queue = queue(2);
        read_all(&queue, "{}\n\n{}\n{}\n \n".as_bytes());
        assert_eq!(numbers(queue.pop()), [1, 3]);
        assert_eq!(numbers(queue.pop()), [4]);
        assert!(queue.pop().is_none());
        let end = queue.end();
        assert!(end.stop.is_none() && end.bad.is_none() && !end.left);
    }

    #[test]
    fn a_batch_is_full_at_its_size_and_a_larger_line_goes_alone() {
        let queue = queue(100);
        let params = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        let mut filler = Filler::new(&queue);
        for (number, bytes) in [(1, 400_000), (2, 400_000), (3, 400_000), (4, 2_000_000), (5, 1)] {
            assert!(filler.add(command(&params(bytes)), number, 0).unwrap());
        }
        assert!(filler.close().unwrap());
        queue.all_read(Ok(()));
        let batches: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|batch| batch.lines).collect();
        assert_eq!(batches, [vec![1, 2], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn an_answered_batch_leaves_its_buffers_when_the_next_one_begins_and_a_large_one_none() {
        let queue = queue(1);
        let mut filler = Filler::new(&queue);
        for (bytes, kept, spare) in [(1, 1, 0), (MAX_KEPT_BYTES, 0, 1), (1, 1, 1), (1, 1, 2)] {
            assert!(filler.add(command(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes))), 1, 0).unwrap());
            queue.recycle(queue.pop().unwrap());
            assert_eq!((queue.lock().answered.len(), filler.spare.len()), (kept, spare), "{bytes}");
        }
        assert!(filler.buffer().is_empty() && filler.spare.len() == 1);
    }

    #[test]
    fn a_buffer_that_is_much_too_large_is_not_kept() {
        let mut batch = Batch::new(2);
        for capacity in [6, 7] {
            let mut text = Vec::with_capacity(capacity);
            text.extend_from_slice(b"{ }");
            batch.commands.push(Command::new("info", text).unwrap());
        }
        assert_eq!(batch.into_buffers().map(|buffer| buffer.capacity()).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn an_early_batch_does_not_wait_for_the_end() {
        let queue = queue(100);
        let mut filler = Filler::new(&queue);
        assert!(filler.add(command("{}"), 1, 3).unwrap());
        assert!(filler.await_input().unwrap());
        let start = Instant::now();
        assert_eq!(numbers(queue.pop()), [1]);
        assert!(start.elapsed() >= MAX_WAIT / 2);
    }

    #[test]
    fn a_batch_goes_out_while_the_next_line_is_awaited() {
        use std::io::Write;
        use std::os::unix::net::UnixStream;
        let (mut writer, input) = UnixStream::pair().unwrap();
        let queue = Arc::new(queue(100));
        let filled = Arc::clone(&queue);
        let reader = thread::spawn(move || {
            read_all(&filled, input);
        });
        for (text, number) in [("{}\n\n", 1), ("{}\n{}", 3), ("\n", 4)] {
            writer.write_all(text.as_bytes()).unwrap();
            assert_eq!(numbers(queue.pop()), [number]);
        }
        drop(writer);
        assert!(queue.pop().is_none());
        reader.join().unwrap();
    }

    #[test]
    fn a_bad_line_is_reached_after_what_came_before() {
        let queue = queue(100);
        read_all(&queue, "{}\n{}\n[]\n{}\n".as_bytes());
        assert_eq!(numbers(queue.pop()), [1, 2]);
        assert!(queue.pop().is_none());
        let end = queue.end();
        let bad = format!("{:#}", end.bad.unwrap());
        assert!(end.left && bad.starts_with("standard input, line 3: "), "{bad}");
    }

    #[test]
    fn a_stop_keeps_what_waits_and_passes_over_a_bad_line() {
        let queue = queue(1);
        read_all(&queue, "{}\n{}\n[]\n".as_bytes());
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(StopReason::Signal(15));
        queue.stop(StopReason::Failure);
        assert!(queue.pop().is_none());
        let end = queue.end();
        assert!(end.left && end.bad.is_none());
        assert_eq!(end.stop, Some(StopReason::Signal(15)));
    }

    #[test]
    fn a_batch_that_comes_after_a_stop_is_left() {
        let queue = queue(100);
        let mut filler = Filler::new(&queue);
        assert!(filler.add(command("{}"), 1, 3).unwrap());
        queue.stop(StopReason::Failure);
        assert!(filler.await_input().unwrap());
        queue.all_read(Ok(()));
        assert!(queue.pop().is_none());
        assert!(queue.end().left);
    }

    #[test]
    fn a_stop_after_the_last_line_leaves_none() {
        let queue = queue(1);
        read_all(&queue, "{}\n".as_bytes());
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(StopReason::Failure);
        assert!(!queue.end().left);
    }

    #[test]
    fn few_bytes_wait_but_one_batch_of_any_size() {
        let queue = Arc::new(queue(1));
        let shared = Arc::clone(&queue);
        let reader = thread::spawn(move || {
            let mut filler = Filler::new(&shared);
            for (number, bytes) in [(1, 2 * MAX_QUEUED_BYTES), (2, MAX_QUEUED_BYTES / 2), (3, MAX_QUEUED_BYTES / 2)] {
                let params = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
                assert!(filler.add(command(&params), number, 0).unwrap());
            }
        });
        for number in 1..=3 {
            // Each holds the next one back.
            let is_next_waiting = |state: &State| number == 3 || state.waiting > 0;
            while queue.lock().full.is_empty() || !is_next_waiting(&queue.lock()) {
                thread::yield_now();
            }
            assert_eq!(queue.lock().full.len(), 1);
            assert_eq!(numbers(queue.pop()), [number]);
        }
        reader.join().unwrap();
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn a_full_queue_holds_the_reader_until_there_is_room_or_an_end() {
        let queue = Arc::new(queue(1));
        let shared = Arc::clone(&queue);
        let reader = thread::spawn(move || {
            let mut filler = Filler::new(&shared);
            (1..1000).take_while(|&number| filler.add(command("{}"), number, 0).unwrap()).count()
        });
        while queue.lock().full.len() < MAX_QUEUED {
            thread::yield_now();
        }
        assert_eq!(numbers(queue.pop()), [1]);
        queue.stop(StopReason::Failure);
        assert!(reader.join().unwrap() >= MAX_QUEUED);
    }
}
