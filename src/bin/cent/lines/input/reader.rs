//! Reads standard input into batches.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, anyhow, bail};
use cent::{Command, RequestBuilder};

use super::super::journal::record::Digest;
use super::super::journal::resume::{InputHasher, KnownInput};
use super::super::ledger::Origin;
use super::batch::{Batch, MAX_REQUEST_BYTES};
use super::queue::{Queue, Stopped};
use crate::console::blocking::{self, is_readable};

/// The longest line, in bytes: input without newlines must not fill the memory. It is the same as for responses.
const MAX_LINE_BYTES: u64 = cent::MAX_RESPONSE_BYTES;

/// How much is read at once; the standard library's own buffer for standard input is smaller.
const READ_BYTES: usize = 32 * 1024;

const STDIN: &str = "standard input";

/// Starts a thread that reads standard input into the queue; `parse` gets each line and its number. With a journal, the
/// lines that earlier runs sent are compared, and only those to be sent again are queued.
///
/// # Errors
/// If standard input is not usable or the thread cannot be started.
pub(in crate::lines) fn start(
    queue: &Arc<Queue>,
    requests: RequestBuilder,
    known: Option<KnownInput>,
    parse: impl Fn(Vec<u8>, u64) -> anyhow::Result<Option<Command>> + Send + 'static,
) -> anyhow::Result<()> {
    let input = blocking::stdin().context(STDIN)?;
    let queue = Arc::clone(queue);
    thread::Builder::new()
        .spawn(move || queue.close(BatchReader::new(input, &queue, &requests).with_known(known).read_all(parse)))
        .context("cannot start the reader thread")?;
    Ok(())
}

/// How many bytes there are to read, if standard input is a regular file.
pub(in crate::lines) fn input_bytes() -> Option<u64> {
    let mut input = blocking::stdin().ok()?;
    let file = input.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(file.len().saturating_sub(input.stream_position().ok()?))
}

/// A line and what is known at its end.
struct Line {
    text: Vec<u8>,
    number: u64,
    /// In bytes.
    input_end: u64,
    digest: Option<Digest>,
}

/// What a journal has to know of the input.
struct InputCheck {
    known: KnownInput,
    hasher: InputHasher,
    /// Lines to be sent again, until all that earlier runs sent is compared: no more than were in one request.
    held: Vec<Line>,
}

impl InputCheck {
    /// Hashes a line; returns the digest up to its end.
    fn add(&mut self, line: &[u8]) -> Digest {
        self.hasher.add(line);
        self.hasher.digest()
    }

    fn check(&self, line: u64) -> anyhow::Result<()> {
        self.known.check(line, &self.hasher).map_err(|problem| anyhow!(problem))
    }

    fn check_end(&self, lines: u64) -> anyhow::Result<()> {
        self.known.check_end(lines).map_err(|problem| anyhow!(problem))
    }
}

/// Fills batches with commands, and prepares their requests while the sender waits for responses.
struct BatchReader<'a, Input> {
    input: BufReader<Input>,
    queue: &'a Queue,
    requests: &'a RequestBuilder,
    /// Whether there is no more: what is written to the file later, or typed after Ctrl-D, belongs to another run.
    has_ended: bool,
    /// The batch that is being filled; never empty.
    batch: Option<Batch>,
    /// With a journal.
    input_check: Option<InputCheck>,
    /// Buffers of lines that have been sent: reusing them is faster than allocating others.
    buffer_pool: Vec<Vec<u8>>,
}

impl<'a, Input: Read + AsFd> BatchReader<'a, Input> {
    fn new(input: Input, queue: &'a Queue, requests: &'a RequestBuilder) -> Self {
        let input = BufReader::with_capacity(READ_BYTES, input);
        Self { input, queue, requests, has_ended: false, batch: None, input_check: None, buffer_pool: Vec::new() }
    }

    fn with_known(self, known: Option<KnownInput>) -> Self {
        let input_check = known.map(|known| InputCheck { known, hasher: InputHasher::default(), held: Vec::new() });
        Self { input_check, ..self }
    }

