//! A batch: the commands that go out in one request.

use std::time::{Duration, Instant};

use cent::{Command, Error, HttpRequest, RequestBuilder};

use super::super::journal::Checkpoint;
use super::super::journal::record::Digest;
use super::super::ledger::Origin;

/// The largest body, unless a single command is larger: nginx rejects more than 1 MiB by default.
pub(in crate::lines) const MAX_REQUEST_BYTES: usize = 1_000_000;

/// An estimate of what a command takes in the body besides its method and params.
const COMMAND_OVERHEAD_BYTES: usize = 32;

/// How long the first command of a batch waits for more.
pub(in crate::lines) const BATCH_LINGER: Duration = Duration::from_millis(100);

/// Batches allocate memory for so many commands at once. Larger ones are rarely filled.
const MAX_INITIAL_CAPACITY: usize = 100;

#[derive(Debug)]
pub(in crate::lines) struct Batch {
    max_commands: usize,
    /// Unless a single command is larger.
    max_bytes: usize,
    /// Empty once the request holds them.
    commands: Vec<Command>,
    request: Option<HttpRequest<'static>>,
    /// The line number of each command, from 1; blank lines count.
    pub(in crate::lines) lines: Vec<u64>,
    /// The digest of the input up to the end of each line, a third of the hash's state; empty without a journal.
    digests: Vec<Digest>,
    pub(in crate::lines) origin: Origin,
    /// Where its last line ends in the input, in bytes.
    pub(in crate::lines) input_end: u64,
    bytes: usize,
    created_at: Instant,
}

impl Batch {
    pub(in crate::lines) fn new(max_commands: usize, max_bytes: usize, origin: Origin) -> Self {
        let capacity = max_commands.min(MAX_INITIAL_CAPACITY);
        Self {
            max_commands,
            max_bytes,
            commands: Vec::with_capacity(capacity),
            request: None,
            lines: Vec::with_capacity(capacity),
            digests: Vec::new(),
            origin,
            input_end: 0,
            bytes: 0,
            created_at: Instant::now(),
        }
    }

    pub(in crate::lines) fn push(&mut self, command: Command, line: u64, input_end: u64) {
        self.bytes += size(&command);
        self.commands.push(command);
        self.lines.push(line);
        self.input_end = input_end;
    }

    /// Adds the digest of the input up to the end of the line that was pushed last.
    pub(in crate::lines) fn push_digest(&mut self, digest: Digest) {
        self.digests.push(digest);
    }

    /// Its last line and the digest at the end of that; none without a journal.
    pub(in crate::lines) fn end(&self) -> Option<Checkpoint> {
        Some(Checkpoint { line: *self.lines.last()?, digest: *self.digests.last()? })
    }

    /// Makes room for so many commands: appended ones would double the memory again and again.
    pub(in crate::lines) fn reserve(&mut self, commands: usize) {
        if self.request.is_none() {
            let additional = commands.saturating_sub(self.commands.len());
            self.commands.reserve_exact(additional);
            self.lines.reserve_exact(additional);
        }
    }

    pub(in crate::lines) fn append(&mut self, mut other: Self) {
        self.bytes += other.bytes;
        self.commands.append(&mut other.commands);
        self.lines.append(&mut other.lines);
        self.digests.append(&mut other.digests);
        self.input_end = other.input_end;
    }

    /// Halves the batch; its second half, or none if it has a single command. Both have to be prepared anew.
    pub(in crate::lines) fn split_off_half(&mut self) -> Option<Self> {
        self.commands =
            self.request.take().map_or_else(|| std::mem::take(&mut self.commands), HttpRequest::into_commands);
        let half = self.commands.len() / 2;
        if half == 0 {
            return None;
        }
        let commands = self.commands.split_off(half);
        let bytes = commands.iter().map(size).sum();
        self.bytes -= bytes;
        Some(Self {
            max_commands: self.max_commands,
            max_bytes: self.max_bytes,
            commands,
            request: None,
            lines: self.lines.split_off(half),
            digests: self.digests.split_off(half.min(self.digests.len())),
            origin: self.origin,
            input_end: self.input_end,
            bytes,
            created_at: self.created_at,
        })
    }

