//! A run of `--lines`: requests are sent, replies printed, and the outcome reported.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use cent::{Client, Error, ErrorKind, IdempotencyKey, Repeat, Reply, ReplyError, RequestBuilder};

use super::input::batch::Batch;
use super::input::batch_size::{BatchSize, INITIAL_SIZE};
use super::input::line::LineParser;
use super::input::queue::{Queue, StopReason, Stopped};
use super::input::reader;
use super::journal::record::Job;
use super::journal::resume::{Decision, KnownInput, decide};
use super::journal::{Checkpoint, Journal};
use super::ledger::line_set::LineSet;
use super::ledger::summary::Remaining;
use super::ledger::{Answered, Entry, Ledger, Sent, Skipped};
use super::progress::Progress;
use super::{dry_run, signals};
use crate::command_line::mistakes::IDEMPOTENT_REQUIRES_KEY;
use crate::config::home::{expand_tilde, home_dir};
use crate::console::Console;
use crate::console::stderr;
use crate::exit::{Effect, ExitStatus, LinesOutcome, OutputError, exit_status_for, lines_status};
use crate::options::{Options, UnknownChoice};
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, FirstAttempt, Resend, Retrier};

/// So many invalid commands in a row, without an answer to any other, are no accident: the server takes none.
const MAX_INVALID_AT_START: usize = 3;

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
    let (journal, mut ledger) = open_journal(options, &requests, method)?;
    ledger.begin(options.idempotent);
    let now = unix_seconds();
    let decision = ledger.unknown().map(|unknown| decide(unknown, options.unknown, options.idempotent, now));
    if decision == Some(Decision::Ask) {
        print_question(console, options, journal.as_ref(), &ledger);
        return Ok(ExitStatus::Unknown);
    }
    let resends = matches!(decision, Some(Decision::Repeat | Decision::Send { .. }));
    let known = journal.as_ref().map(|journal| KnownInput::new(journal.checkpoints(), &ledger, resends));
    let queue = Arc::new(Queue::new(batch_size(options, &requests)));
    signals::stop_on_signals(&queue)?;
    let progress = Progress::new(console, console.shows_progress(), input_bytes);
    let parser = LineParser {
        method: method.map(str::to_owned),
        endpoint: requests.endpoint().clone(),
        keys: line_keys(options, journal.as_ref())?,
        unknown_params: RefCell::default(),
        on_note: {
            let progress = progress.clone();
            move |note: &str| {
                if !console.is_quiet() {
                    progress.print_message(note);
                }
            }
        },
    };
    reader::start(&queue, requests.clone(), known, move |text, number| parser.parse(text, number))?;
    if options.dry_run {
        return dry_run::dry_run(console, &queue, &requests);
    }
    let on_retry: OnRetry = Box::new({
        let progress = progress.clone();
        move |message| progress.print_message(message)
    });
    let sleep: Sleep = Box::new({
        let queue = Arc::clone(&queue);
        move |backoff| queue.sleep_unless_stopped(backoff)
    });
    let retrier = Retrier::new(options.max_retries, options.idempotent, console.is_quiet(), on_retry, sleep);
    let mut run = Run {
        console,
        idempotent: options.idempotent,
        unknown_choice: options.unknown,
        queue: &queue,
        requests,
        client,
        retrier,
        progress,
        journal,
        ledger,
        decision,
        invalid_at_start: LineSet::default(),
        invalid_end: None,
        has_unsent: false,
        is_unrecorded: false,
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
) -> anyhow::Result<(Option<Journal>, Ledger)> {
    let Some(path) = &options.journal else { return Ok((None, Ledger::default())) };
    let path = expand_tilde(Path::new(path), home_dir().as_deref());
    let path = path.context("--journal: HOME is not set; use an absolute path")?;
    let job = Job {
        section: options.section.clone(),
        address: requests.endpoint().address().to_string(),
        method: method.map(str::to_owned),
    };
    let (journal, ledger) = Journal::open(&path, &job)?;
    Ok((Some(journal), ledger))
}