    /// Reads up to the end of the input or of the run, or to the first invalid line. What precedes that is queued.
    fn read_all(&mut self, parse: impl Fn(Vec<u8>, u64) -> anyhow::Result<Option<Command>>) -> anyhow::Result<()> {
        let result = self.read_lines(parse);
        // Once it was stopped, the queue says so.
        let _ = self.flush();
        result.or_else(|error| if error.is::<Stopped>() { Ok(()) } else { Err(error) })
    }

    fn read_lines(&mut self, parse: impl Fn(Vec<u8>, u64) -> anyhow::Result<Option<Command>>) -> anyhow::Result<()> {
        let mut input_end = 0;
        let known_lines = self.input_check.as_ref().map_or(0, |input_check| input_check.known.last_line());
        if known_lines == 0 {
            self.queue.set_verified();
        }
        for number in 1.. {
            let mut text = self.empty_buffer();
            self.read_line(&mut text, number)?;
            if text.is_empty() {
                return self.input_check.as_ref().map_or(Ok(()), |input_check| input_check.check_end(number - 1));
            }
            if text.len() as u64 > MAX_LINE_BYTES {
                bail!(
                    "{STDIN}: line {number} is larger than 64 MB; is a newline missing? (use --params for params this large)"
                );
            }
            input_end += text.len() as u64;
            let digest = self.input_check.as_mut().map(|input_check| input_check.add(&text));
            let line = Line { text, number, input_end, digest };
            if number <= known_lines {
                self.take_known(line, &parse)?;
            } else {
                self.take_new(line, &parse, Origin::New)?;
            }
        }
        Ok(())
    }

    /// Takes a line that an earlier run sent.
    fn take_known(
        &mut self,
        line: Line,
        parse: &impl Fn(Vec<u8>, u64) -> anyhow::Result<Option<Command>>,
    ) -> anyhow::Result<()> {
        let Some(input_check) = &mut self.input_check else { return Ok(()) };
        let number = line.number;
        input_check.check(number)?;
        if input_check.known.origin(number).is_some() {
            input_check.held.push(line);
        } else {
            self.buffer_pool.push(line.text);
        }
        if number < input_check.known.last_line() {
            return Ok(());
        }
        self.queue.set_verified();
        for held in std::mem::take(&mut input_check.held) {
            let origin = self.input_check.as_ref().and_then(|input_check| input_check.known.origin(held.number));
            self.take_new(held, parse, origin.unwrap_or(Origin::New))?;
        }
        // New lines go into batches of their own.
        Ok(self.flush()?)
    }

    /// Takes a line to be sent.
    fn take_new(
        &mut self,
        line: Line,
        parse: &impl Fn(Vec<u8>, u64) -> anyhow::Result<Option<Command>>,
        origin: Origin,
    ) -> anyhow::Result<()> {
        let Some(command) = parse(line.text, line.number).context(STDIN)? else { return Ok(()) };
        let (number, input_end, digest) = (line.number, line.input_end, line.digest);
        self.push(command, number, input_end, origin, |batch| {
            if let Some(digest) = digest {
                batch.push_digest(digest);
            }
        })
    }

    /// Reads a line with its newline; none at the end of the input.
    fn read_line(&mut self, line: &mut Vec<u8>, number: u64) -> anyhow::Result<()> {
        let context = || format!("{STDIN}: read error at line {number}");
        loop {
            let buffered = self.input.buffer();
            let newline = memchr::memchr(b'\n', buffered);
            let count = newline.map_or(buffered.len(), |index| index + 1);
            line.extend_from_slice(&buffered[..count]);
            self.input.consume(count);
            if newline.is_some() || self.has_ended || line.len() as u64 > MAX_LINE_BYTES {
                return Ok(());
            }
            while !self.is_ready().with_context(context)? {
                self.flush()?;
            }
            match self.input.fill_buf() {
                Ok([]) => self.has_ended = true,
                Ok(_) => {}
                // A neighbor process can make standard input non-blocking, and read what this one waits for.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error).with_context(context),
            }
        }
    }

