//! The journal of `--lines --journal FILE`: which lines are done, so that the same command can go on after any end.
//!
//! A record reaches the disk before what depends on it: the lines of a request before it is sent, and that it was answered
//! before its replies count. So a killed program and a power cut leave no more unknown than a lost connection.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use cent::IdempotencyKey;
use rustix::fs::fstat;
use rustix::io::Errno;
use sha2::Sha256;

use super::ledger::{Entry, Ledger};
use crate::console::stderr::text_of;
use record::{Digest, Job, Record};

pub(crate) mod record;
pub(crate) mod resume;

/// The longest record, in bytes: a file without newlines must not fill the memory.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// A line of the input, and the digest of the input up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// 0 before the first line.
    pub(crate) line: u64,
    pub(crate) digest: Digest,
}

/// An open and locked journal. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct Journal {
    /// As the user wrote it.
    path: PathBuf,
    file: File,
    id: IdempotencyKey,
    /// Up to where lines are done, and up to where they were sent.
    checkpoints: Vec<Checkpoint>,
    /// Where its last complete line ends, in bytes.
    end: u64,
    /// Whether a line that a crash cut off follows.
    has_cut_line: bool,
    is_lost: bool,
}

impl Journal {
    /// Opens the journal of a job, or creates it. Returns what it says about the lines, too.
    ///
    /// # Errors
    /// If the file cannot be used, is in use, is no journal, or belongs to another job. It is left as it is then.
    pub(super) fn open(path: &Path, job: &Job) -> anyhow::Result<(Self, Ledger)> {
        Self::open_at(path, job).with_context(|| path.display().to_string())
    }

    fn open_at(path: &Path, job: &Job) -> anyhow::Result<(Self, Ledger)> {
        check_kind(path)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.context("cannot open the journal for writing")?;
        ensure!(!is_standard_stream(&file), "is also standard input, output or error; use another file for --journal");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another run uses this journal; wait until it ends"),
            Err(TryLockError::Error(error)) => {
                let error = text_of(&error.into());
                bail!("cannot lock the journal: {error}; use a file on a local file system for --journal");
            }
        }
        let mut input = BufReader::new(&file);
        let header = read_header(&mut input)?;
        let mut ledger = Ledger::journaled();
        let mut checkpoints = vec![Checkpoint { line: 0, digest: Digest::of(&Sha256::default()) }];
        let (id, end) = if job.is_cut_header(&header) {
            create(path, &file, job)?
        } else {
            let id = job.parse_header(&header).map_err(|problem| anyhow!(problem))?;
            (id, replay(&mut input, &mut ledger, &mut checkpoints, header.len() as u64)?)
        };
        let has_cut_line = file.metadata().context("cannot read the journal")?.len() > end;
        Ok((Self { path: path.to_owned(), file, id, checkpoints, end, has_cut_line, is_lost: false }, ledger))
    }

    /// From which the idempotency keys of the lines derive.
    pub(super) fn id(&self) -> IdempotencyKey {
        self.id
    }

    /// As the user wrote it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// Adds an entry to the ledger, once its record is on the disk. `checkpoint` is at its last line, unless the ledger
    /// was there before.
    pub(super) fn add(
        &mut self,
        ledger: &mut Ledger,
        entry: Entry,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<()> {
        if let Some(checkpoint) = checkpoint {
            replace(&mut self.checkpoints, checkpoint);
        }
        let end = self.checkpoints.iter().find(|checkpoint| checkpoint.line == entry.last_line());
        let sha256 = end.context("the journal does not fit the input")?.digest;
        let record = Record { entry, sha256 };
        let text = record.text();
        // Before anything is written: the next run must be able to read it.
        let mut next = ledger.clone();
        next.add(&record.entry)?;
        self.check_unchanged()?;
        if let Err(error) = self.write(text.as_bytes()) {
            // A record that is cut off counts as not written in any case.
            let _ = self.file.set_len(self.end);
            return Err(error).context("cannot write the journal");
        }
        self.end += text.len() as u64;
        *ledger = next;
        keep_ends(&mut self.checkpoints, ledger);
        Ok(())
    }

    /// Checks that the next run will read what this one writes, and nothing else: file locks do not reach everyone.
    fn check_unchanged(&mut self) -> anyhow::Result<()> {
        let opened = self.file.metadata().context("cannot read the journal")?;
        let change = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("removed or renamed"),
            Err(error) => return Err(error).context("cannot read the journal"),
            Ok(named) if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) => Some("replaced by another file"),
            Ok(_) if opened.len() < self.end => Some("shortened"),
            Ok(_) if opened.len() > self.end && !self.has_cut_line => Some("written by another program"),
            Ok(_) => None,
        };
        self.is_lost = change.is_some();
        change.map_or(Ok(()), |change| {
            Err(anyhow!(
                "the journal was {change} during the run; check which lines were sent before you use another file"
            ))
        })
    }

    /// Whether something happened to the file, so that another run must not rely on it.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.has_cut_line) {
            self.file.set_len(self.end)?;
        }
        self.file.write_all_at(text, self.end)?;
        self.file.sync_data()
    }
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
        let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
        synced.or_else(|error| if is_unsupported(&error) { Ok(()) } else { Err(error) })
    };
    let written = write(file);
    if written.is_err() {
        let _ = file.set_len(0);
    }
    written.context("cannot write the journal")?;
    Ok((id, header.len() as u64))
}