fn print_question(console: Console, options: &Options, journal: Option<&Journal>, ledger: &Ledger) {
    let is_late = options.idempotent && ledger.unknown().is_some_and(|unknown| unknown.repeat == Repeat::Keys);
    if let Some((journal, question)) = journal.zip(ledger.question(is_late)) {
        console.print_error_message(&format!("{}: {question}", journal.name()));
    }
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

/// With a secret the size is fixed: Centrifugo 1 accepts 100 commands by default.
fn batch_size(options: &Options, requests: &RequestBuilder) -> BatchSize {
    if requests.endpoint().is_signed() {
        BatchSize::fixed(options.batch.unwrap_or(INITIAL_SIZE))
    } else {
        BatchSize::adaptive(options.batch)
    }
}

fn unix_seconds() -> u64 {
    // A clock before 1970 counts as 1970: as with any wrong clock, only repetitions depend on it.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}

type OnRetry = Box<dyn Fn(&str)>;
type Sleep = Box<dyn Fn(Duration) -> bool>;

struct Run<'a> {
    console: Console,
    idempotent: bool,
    unknown_choice: Option<UnknownChoice>,
    queue: &'a Queue,
    requests: RequestBuilder,
    client: Client,
    retrier: Retrier<OnRetry, Sleep>,
    progress: Progress,
    journal: Option<Journal>,
    ledger: Ledger,
    /// What to do with the lines that earlier runs left unknown; none if there are none.
    decision: Option<Decision>,
    /// Lines that the server called invalid before it answered any other. They are not recorded yet: if it goes on like
    /// this, none of them is to blame.
    invalid_at_start: LineSet,
    /// At the last of them.
    invalid_end: Option<Checkpoint>,
    /// Whether lines were taken from the queue that were not sent, or not accepted.
    has_unsent: bool,
    /// Whether the journal lacks the result of the last request.
    is_unrecorded: bool,
    reply_errors: ReplyErrors,
    printed: io::Result<()>,
    failures: Vec<anyhow::Error>,
}

/// What a response says about a batch.
enum Verdict {
    Settled,
    /// Nothing was executed, because of one of the commands.
    Invalid(Error),
}

impl Run<'_> {
    fn send_all(&mut self) -> Result<(), Stopped> {
        if self.decision == Some(Decision::Skip) {
            self.skip_unknown()?;
        }
        while let Some(batch) = self.queue.pop() {
            self.send_batch(batch)?;
        }
        if !self.queue.is_stopped() && !self.invalid_at_start.is_empty() {
            let (done, replies) = (self.invalid_at_start.last().unwrap_or_default(), self.invalid_at_start.count());
            let rejected = std::mem::take(&mut self.invalid_at_start);
            self.answer(self.invalid_end, Answered { done, rejected, replies, ..Answered::default() })?;
        }
        Ok(())
    }

    /// Sends a batch; in halves, if the server rejects it because of one of its commands.
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
            if self.is_skipped(&part).inspect_err(|_| self.note_unsent(&part))? {
                continue;
            }
            match self.send_part(&mut part)? {
                Verdict::Settled => self.queue.recycle(part),
                Verdict::Invalid(error) => match part.split_off_half() {
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
        self.has_unsent |= !batch.is_resend;
    }

    /// Whether a batch has unknown lines that are not sent again.
    fn is_skipped(&mut self, batch: &Batch) -> Result<bool, Stopped> {
        if batch.is_resend && self.decision == Some(Decision::Repeat) {
            let first_attempt = self.first_attempt(batch);
            match self.retrier.may_resend(&mut self.client, first_attempt) {
                Resend::Now => {}
                Resend::Later => return Err(self.stop()),
                Resend::Never => {
                    self.ledger.set_keys_are_useless();
                    if self.unknown_choice != Some(UnknownChoice::Skip) {
                        return Err(self.stop());
                    }
                    self.skip_unknown()?;
                }
            }
        }
        Ok(batch.is_resend && self.decision == Some(Decision::Skip))
    }

    /// Sends a batch, and records and prints what becomes of it.
    fn send_part(&mut self, batch: &mut Batch) -> Result<Verdict, Stopped> {
        let first_attempt = self.first_attempt(batch);
        self.announce(batch).map_err(|error| self.fail(error)).inspect_err(|_| self.note_unsent(batch))?;
        let start = Instant::now();
        let request = batch.request(&self.requests);
        let result = request.and_then(|request| self.retrier.send(&mut self.client, request, first_attempt));
        self.queue.observe(batch.commands().len(), start.elapsed());
        if self.retrier.knows_that_keys_are_ignored() {
            self.ledger.set_keys_are_useless();
        }
        let answered = Answered::new(&batch.lines, &result, batch.is_resend, self.ledger.done());
        match result {
            Err(error) if error.rejects_whole_batch() => {
                // A single one is found rejected, or not, below.
                if let Some(answered) = answered.filter(|_| batch.commands().len() > 1) {
                    self.answer(None, answered)?;
                }
                Ok(Verdict::Invalid(error))
            }
            result => self.settle(batch, answered, result).map(|()| Verdict::Settled),
        }
    }

    /// Records that a batch is about to be sent.
    fn announce(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        let is_repetition = batch.is_resend && self.decision == Some(Decision::Repeat);
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
        let (lines, time) = match self.ledger.unknown() {
            Some(unknown) if batch.is_resend => (unknown.lines.up_to(last), self.first_sent()),
            _ => (LineSet::range(first, last), unix_seconds()),
        };
        self.record(Entry::Sent(Sent { lines, time, repeat }), batch.checkpoint(batch.lines.len() - 1))
    }

    /// Records and prints the result of a batch.
    fn settle(
        &mut self,
        batch: &Batch,
        answered: Option<Answered>,
        result: Result<Vec<Reply>, Error>,
    ) -> Result<(), Stopped> {
        let is_accepted = result.is_ok();
        let is_unknown = answered.as_ref().is_none_or(|answered| {
            self.journal.is_some() && !(answered.unknown.is_empty() && answered.failed.is_empty())
        });
        self.has_unsent |= !is_accepted && answered.is_some();
        if let Some(mut answered) = answered {
            if is_accepted {
                let invalid = std::mem::take(&mut self.invalid_at_start);
                answered.replies += invalid.count();
                answered.rejected = invalid.union(&answered.rejected);
            }
            if let Err(error) = self.record(Entry::Answered(answered), batch.checkpoint(batch.lines.len() - 1)) {
                self.is_unrecorded = true;
                self.failures.push(error);
                self.failures.extend(result.err().map(anyhow::Error::from));
                return Err(self.stop());
            }
        }
        self.print(batch, retry::replies(&result));
        self.failures.extend(result.err().map(anyhow::Error::from));
        if is_unknown || !is_accepted || self.printed.is_err() { Err(self.stop()) } else { Ok(()) }
    }

    /// Prints replies and their errors.
    fn print(&mut self, batch: &Batch, replies: &[Reply]) {
        if self.printed.is_ok() {
            self.printed = self.console.print_lines(replies);
        }
        for ((reply, command), line) in replies.iter().zip(batch.commands()).zip(&batch.lines) {
            // Another attempt would be rejected, too.
            if batch.is_resend && reply.errors().iter().any(is_rejected_repetition) {
                self.ledger.set_keys_are_useless();
            }
            let subject = || format!("line {line}: {}", command.method());
            self.reply_errors.add(reply, subject, |message| self.progress.print_error(message));
        }
        self.progress.update(self.ledger.replies(), batch.input_end);
    }

    /// Takes the only command of a batch for rejected: the server calls it invalid.
    fn reject(&mut self, batch: &Batch, error: &Error) -> Result<(), Stopped> {
        let (Some(command), Some(&line)) = (batch.commands().first(), batch.lines.first()) else { return Ok(()) };
        let text = format!("line {line}: {}: {}", command.method(), text_without_subject(error));
        self.reply_errors.add_error(error.kind(), || text.clone(), |message| self.progress.print_error(message));
        if batch.is_resend && error.kind() == ErrorKind::OutcomeUnknown {
            self.ledger.set_keys_are_useless();
            return Err(self.stop());
        }
        let rejected = LineSet::range(line, line);
        if self.ledger.replies() > 0 {
            let answered = Answered { done: line.max(self.ledger.done()), rejected, replies: 1, ..Answered::default() };
            return self.answer(batch.checkpoint(0), answered);
        }
        self.answer(None, Answered { done: self.ledger.done(), ..Answered::default() })?;
        self.invalid_at_start = self.invalid_at_start.union(&rejected);
        self.invalid_end = batch.checkpoint(0);
        if self.invalid_at_start.count() < MAX_INVALID_AT_START as u64 {
            return Ok(());
        }
        self.has_unsent = true;
        Err(self.stop())
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

    fn answer(&mut self, checkpoint: Option<Checkpoint>, answered: Answered) -> Result<(), Stopped> {
        self.record(Entry::Answered(answered), checkpoint).map_err(|error| {
            self.is_unrecorded = true;
            self.fail(error)
        })
    }

    /// Adds an entry to the ledger, and before that to the journal if there is one.
    fn record(&mut self, entry: Entry, checkpoint: Option<Checkpoint>) -> anyhow::Result<()> {
        match &mut self.journal {
            Some(journal) => journal.add(&mut self.ledger, entry, checkpoint).with_context(|| journal.name()),
            None => Ok(self.ledger.add(&entry)?),
        }
    }

    /// When a batch was sent for the first time, perhaps by an earlier run.
    fn first_attempt(&self, batch: &Batch) -> FirstAttempt {
        let earlier = batch.is_resend.then(|| UNIX_EPOCH.checked_add(Duration::from_secs(self.first_sent()))).flatten();
        earlier.map_or_else(FirstAttempt::now, FirstAttempt::at)
    }

    /// In seconds since 1970, for lines that are sent again.
    fn first_sent(&self) -> u64 {
        match (self.decision, self.ledger.unknown()) {
            (Some(Decision::Send { first_sent }), _) => first_sent,
            (_, Some(unknown)) => unknown.first_sent,
            (_, None) => unix_seconds(),
        }
    }

    fn fail(&mut self, error: anyhow::Error) -> Stopped {
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
        let remaining = if self.has_unsent { Remaining::Lines } else { result.remaining() };
        let is_stopped = result.stop.is_some() || remaining != Remaining::Nothing;
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
        let attempts = self.retrier.attempts_text();
        for error in output_error.iter().chain(&self.failures).chain(&result.input_error) {
            let attempts = if error.is::<Error>() { &*attempts } else { "" };
            console.print_error_message(&format!("{}{attempts}", stderr::text_of(error)));
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
            stderr::print_message(&format!("{reason}{}", ledger.stopped_summary(remaining, unix_seconds())));
        } else {
            console.print_message(&ledger.finished_summary(self.progress.elapsed()));
        }
        lines_status(LinesOutcome {
            has_unknown: ledger.has_unknown() || cause == ExitStatus::Unknown,
            signal: match result.stop {
                Some(StopReason::Signal(number)) => Some(number),
                Some(StopReason::Failure) | None => None,
            },
            has_answered: ledger.has_progress(),
            effect,
            lines_remain: remaining != Remaining::Nothing,
            cause,
        })
    }
}

fn is_rejected_repetition(error: &ReplyError) -> bool {
    error.kind() == ErrorKind::OutcomeUnknown && !error.is_repeatable()
}

/// A message with its hint; the line is named instead of the URL.
fn text_without_subject(error: &Error) -> String {
    error.hint().map_or_else(|| error.message().to_owned(), |hint| format!("{}; {hint}", error.message()))
}