    /// Waits for input; false once the batch has waited for long enough.
    fn is_ready(&self) -> io::Result<bool> {
        loop {
            let linger = self.batch.as_ref().map(Batch::remaining_linger);
            if linger.is_some_and(|linger| linger.is_zero()) {
                return Ok(false);
            }
            if is_readable(self.input.get_ref(), linger)? {
                return Ok(true);
            }
        }
    }

    /// Adds a command to the batch, and then lets `extend` add what belongs to it.
    fn push(
        &mut self,
        command: Command,
        number: u64,
        input_end: u64,
        origin: Origin,
        extend: impl FnOnce(&mut Batch),
    ) -> anyhow::Result<()> {
        if self.batch.as_ref().is_some_and(|batch| batch.origin != origin || !batch.has_room_for(&command)) {
            self.flush_full()?;
        }
        if self.batch.is_none() {
            self.queue.take_recycled(&mut self.buffer_pool);
        }
        let batch = self.batch.get_or_insert_with(|| self.queue.new_batch(origin));
        batch.push(command, number, input_end);
        extend(batch);
        if batch.is_full() { self.flush_full() } else { Ok(()) }
    }

    /// Queues the batch, with its request prepared if nothing can be added to it. A large one would be held twice.
    fn flush_full(&mut self) -> anyhow::Result<()> {
        let is_final = self.queue.has_constant_size();
        if let Some(batch) = self.batch.as_mut().filter(|batch| is_final && batch.bytes() <= MAX_REQUEST_BYTES) {
            batch.request(self.requests)?;
        }
        Ok(self.flush()?)
    }

    /// Queues the batch, if there is one.
    fn flush(&mut self) -> Result<(), Stopped> {
        self.batch.take().map_or(Ok(()), |batch| self.queue.push(batch))
    }

    fn empty_buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.buffer_pool.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::fs::File;
    use std::io::{PipeReader, Write};
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use cent::{Address, Endpoint};

    use super::super::batch::BATCH_LINGER;
    use super::super::batch_size::BatchSize;
    use super::*;

    fn requests() -> RequestBuilder {
        RequestBuilder::new(Endpoint::with_secret(Address::parse("http://127.0.0.1:1").unwrap(), "secret").unwrap())
    }

    fn pipe_with(text: &str) -> PipeReader {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        reader
    }

    fn read_all(queue: &Queue, input: impl Read + AsFd) {
        let requests = requests();
        let mut reader = BatchReader::new(input, queue, &requests);
        queue.close(reader.read_all(|text, _| {
            let is_blank = text.iter().all(u8::is_ascii_whitespace);
            if is_blank { Ok(None) } else { Ok(Some(Command::new("info", text)?)) }
        }));
    }

