//! A run of `--lines`: requests are sent, replies printed, and the outcome reported.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use cent::{Client, Error, ErrorKind, IdempotencyKey, Repeat, Reply, ReplyError, RequestBuilder};

use super::input::batch::Batch;
use super::input::batch_size::{BatchSize, INITIAL_SIZE};
use super::input::line::{LineKind, LineParser};
use super::input::queue::{Queue, StopReason, Stopped};
use super::input::rate::Rate;
use super::input::reader;
use super::journal::record::{FixedParams, Job};
use super::journal::resume::{Decision, KnownInput, decide};
use super::journal::{Checkpoint, Journal};
use super::ledger::line_set::LineSet;
use super::ledger::{Answered, Entry, Ledger, NotAccepted, Origin, Released, Sent, Skipped};
use super::progress::Progress;
use super::{dry_run, signals};
use crate::clock::{Clock, Timestamp};
use crate::command_line::mistakes::IDEMPOTENT_REQUIRES_KEY;
use crate::config::home::{expand_tilde, home_dir};
use crate::console::Console;
use crate::console::stderr;
use crate::exit::{Effect, ExitStatus, LinesOutcome, OutputError, exit_status_for, lines_status};
use crate::hints;
use crate::options::{Options, UnknownChoice};
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, KEY_LIFETIME, Resend, Retrier};

/// So many invalid commands in a row, without an answer to any other, are no accident: the server takes none.
const MAX_INVALID_AT_START: u64 = 3;

/// The status of a response to a request with an invalid command.
const BAD_REQUEST: u16 = 400;

/// The status of a response to a request that is too large for the server, or for a proxy.
const TOO_LARGE: u16 = 413;

/// Sends the commands of standard input, and prints their replies.
pub(crate) fn run(
    options: &Options,
    console: Console,
    client: Client,
    method: Option<&str>,
) -> anyhow::Result<ExitStatus> {
    // Before the reader changes the position in it.
    let input_bytes = reader::input_bytes();
    let requests = request_builder(options, &client)?;
    let kind = LineKind::new(options, method, requests.endpoint(), console)?;
    let (journal, mut ledger) = open_journal(options, &requests, method, kind.fixed_params())?;
    ledger.begin(options.idempotent);
    let clock = if journal.is_some() { Clock::of_machine() } else { Clock::of_this_run() };
    let now = clock.now();
    let decision = ledger.unknown().map(|unknown| decide(unknown, options.unknown, options.idempotent, &now));
    if let Some(Decision::Ask(doubt)) = decision {
        if let Some((journal, question)) = journal.as_ref().zip(ledger.question(doubt, &now)) {
            console.print_error_message(&format!("{}: {question}", journal.name()));
        }
        return Ok(ExitStatus::Unknown);
    }
    let known = journal.as_ref().map(|journal| KnownInput::new(journal.checkpoints(), &ledger, decision));
    // Nothing is sent with --dry-run.
    let rate = options.rate.filter(|_| !options.dry_run).map(Rate::new);
    let queue = Arc::new(Queue::new(batch_size(options, &requests)).with_rate(rate));
    signals::stop_on_signals(&queue)?;
    let progress = Progress::new(console, console.shows_progress(), input_bytes, options.rate);
    let on_note = {
        let progress = progress.clone();
        move |note: &str| {
            if !console.is_quiet() {
                progress.print_message(note);
            }
        }
    };
    let parser = LineParser::new(kind, requests.endpoint(), line_keys(options, journal.as_ref())?, on_note);
    reader::start(&queue, requests.clone(), known, move |text, number| parser.parse(text, number))?;
    if options.dry_run {
        return dry_run::dry_run(console, &queue, &requests, options);
    }
    let print = {
        let progress = progress.clone();
        Box::new(move |message: &str| progress.print_message(message))
    };
    let sleep = {
        let queue = Arc::clone(&queue);
        Box::new(move |backoff| queue.sleep_unless_stopped(backoff))
    };
    let mut run = Run {
        console,
        idempotent: options.idempotent,
        unknown_choice: options.unknown,
        max_rate: options.rate,
        max_bytes: usize::MAX,
        queue: &queue,
        requests,
        retrier: Retrier::new(client, options, console.is_quiet(), print, sleep),
        progress,
        clock,
        journal,
        ledger,
        decision,
        is_server_checked: false,
        are_keys_checked: false,
        invalid_lines: 0,
        has_unsent: false,
        is_unrecorded: false,
        needs_fix: false,
        reply_errors: ReplyErrors::new(),
        printed: Ok(()),
        failures: Vec::new(),
    };
    if queue.wait_until_verified() {
        // Why the run was stopped is in the queue, and in what the run has noted.
        let _ = run.send_all();
    } else if let Some(error) = queue.take_input_error() {
        return Err(match &run.journal {
            Some(journal) => error.context(journal.name()),
            None => error,
        });
    }
    Ok(run.finish())
}