    pub(in crate::lines) fn is_full(&self) -> bool {
        self.commands.len() >= self.max_commands
    }

    pub(in crate::lines) fn has_room_for(&self, command: &Command) -> bool {
        self.has_room(1, size(command), self.max_commands, self.max_bytes)
    }

    /// Whether another batch can be appended if one may have so many commands and bytes.
    pub(in crate::lines) fn has_room_for_all(&self, other: &Self, max_commands: usize, max_bytes: usize) -> bool {
        other.request.is_none()
            && other.origin == self.origin
            && self.has_room(other.commands.len(), other.bytes, max_commands, max_bytes)
    }

    fn has_room(&self, commands: usize, bytes: usize, max_commands: usize, max_bytes: usize) -> bool {
        self.request.is_none()
            && self.commands.len() + commands <= max_commands
            && (self.commands.is_empty() || self.bytes + bytes <= max_bytes)
    }

    /// How much longer it waits for more commands.
    pub(in crate::lines) fn remaining_linger(&self) -> Duration {
        BATCH_LINGER.saturating_sub(self.created_at.elapsed())
    }

    /// The request of the commands. It is prepared by the first call; nothing can be added after that.
    pub(in crate::lines) fn request(&mut self, requests: &RequestBuilder) -> Result<&mut HttpRequest<'static>, Error> {
        match &mut self.request {
            Some(request) => Ok(request),
            none => Ok(none.insert(requests.batch(std::mem::take(&mut self.commands))?)),
        }
    }

    pub(in crate::lines) fn commands(&self) -> &[Command] {
        self.request.as_ref().map_or(&self.commands, HttpRequest::commands)
    }

    /// The estimated size of the body.
    pub(in crate::lines) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The buffers of its lines, except those that are much too large for what they hold.
    pub(in crate::lines) fn into_buffers(self) -> impl Iterator<Item = Vec<u8>> {
        let commands = self.request.map_or(self.commands, HttpRequest::into_commands);
        let buffers = commands.into_iter().map(|command| command.into_params().into_bytes());
        buffers.filter(|buffer| buffer.capacity() <= 2 * buffer.len())
    }
}

fn size(command: &Command) -> usize {
    command.method().len() + command.params().len() + COMMAND_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use cent::{Address, Endpoint};

    use super::*;

    fn batch(max_commands: usize, params: &[&str]) -> Batch {
        let mut batch = Batch::new(max_commands, MAX_REQUEST_BYTES, Origin::New);
        for params in params {
            batch.push(Command::new("info", *params).unwrap(), 1, 1);
        }
        batch
    }

    #[test]
    fn oversized_buffers_are_not_reused() {
        let mut batch = Batch::new(2, MAX_REQUEST_BYTES, Origin::New);
        for capacity in [6, 7] {
            let mut text = Vec::with_capacity(capacity);
            text.extend_from_slice(b"{ }");
            batch.push(Command::new("info", text).unwrap(), 1, 1);
        }
        assert_eq!(batch.into_buffers().map(|buffer| buffer.capacity()).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn appending_respects_both_limits() {
        let has_room =
            |first: &[&str], second: &[&str]| batch(2, first).has_room_for_all(&batch(2, second), 3, MAX_REQUEST_BYTES);
        assert!(has_room(&["{}"], &["{}", "{}"]));
        assert!(!has_room(&["{}", "{}"], &["{}", "{}"]));
        let half = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_REQUEST_BYTES / 2));
        assert!(!has_room(&[&half], &[&half]));
    }

    #[test]
    fn prepared_request_takes_no_more_commands() {
        let endpoint = Endpoint::with_secret(Address::parse("http://127.0.0.1:1").unwrap(), "secret").unwrap();
        let requests = RequestBuilder::new(endpoint);
        let (mut prepared, other) = (batch(3, &["{}"]), batch(3, &["{}"]));
        prepared.request(&requests).unwrap();
        let has_room = |batch: &Batch, other| batch.has_room_for_all(other, 3, MAX_REQUEST_BYTES);
        assert!(!has_room(&prepared, &other) && !has_room(&other, &prepared));
    }
}