    fn push(reader: &mut BatchReader<'_, PipeReader>, number: u64, bytes: usize) {
        let params = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes));
        reader.push(Command::new("info", params).unwrap(), number, 0, Origin::New, |_| {}).unwrap();
    }

    fn pop_lines(queue: &Queue) -> Vec<u64> {
        queue.pop().map_or_else(Vec::new, |batch| batch.lines)
    }

    fn all_lines(queue: &Queue) -> Vec<Vec<u64>> {
        std::iter::from_fn(|| queue.pop()).map(|batch| batch.lines).collect()
    }

    #[test]
    fn batch_closes_at_max_commands() {
        let queue = Queue::new(BatchSize::fixed(2));
        read_all(&queue, pipe_with("{}\n\n{}\n{}\n \n"));
        assert_eq!(all_lines(&queue), [vec![1, 3], vec![4]]);
        let result = queue.result();
        assert!(result.stop.is_none() && result.input_error.is_none() && !result.lines_remain);
    }

    #[test]
    fn batch_closes_at_max_bytes() {
        let (queue, requests) = (Queue::new(BatchSize::fixed(100)), requests());
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut reader = BatchReader::new(pipe_with(""), &queue, &requests);
                for (number, bytes) in [(1, 400_000), (2, 400_000), (3, 400_000), (4, 2_000_000), (5, 1)] {
                    push(&mut reader, number, bytes);
                }
                reader.flush().unwrap();
                queue.close(Ok(()));
            });
            assert_eq!(all_lines(&queue), [vec![1, 2], vec![3], vec![4], vec![5]]);
        });
    }

    #[test]
    fn buffers_of_sent_lines_are_reused() {
        let (queue, requests) = (Queue::new(BatchSize::fixed(1)), requests());
        let mut reader = BatchReader::new(pipe_with(""), &queue, &requests);
        for pooled in [0, 1, 1] {
            push(&mut reader, 1, 1);
            assert_eq!(reader.buffer_pool.len(), pooled);
            queue.recycle(queue.pop().unwrap());
        }
        assert!(reader.empty_buffer().is_empty() && reader.buffer_pool.is_empty());
    }

    #[test]
    fn partial_batch_is_sent_after_linger() {
        let (mut writer, input) = UnixStream::pair().unwrap();
        let queue = Arc::new(Queue::new(BatchSize::fixed(100)));
        let filled = Arc::clone(&queue);
        let reader = thread::spawn(move || read_all(&filled, input));
        // Also while the rest of a line is missing.
        for (text, number) in [("{}\n\n", 1), ("{}\n{}", 3), ("\n", 4)] {
            let start = Instant::now();
            writer.write_all(text.as_bytes()).unwrap();
            assert_eq!(pop_lines(&queue), [number]);
            assert!(start.elapsed() >= BATCH_LINGER / 2);
        }
        drop(writer);
        assert!(queue.pop().is_none());
        reader.join().unwrap();
    }

    #[test]
    fn bad_line_stops_after_preceding_lines() {
        let queue = Queue::new(BatchSize::fixed(100));
        read_all(&queue, pipe_with("{}\n{}\n[]\n{}\n"));
        assert_eq!(all_lines(&queue), [[1, 2]]);
        let result = queue.result();
        let error = format!("{:#}", result.input_error.unwrap());
        assert!(
            result.lines_remain && error.starts_with("standard input: expected a JSON object, found an array at line "),
            "{error}"
        );
    }

    #[test]
    fn nonblocking_input_is_waited_for() {
        let (mut writer, input) = UnixStream::pair().unwrap();
        input.set_nonblocking(true).unwrap();
        let queue = Arc::new(Queue::new(BatchSize::fixed(1)));
        let filled = Arc::clone(&queue);
        let reader = thread::spawn(move || read_all(&filled, input));
        for number in 1..=2 {
            writer.write_all(b"{}\n").unwrap();
            assert_eq!(pop_lines(&queue), [number]);
        }
        drop(writer);
        reader.join().unwrap();
        assert!(!queue.result().lines_remain);
    }

    /// Input that is always ready, with these results.
    struct Scripted(File, VecDeque<io::Result<&'static [u8]>>);

    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.pop_front().unwrap_or(Ok(b"")).and_then(|mut text| text.read(buffer))
        }
    }

    impl AsFd for Scripted {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn end_of_input_is_final() {
        // What another process appends to the file later, or a person types after Ctrl-D.
        for (first, lines) in [(&b"{}\n{}"[..], [1, 2]), (b"{}\n{}\n", [1, 2])] {
            let results: [io::Result<&'static [u8]>; 4] = [Ok(first), Ok(b""), Ok(b"\n{}\n"), Ok(b"")];
            let queue = Queue::new(BatchSize::fixed(100));
            read_all(&queue, Scripted(File::open("/dev/null").unwrap(), results.into()));
            assert_eq!(all_lines(&queue), [lines]);
            assert!(queue.result().input_error.is_none());
        }
    }

    #[test]
    fn interrupted_and_blocked_reads_are_repeated() {
        let results: [io::Result<&'static [u8]>; 5] = [
            Err(io::ErrorKind::Interrupted.into()),
            Ok(b"{}\n{"),
            Err(io::ErrorKind::WouldBlock.into()),
            Ok(b"}\n"),
            Err(io::ErrorKind::NotConnected.into()),
        ];
        let queue = Queue::new(BatchSize::fixed(100));
        read_all(&queue, Scripted(File::open("/dev/null").unwrap(), results.into()));
        assert_eq!(all_lines(&queue), [[1, 2]]);
        let error = format!("{:#}", queue.result().input_error.unwrap());
        assert!(error.starts_with("standard input: read error at line 3: "), "{error}");
    }
}