fn open_journal(
    options: &Options,
    requests: &RequestBuilder,
    method: Option<&str>,
    params: Option<FixedParams>,
) -> anyhow::Result<(Option<Journal>, Ledger)> {
    // A dry run shows what a first run would send.
    let path = options.journal.as_ref().filter(|_| !options.dry_run);
    let Some(path) = path else { return Ok((None, Ledger::default())) };
    let path = expand_tilde(Path::new(path), home_dir().as_deref());
    let path = path.context("--journal: HOME is not set; use an absolute path")?;
    let job = Job {
        section: options.section.clone(),
        address: requests.endpoint().address().to_string(),
        method: method.map(str::to_owned),
        params,
    };
    let (journal, ledger) = Journal::open(&path, &job)?;
    Ok((Some(journal), ledger))
}

/// From which the idempotency keys of the lines derive: a run that goes on where another one ended uses the same.
fn line_keys(options: &Options, journal: Option<&Journal>) -> Result<Option<IdempotencyKey>, Error> {
    match journal {
        _ if !options.idempotent => Ok(None),
        Some(journal) => Ok(Some(journal.id())),
        None => IdempotencyKey::random().map(Some),
    }
}

fn request_builder(options: &Options, client: &Client) -> anyhow::Result<RequestBuilder> {
    let requests = client.requests().clone();
    ensure!(!options.idempotent || !requests.endpoint().is_signed(), IDEMPOTENT_REQUIRES_KEY);
    if !options.unordered {
        return Ok(requests);
    }
    ensure!(!requests.endpoint().is_signed(), "--unordered requires api_key and Centrifugo 5.2 or later, not secret");
    Ok(requests.unordered())
}

