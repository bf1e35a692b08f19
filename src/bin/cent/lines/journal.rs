//! The journal of `--lines --journal FILE`: which lines are done, so that the same command can go on after any end.
//!
//! A record reaches the disk before what depends on it: the lines of a request before it is sent, and that it was answered
//! before its replies count. So a killed program and a power cut leave no more unknown than a lost connection.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail, ensure};
use cent::{Error, ErrorKind, IdempotencyKey, Reply};
use rustix::fs::fstat;

use format::{Checkpoint, HEADER_LINES, Job, Record, Repeat, State};
use line_set::LineSet;

pub(super) mod format;
pub(super) mod line_set;
pub(crate) mod resume;

/// The longest record, in bytes: a file without newlines must not fill the memory.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// An open and locked journal. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Journal {
    /// As the user wrote it.
    path: PathBuf,
    file: File,
    id: IdempotencyKey,
    state: State,
    /// Where its last complete line ends, in bytes.
    end: u64,
    /// Whether a line that a crash cut off follows.
    has_cut_line: bool,
}

impl Journal {
    /// Opens the journal of a job, or creates it.
    ///
    /// # Errors
    /// If the file cannot be used, is in use, is no journal, or belongs to another job. It is left as it is then.
    pub(super) fn open(path: &Path, job: &Job) -> anyhow::Result<Self> {
        Self::open_at(path, job).with_context(|| path.display().to_string())
    }

    fn open_at(path: &Path, job: &Job) -> anyhow::Result<Self> {
        check_kind(path)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.context("cannot open the journal for writing")?;
        ensure!(!is_standard_stream(&file), "is also standard input, output or error; use another file for --journal");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another run uses this journal; wait until it ends"),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the journal"),
        }
        let mut input = BufReader::new(&file);
        let header = read_header(&mut input)?;
        let is_cut = header.matches('\n').count() < HEADER_LINES && job.is_cut_header(&header);
        let (id, (state, end)) = if is_cut {
            let (id, header_bytes) = create(path, &file, job)?;
            (id, (State::new(), header_bytes))
        } else {
            let id = job.parse_header(&header).map_err(|problem| anyhow!(problem))?;
            (id, read_records(&mut input, header.len() as u64)?)
        };
        let has_cut_line = file.metadata().context("cannot read the journal")?.len() > end;
        Ok(Self { path: path.to_owned(), file, id, state, end, has_cut_line })
    }

    /// From which the idempotency keys of the lines derive.
    pub(super) fn id(&self) -> IdempotencyKey {
        self.id
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Records that a request with these lines is about to be sent.
    pub(super) fn sent(
        &mut self,
        lines: LineSet,
        first_sent: u64,
        repeat: Repeat,
        end: Checkpoint,
    ) -> anyhow::Result<()> {
        self.append(&Record::Sent { lines, first_sent, repeat, digest: end.digest })
    }

    /// Records the result of the request with these lines; `checkpoints` has the digest at the end of each. Lines that an
    /// earlier run sent stay unknown unless they were answered. Returns whether all of the outcome is known.
    pub(super) fn answered(
        &mut self,
        lines: &[u64],
        is_resend: bool,
        result: &Result<Vec<Reply>, Error>,
        checkpoint: impl Fn(usize) -> Option<Checkpoint>,
    ) -> anyhow::Result<bool> {
        let (replies, answered, is_unknown) = match result {
            Ok(replies) => (&replies[..], lines.len(), false),
            Err(error) => (error.replies(), error.answered(), is_resend || error.kind() == ErrorKind::OutcomeUnknown),
        };
        if answered == 0 && is_unknown {
            // As the last record says.
            return Ok(false);
        }
        let (mut rejected, mut unknown) = (LineSet::default(), LineSet::default());
        for (reply, &line) in replies.iter().zip(lines).take(answered) {
            let has = |kind| reply.errors().iter().any(|error| error.kind() == kind);
            // What failed for now is asked again.
            if has(ErrorKind::OutcomeUnknown) || has(ErrorKind::SafeToRetry) {
                unknown.push(line);
            } else if !reply.errors().is_empty() {
                rejected.push(line);
            }
        }
        if is_unknown {
            lines.iter().skip(answered).for_each(|&line| unknown.push(line));
        }
        let last = answered.checked_sub(1).and_then(checkpoint);
        let done = last.filter(|last| last.line > self.state.done.line).unwrap_or(self.state.done);
        let is_known = unknown.is_empty();
        self.append(&Record::Done { done, rejected, unknown })?;
        Ok(is_known)
    }

    /// Records that the unknown lines are not sent again.
    pub(super) fn skip_unknown(&mut self) -> anyhow::Result<()> {
        let Some(unknown) = &self.state.unknown else { return Ok(()) };
        let (lines, done) = (unknown.lines.clone(), self.state.end());
        self.append(&Record::Skipped { lines, done })
    }

    /// Appends a record, and waits until it is on the disk.
    fn append(&mut self, record: &Record) -> anyhow::Result<()> {
        let text = record.to_string();
        if let Err(error) = self.write(text.as_bytes()) {
            // A record that is cut off counts as not written in any case.
            let _ = self.file.set_len(self.end);
            return Err(error).with_context(|| format!("{}: cannot write the journal", self.path.display()));
        }
        self.end += text.len() as u64;
        let applied = self.state.apply(record);
        applied.map_err(|()| anyhow!("{}: the journal does not fit the input", self.path.display()))
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.has_cut_line) {
            self.file.set_len(self.end)?;
        }
        self.file.write_all_at(text, self.end)?;
        self.file.sync_data()
    }
}