/// Whether a directory cannot be synced at all, as on CIFS and vboxsf, or if it is not readable: then the file's own sync has
/// to do.
fn is_unsupported(error: &io::Error) -> bool {
    const ERRORS: [Errno; 6] = [Errno::INVAL, Errno::ACCESS, Errno::PERM, Errno::NOSYS, Errno::OPNOTSUPP, Errno::BADF];
    Errno::from_io_error(error).is_some_and(|errno| ERRORS.contains(&errno))
}

fn read_header(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut header = Vec::new();
    read_line(input, &mut header)?;
    String::from_utf8(header).map_err(|_| anyhow!("not a journal of cent; use another file for --journal"))
}

/// Adds a line with its newline; nothing at the end of the file.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut limited = input.take(MAX_RECORD_BYTES);
    limited.read_until(b'\n', line).context("cannot read the journal")?;
    ensure!(limited.limit() > 0, "not a journal of cent; use another file for --journal");
    Ok(())
}

/// Adds the records after the header; returns where the last complete one ends. A last line that was cut off by a crash
/// counts as not written.
fn replay(
    input: &mut impl BufRead,
    ledger: &mut Ledger,
    checkpoints: &mut Vec<Checkpoint>,
    header_bytes: u64,
) -> anyhow::Result<u64> {
    let (mut end, mut line) = (header_bytes, Vec::new());
    for number in 2.. {
        line.clear();
        read_line(input, &mut line)?;
        if !line.ends_with(b"\n") {
            break;
        }
        let record = std::str::from_utf8(&line).ok().and_then(Record::parse);
        let record = record.filter(|record| ledger.add(&record.entry).is_ok());
        let damage =
            || format!("line {number} is damaged; check which lines were sent, and use another file for --journal");
        let Record { entry, sha256 } = record.with_context(damage)?;
        replace(checkpoints, Checkpoint { line: entry.last_line(), digest: sha256 });
        keep_ends(checkpoints, ledger);
        end += line.len() as u64;
    }
    Ok(end)
}

/// Adds a checkpoint; in place of one at the same line, before which the input may have changed since.
fn replace(checkpoints: &mut Vec<Checkpoint>, checkpoint: Checkpoint) {
    checkpoints.retain(|other| other.line != checkpoint.line);
    checkpoints.push(checkpoint);
}

/// Keeps those where the ledger ends, or may end again, in ascending order.
fn keep_ends(checkpoints: &mut Vec<Checkpoint>, ledger: &Ledger) {
    checkpoints.retain(|checkpoint| [ledger.kept_end(), ledger.done(), ledger.end()].contains(&checkpoint.line));
    checkpoints.sort_by_key(|checkpoint| checkpoint.line);
}