/// With a secret the size is fixed; Centrifugo 1 itself has no limit.
fn batch_size(options: &Options, requests: &RequestBuilder) -> BatchSize {
    if requests.endpoint().is_signed() {
        BatchSize::fixed(options.batch.unwrap_or(INITIAL_SIZE))
    } else {
        BatchSize::adaptive(options.batch)
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the run so far")]
struct Run<'a> {
    console: Console,
    idempotent: bool,
    unknown_choice: Option<UnknownChoice>,
    max_rate: Option<f64>,
    /// How large a batch may be, by its estimate, unless it has a single command.
    max_bytes: usize,
    queue: &'a Queue,
    requests: RequestBuilder,
    retrier: Retrier<'static>,
    progress: Progress,
    clock: Clock,
    journal: Option<Journal>,
    ledger: Ledger,
    /// What to do with the lines that earlier runs left unknown; none if there are none.
    decision: Option<Decision>,
    /// Whether the server has answered a call that changes nothing.
    is_server_checked: bool,
    /// Whether it has said that it recognizes idempotency keys.
    are_keys_checked: bool,
    /// How many lines the server called invalid.
    invalid_lines: u64,
    /// Whether lines were taken from the queue that were not sent, or not accepted.
    has_unsent: bool,
    /// Whether the journal lacks the result of the last request.
    is_unrecorded: bool,
    /// Whether another run would fail in the same way.
    needs_fix: bool,
    reply_errors: ReplyErrors,
    printed: io::Result<()>,
    failures: Vec<anyhow::Error>,
}

/// What a response says about a batch.
enum Verdict {
    Settled,
    /// Nothing was executed, because of one of the commands or because of the size: a part of it may be accepted.
    Divide(Error),
}

impl Run<'_> {
    fn send_all(&mut self) -> Result<(), Stopped> {
        match self.decision {
            Some(Decision::Skip) => self.skip_unknown()?,
            Some(Decision::Release) => self.release_unknown()?,
            _ => {}
        }
        while let Some(batch) = self.queue.pop() {
            self.send_batch(batch)?;
        }
        Ok(())
    }

    /// Sends a batch; in halves, if the server rejects it as a whole.
    fn send_batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        let mut parts = vec![batch];
        let result = self.send_parts(&mut parts);
        for part in &parts {
            self.note_unsent(part);
        }
        result
    }

    /// Sends the parts from the last one on. Those that are left were not sent.
    fn send_parts(&mut self, parts: &mut Vec<Batch>) -> Result<(), Stopped> {
        while let Some(mut part) = parts.pop() {
            if part.bytes() > self.max_bytes
                && let Some(second) = part.split_off_half()
            {
                parts.extend([second, part]);
                continue;
            }
            if !self.prepare(&mut part).inspect_err(|_| self.note_unsent(&part))? {
                continue;
            }
            match self.send_part(&mut part)? {
                Verdict::Settled => self.queue.recycle(part),
                Verdict::Divide(error) => match part.split_off_half() {
                    Some(second) => parts.extend([second, part]),
                    None => self.reject(&part, &error)?,
                },
            }
            if !parts.is_empty() && self.queue.is_stopped() {
                return Err(Stopped);
            }
        }
        Ok(())
    }

    /// Remembers that a batch remains. Lines that an earlier run sent are unknown instead.
    fn note_unsent(&mut self, batch: &Batch) {
        self.has_unsent |= batch.origin != Origin::Unknown;
    }

    /// Prepares a batch to be sent: asks the server what has to be known before, and records what is about to happen.
    /// Returns false if the batch is skipped.
    fn prepare(&mut self, batch: &mut Batch) -> Result<bool, Stopped> {
        if batch.origin == Origin::Unknown && self.decision == Some(Decision::Skip) {
            return Ok(false);
        }
        let start = Instant::now();
        if self.is_repetition(batch) {
            let first = self.first_sent(batch);
            match self.retrier.may_resend(&first) {
                Resend::Now => (self.is_server_checked, self.are_keys_checked) = (true, true),
                Resend::Later => return Err(self.stop()),
                // As the user decided for lines that cannot be sent again.
                Resend::Never if self.unknown_choice == Some(UnknownChoice::Skip) => {
                    return self.skip_unknown().map(|()| false);
                }
                Resend::Never => {
                    self.ledger.set_keys_are_useless();
                    return Err(self.stop());
                }
            }
            self.retrier.disconnect();
        } else {
            self.check_server(batch)?;
        }
        self.queue.pause(start.elapsed());
        self.announce(batch).map(|()| true).map_err(|error| self.fail(error))
    }

    /// Makes a call that changes nothing before anything counts as sent, where later runs or keys rely on it.
    fn check_server(&mut self, batch: &mut Batch) -> Result<(), Stopped> {
        let relies_on_keys = self.idempotent
            && !self.are_keys_checked
            && batch.request(&self.requests).is_ok_and(|request| request.repeat() == Repeat::Keys);
        let checked = if relies_on_keys {
            self.retrier.check_keys()
        } else if self.journal.is_some() && !self.is_server_checked {
            self.retrier.check_server().map_err(anyhow::Error::from)
        } else {
            return Ok(());
        };
        self.is_server_checked = true;
        self.are_keys_checked |= relies_on_keys;
        // One that a server closes after each response would lose the first batch of every run.
        self.retrier.disconnect();
        checked.map_err(|error| {
            let error = self.retrier.with_attempts(error);
            self.fail(error)
        })
    }

    /// Whether a batch is sent again only because the server recognizes its keys.
    fn is_repetition(&self, batch: &Batch) -> bool {
        batch.origin == Origin::Unknown && self.decision == Some(Decision::Repeat)
    }

    /// Records that a batch is about to be sent.
    fn announce(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let (is_repetition, first_sent) = (self.is_repetition(batch), self.first_sent(batch));
        let request = batch.request(&self.requests)?;
        if is_repetition {
            request.assume_sent();
        }
        let repeat = match request.repeat() {
            // Keys of the user's own, without the option: nobody said that they may be relied on.
            Repeat::Keys if !self.idempotent => Repeat::Nothing,
            repeat => repeat,
        };
        let (Some(&first), Some(&last)) = (batch.lines.first(), batch.lines.last()) else { return Ok(()) };
        let lines = match (batch.origin, self.ledger.unknown()) {
            // Blank lines before them are settled, too.
            (Origin::Unknown, Some(unknown)) => unknown.lines.up_to(last),
            (Origin::Unsent, _) => self.ledger.unsent().up_to(last),
            _ => LineSet::range(first, last),
        };
        self.record(Entry::Sent(Sent::new(lines, first_sent, repeat)), batch.end())
    }

    /// Sends a batch, and records and prints what becomes of it.
    fn send_part(&mut self, batch: &mut Batch) -> Result<Verdict, Stopped> {
        let (first_sent, is_repetition) = (self.first_sent(batch), self.is_repetition(batch));
        let start = Instant::now();
        let request = batch.request(&self.requests);
        let result = request.and_then(|request| self.retrier.send(request, &first_sent, is_repetition));
        self.queue.pause(start.elapsed().saturating_sub(self.retrier.last_attempt));
        if result.is_ok() {
            self.queue.observe(batch.commands().len(), self.retrier.last_attempt);
        }
        if self.retrier.keys_are_ignored {
            self.ledger.set_keys_are_useless();
        }
        let was_unknown = batch.origin == Origin::Unknown;
        let entry = Entry::from_result(&batch.lines, &result, was_unknown, self.ledger.done());
        match result {
            Err(error) if error.rejects_whole_batch() || is_too_large(&error, batch) => {
                if error.status() == Some(TOO_LARGE) {
                    self.max_bytes = self.max_bytes.min(batch.bytes() / 2);
                    self.queue.limit_bytes(self.max_bytes);
                }
                match entry {
                    // A single one is found rejected, or not, below.
                    Some(entry) if batch.commands().len() > 1 => self.record_result(entry, None)?,
                    Some(_) => {}
                    None if was_unknown => {}
                    // An earlier attempt may have been executed: the parts are repetitions.
                    None => (batch.origin, self.decision) = (Origin::Unknown, Some(Decision::Repeat)),
                }
                Ok(Verdict::Divide(error))
            }
            result => self.settle(batch, entry, result).map(|()| Verdict::Settled),
        }
    }

    /// Records and prints the result of a batch.
    fn settle(
        &mut self,
        batch: &Batch,
        entry: Option<Entry>,
        result: Result<Vec<Reply>, Error>,
    ) -> Result<(), Stopped> {
        let open = match &entry {
            Some(Entry::Answered(answered)) => answered.open(),
            _ => LineSet::default(),
        };
        let is_unknown = entry.is_none() || self.journal.is_some() && !open.is_empty();
        self.has_unsent |= matches!(entry, Some(Entry::NotAccepted(_)));
        if let Some(entry) = entry
            && let Err(stopped) = self.record_result(entry, batch.end())
        {
            self.failures.extend(result.err().map(anyhow::Error::from));
            return Err(stopped);
        }
        self.print(batch, retry::replies(&result), &open, is_unknown);
        match result {
            Err(error) => {
                if error.status() == Some(BAD_REQUEST) && batch.commands().len() > 1 {
                    self.ledger.set_has_invalid_line();
                }
                let error = self.retrier.with_attempts(error);
                Err(self.fail(error))
            }
            Ok(_) if is_unknown || self.printed.is_err() => Err(self.stop()),
            Ok(_) => Ok(()),
        }
    }

    /// Prints replies and their errors. A run with a journal leaves those of open lines to the run that settles them.
    fn print(&mut self, batch: &Batch, replies: &[Reply], open: &LineSet, is_unknown: bool) {
        let is_settled = |line: &u64| !open.contains(*line);
        if self.printed.is_ok() {
            self.printed = match &self.journal {
                Some(_) if is_unknown => {
                    let settled =
                        replies.iter().zip(&batch.lines).filter(|(_, line)| !open.is_empty() && is_settled(line));
                    self.console.print_lines(&settled.map(|(reply, _)| reply.clone()).collect::<Vec<_>>())
                }
                _ => self.console.print_lines(replies),
            };
        }
        for ((reply, command), line) in replies.iter().zip(batch.commands()).zip(&batch.lines) {
            // Another attempt would be rejected, too.
            if batch.origin == Origin::Unknown && reply.errors().iter().any(is_rejected_repetition) {
                self.ledger.set_keys_are_useless();
            }
            let subject = || format!("{}line {line}: {}", self.retrier.attempts_text(), command.method());
            self.reply_errors.add(reply, subject, |message| self.progress.print_error(message));
        }
        self.progress.update(self.ledger.replies(), batch.input_end);
    }

    /// Takes the only command of a batch for rejected: the server calls it invalid.
    fn reject(&mut self, batch: &Batch, error: &Error) -> Result<(), Stopped> {
        let (Some(command), Some(&line)) = (batch.commands().first(), batch.lines.first()) else { return Ok(()) };
        let text = format!("line {line}: {}: {}", command.method(), text_without_subject(error));
        self.reply_errors.add_error(error.kind(), || text.clone(), |message| self.progress.print_error(message));
        if error.kind() == ErrorKind::OutcomeUnknown {
            self.ledger.set_keys_are_useless();
            return Err(self.stop());
        }
        self.invalid_lines += 1;
        let is_first_reply = self.ledger.replies() + 1 == MAX_INVALID_AT_START && !self.ledger.has_earlier_acceptance();
        if self.invalid_lines == MAX_INVALID_AT_START && is_first_reply {
            self.record_result(Entry::NotAccepted(NotAccepted { done: self.ledger.kept_end() }), None)?;
            (self.has_unsent, self.needs_fix) = (true, true);
            return Err(self.stop());
        }
        let answered = Answered {
            done: line.max(self.ledger.done()),
            rejected: LineSet::range(line, line),
            replies: 1,
            ..Answered::default()
        };
        self.record_result(Entry::Answered(answered), batch.end())
    }

    fn skip_unknown(&mut self) -> Result<(), Stopped> {
        let Some(unknown) = self.ledger.unknown() else { return Ok(()) };
        let (lines, done) = (unknown.lines.clone(), self.ledger.end());
        let message = Ledger::skipped_lines(&lines);
        self.record(Entry::Skipped(Skipped { lines, done }), None).map_err(|error| self.fail(error))?;
        self.decision = Some(Decision::Skip);
        self.progress.print_message(&message);
        Ok(())
    }

    fn release_unknown(&mut self) -> Result<(), Stopped> {
        let Some(unknown) = self.ledger.unknown() else { return Ok(()) };
        let released = Released { lines: unknown.lines.clone(), done: self.ledger.done() };
        self.record(Entry::Released(released), None).map_err(|error| self.fail(error))
    }

    fn record_result(&mut self, entry: Entry, checkpoint: Option<Checkpoint>) -> Result<(), Stopped> {
        self.record(entry, checkpoint).map_err(|error| {
            self.is_unrecorded = true;
            self.fail(error)
        })
    }

    /// Adds an entry to the ledger, and before that to the journal if there is one.
    fn record(&mut self, entry: Entry, checkpoint: Option<Checkpoint>) -> anyhow::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.add(&mut self.ledger, entry, checkpoint).map_err(|error| {
                if journal.is_lost() {
                    self.ledger.set_journal_is_lost();
                }
                error.context(journal.name())
            }),
            None => Ok(self.ledger.add(&entry)?),
        }
    }

    /// When a batch is or was sent for the first time, or its keys were.
    fn first_sent(&self, batch: &Batch) -> Timestamp {
        let now = self.clock.now();
        let keys_used = batch.lines.first().and_then(|&line| self.ledger.keys_used(line));
        match self.ledger.unknown().filter(|_| batch.origin == Origin::Unknown) {
            Some(unknown) => unknown.first.clone(),
            // Once the server has forgotten them, they are as good as new.
            None => keys_used.filter(|used| !used.is_surely_older(KEY_LIFETIME, &now)).cloned().unwrap_or(now),
        }
    }

    fn fail(&mut self, error: anyhow::Error) -> Stopped {
        let is_rejected = |error: &Error| error.kind() == ErrorKind::OutcomeUnknown && !error.is_repeatable();
        self.needs_fix |= exit_status_for(&error) == ExitStatus::Rejected;
        self.needs_fix |= error.downcast_ref::<Error>().is_some_and(is_rejected);
        self.failures.push(error);
        self.stop()
    }

    fn stop(&self) -> Stopped {
        self.queue.stop(StopReason::Failure);
        Stopped
    }

    /// Reports how the run ended, and returns its exit status.
    fn finish(self) -> ExitStatus {
        let Self { console, ledger, .. } = self;
        let result = self.queue.result();
        self.progress.clear();
        let lines_remain = self.has_unsent || result.lines_remain;
        let needs_fix = self.needs_fix || result.input_error.is_some();
        let is_stopped = result.stop.is_some() || lines_remain;
        let output_closed = self.printed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        let mut cause = self.reply_errors.finish(|message| console.print_error_message(message));
        if self.is_unrecorded {
            cause = cause.max(ExitStatus::SafeToRetry);
        }
        if let Some(rejections) = ledger.earlier_rejections().filter(|_| !is_stopped) {
            console.print_error_message(&rejections);
            cause = cause.max(ExitStatus::Rejected);
        }
        let effect = if ledger.is_read_only() { Effect::Read } else { Effect::Executed };
        let output_error = OutputError::check(self.printed, effect).err().map(anyhow::Error::from);
        for error in output_error.iter().chain(&self.failures).chain(&result.input_error) {
            console.print_error(error);
            cause = cause.max(exit_status_for(error));
        }
        if is_stopped {
            let reason = match result.stop {
                Some(StopReason::Signal(signal)) => format!("{}: ", signals::signal_text(signal)),
                Some(StopReason::Failure) if output_closed => "standard output closed: ".to_owned(),
                // The error that stopped it has been printed.
                Some(StopReason::Failure) | None => String::new(),
            };
            // With --quiet too, because it is part of the error.
            stderr::print_message(&format!(
                "{reason}{}",
                ledger.stopped_summary(lines_remain, needs_fix, &self.clock.now())
            ));
        } else {
            console.print_message(&ledger.finished_summary(self.progress.elapsed(), self.max_rate));
        }
        lines_status(LinesOutcome {
            has_unknown: ledger.has_unknown() || cause == ExitStatus::Unknown,
            signal: match result.stop {
                Some(StopReason::Signal(number)) => Some(number),
                Some(StopReason::Failure) | None => None,
            },
            has_answered: ledger.has_progress(),
            effect,
            lines_remain,
            cause,
        })
    }
}

/// Whether smaller parts of a batch may be accepted.
fn is_too_large(error: &Error, batch: &Batch) -> bool {
    error.status() == Some(TOO_LARGE) && batch.commands().len() > 1
}

fn is_rejected_repetition(error: &ReplyError) -> bool {
    error.kind() == ErrorKind::OutcomeUnknown && !error.is_repeatable()
}

/// A message with its hint; the line is named instead of the URL.
fn text_without_subject(error: &Error) -> String {
    hints::hint_of(error).map_or_else(|| error.message().to_owned(), |hint| format!("{}; {hint}", error.message()))
}