/// The time in whole seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}

/// Opening a pipe would wait for its other end, and a device keeps nothing.
fn check_kind(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => bail!("is a directory; add the name of a file for --journal"),
        Ok(metadata) => ensure!(metadata.is_file(), "is not a regular file; use another file for --journal"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("cannot open the journal"),
    }
    Ok(())
}

/// Whether a file is standard input, output or error at the same time: it would be overwritten.
fn is_standard_stream(file: &File) -> bool {
    let id = |stream: BorrowedFd<'_>| fstat(stream).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let streams = [id(io::stdin().as_fd()), id(io::stdout().as_fd()), id(io::stderr().as_fd())];
    streams.contains(&id(file.as_fd()))
}

/// Writes the header. The directory, too, must reach the disk, or a power cut could remove the file.
fn create(path: &Path, file: &File, job: &Job) -> anyhow::Result<(IdempotencyKey, u64)> {
    let id = IdempotencyKey::random()?;
    let header = job.header_with(id);
    let write = |file: &File| {
        file.set_len(0)?;
        file.write_all_at(header.as_bytes(), 0)?;
        file.sync_all()?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    let written = write(file);
    if written.is_err() {
        let _ = file.set_len(0);
    }
    written.context("cannot write the journal")?;
    Ok((id, header.len() as u64))
}

/// Reads the lines of the header as far as there are any.
fn read_header(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut header = Vec::new();
    for _ in 0..HEADER_LINES {
        read_line(input, &mut header)?;
    }
    String::from_utf8(header).map_err(|_| anyhow!("not a journal of cent; use another file for --journal"))
}

/// Adds a line with its newline; nothing at the end of the file.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut limited = input.take(MAX_RECORD_BYTES);
    limited.read_until(b'\n', line).context("cannot read the journal")?;
    ensure!(limited.limit() > 0, "not a journal of cent; use another file for --journal");
    Ok(())
}

/// Reads the records after the header; returns what they add up to, and where the last complete one ends. A last line that
/// was cut off by a crash counts as not written.
fn read_records(input: &mut impl BufRead, header_bytes: u64) -> anyhow::Result<(State, u64)> {
    let (mut state, mut end) = (State::new(), header_bytes);
    let mut line = Vec::new();
    for number in HEADER_LINES + 1.. {
        line.clear();
        read_line(input, &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else { break };
        let record = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Record>().ok());
        let is_valid = record.is_some_and(|record| state.apply(&record).is_ok());
        ensure!(is_valid, "line {number} is damaged; check which lines were sent, and use another file for --journal");
        end += line.len() as u64;
    }
    Ok((state, end))
}
