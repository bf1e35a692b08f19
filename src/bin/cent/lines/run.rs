//! A run of `--lines`: requests are sent, replies printed, and the outcome reported.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use cent::{Client, Command, Endpoint, Error, HttpRequest, IdempotencyKey, Reply, RequestBuilder};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::batch::Batch;
use super::batch_size::{BatchSize, INITIAL_SIZE};
use super::progress::Progress;
use super::queue::{Queue, RunResult, StopReason};
use super::tally::{self, Tally};
use super::{reader, signals};
use crate::args::Args;
use crate::blocking;
use crate::exit::{Effect, ExitStatus, LinesOutcome, OutputError, exit_status_for, lines_status};
use crate::output::{self, JsonLayout};
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, FirstAttempt, Retrier};
use crate::stderr::{self, ErrorPrinter};
use crate::usage_error::IDEMPOTENT_REQUIRES_KEY;

/// Sends the commands of standard input; prints no replies without a layout.
pub(crate) fn run(
    args: &Args,
    errors: ErrorPrinter,
    layout: Option<JsonLayout>,
    mut client: Client,
    method: Option<&str>,
) -> anyhow::Result<ExitStatus> {
    // Before the reader changes the position in it.
    let input_bytes = reader::input_bytes();
    let requests = request_builder(args, &client)?;
    let queue = Arc::new(Queue::new(batch_size(args, &requests)));
    signals::stop_on_signals(&queue)?;
    let keys = if args.idempotent { Some(IdempotencyKey::random()?) } else { None };
    reader::start(&queue, requests.clone(), line_parser(method, requests.endpoint().clone(), keys))?;
    if args.dry_run {
        return dry_run(args, &queue, &requests);
    }
    let is_visible = !args.quiet && !args.verbose && io::stderr().is_terminal() && !io::stdout().is_terminal();
    let progress = Progress::new(errors, is_visible, input_bytes);
    let mut run = LinesRun::new(layout, progress.clone());
    let retrier = Retrier::new(
        args.max_retries(),
        args.idempotent,
        |message: &str| progress.print_message(message),
        |backoff| queue.sleep_unless_stopped(backoff),
    );
    while let Some(mut batch) = queue.pop() {
        let start = Instant::now();
        let result =
            batch.request(&requests).and_then(|request| retrier.send(&mut client, request, FirstAttempt::now()));
        queue.observe(batch.commands().len(), start.elapsed());
        if result.is_err() {
            queue.stop(StopReason::Failure);
        }
        run.record(&queue, &batch, result);
        queue.recycle(batch);
    }
    Ok(run.finish(args, errors, queue.result()))
}

fn request_builder(args: &Args, client: &Client) -> anyhow::Result<RequestBuilder> {
    let requests = client.requests().clone();
    ensure!(!args.idempotent || !requests.endpoint().is_signed(), IDEMPOTENT_REQUIRES_KEY);
    if !args.unordered {
        return Ok(requests);
    }
    ensure!(!requests.endpoint().is_signed(), "--unordered requires api_key and Centrifugo 5.2 or later, not secret");
    Ok(requests.unordered())
}

/// With a secret the size is fixed: Centrifugo 1 accepts 100 commands by default.
fn batch_size(args: &Args, requests: &RequestBuilder) -> BatchSize {
    if requests.endpoint().is_signed() {
        BatchSize::fixed(args.batch.unwrap_or(INITIAL_SIZE))
    } else {
        BatchSize::adaptive(args.batch)
    }
}

/// Parses a line and its number into a command. The line holds the params, or without a method a complete command. With
/// `keys`, the command gets the idempotency key of its line.
fn line_parser(
    method: Option<&str>,
    endpoint: Endpoint,
    keys: Option<IdempotencyKey>,
) -> impl Fn(Vec<u8>, u64) -> Result<Command, Error> + Send + use<> {
    let method = method.map(str::to_owned);
    move |text, number| {
        let command = match &method {
            Some(method) => Command::new(method, text),
            None => Command::from_json(text),
        };
        let command = command.and_then(|command| command.validated(&endpoint));
        let command = command.map_err(|error| error.with_first_line(number))?;
        Ok(match keys {
            Some(keys) => command.with_idempotency_key(keys.derived(number)),
            None => command,
        })
    }
}

/// The outcome of a run so far.
struct LinesRun {
    layout: Option<JsonLayout>,
    progress: Progress,
    tally: Tally,
    /// Whether no command so far changes anything.
    is_read_only: bool,
    reply_errors: ReplyErrors,
    printed: io::Result<()>,
    failure: Option<anyhow::Error>,
}

impl LinesRun {
    fn new(layout: Option<JsonLayout>, progress: Progress) -> Self {
        let (tally, reply_errors) = (Tally::default(), ReplyErrors::new());
        Self { layout, progress, tally, is_read_only: true, reply_errors, printed: Ok(()), failure: None }
    }

    /// Prints the replies to a batch and adds its outcome.
    fn record(&mut self, queue: &Queue, batch: &Batch, result: Result<Vec<Reply>, Error>) {
        self.tally.add(&batch.lines, &result);
        self.is_read_only = self.is_read_only && batch.is_read_only();
        let replies = retry::replies(&result);
        self.print(queue, replies);
        for ((reply, command), line) in replies.iter().zip(batch.commands()).zip(&batch.lines) {
            let subject = || format!("line {line}: {}", command.method());
            self.reply_errors.add(reply, subject, |message| self.progress.print_error(message));
        }
        self.progress.update(self.tally.replies, batch.input_end);
        self.failure = result.err().map(|error| with_line(error, &batch.lines));
    }

    fn print(&mut self, queue: &Queue, replies: &[Reply]) {
        if self.printed.is_ok() {
            self.printed =
                self.layout.map_or(Ok(()), |layout| output::print_lines(replies, layout, blocking::stdout()));
            if self.printed.is_err() {
                queue.stop(StopReason::Failure);
            }
        }
    }

    /// Reports how the run ended, and returns its exit status.
    fn finish(self, args: &Args, errors: ErrorPrinter, result: RunResult) -> ExitStatus {
        self.progress.clear();
        let lines_remain = result.lines_remain || self.tally.batch_rejected;
        let output_closed = self.printed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        let mut cause = self.reply_errors.finish(|message| errors.print(message));
        let effect = if self.is_read_only { Effect::Read } else { Effect::Executed };
        let output_error = OutputError::check(self.printed, effect).err().map(anyhow::Error::from);
        for error in [output_error, self.failure, result.input_error].iter().flatten() {
            errors.print_error(error);
            cause = cause.max(exit_status_for(error));
        }
        if result.stop.is_some() || lines_remain {
            // With --quiet too, because it is part of the error.
            let reason =
                stop_reason(result.stop, output_closed).map_or_else(String::new, |reason| format!("{reason}: "));
            stderr::print_message(&format!("{reason}{}", self.tally.stopped_summary(lines_remain, self.is_read_only)));
        } else if !args.quiet {
            stderr::print_message(&self.tally.finished_summary(self.progress.elapsed()));
        }
        lines_status(LinesOutcome {
            has_unknown: self.tally.has_unknown() || cause == ExitStatus::Unknown,
            signal: match result.stop {
                Some(StopReason::Signal(number)) => Some(number),
                Some(StopReason::Failure) | None => None,
            },
            has_answered: self.tally.resume_line(self.is_read_only) > 1,
            effect,
            lines_remain,
            cause,
        })
    }
}

/// Names the line of the command that made the server reject a batch.
fn with_line(error: Error, lines: &[u64]) -> anyhow::Error {
    match error.command_index().and_then(|index| lines.get(index)) {
        Some(&line) => anyhow::Error::from(error).context(format!("standard input, line {line}")),
        None => error.into(),
    }
}

/// Why a run was stopped; none if the error that stopped it has been printed.
fn stop_reason(stop: Option<StopReason>, output_closed: bool) -> Option<&'static str> {
    match stop {
        Some(StopReason::Signal(SIGINT)) => Some("interrupted by SIGINT"),
        Some(StopReason::Signal(SIGTERM)) => Some("interrupted by SIGTERM"),
        Some(StopReason::Signal(SIGHUP)) => Some("interrupted by SIGHUP"),
        Some(StopReason::Signal(_)) => Some("interrupted by a signal"),
        Some(StopReason::Failure) if output_closed => Some("standard output closed"),
        Some(StopReason::Failure) | None => None,
    }
}

/// Prints the requests, with an empty line between two.
fn dry_run(args: &Args, queue: &Queue, requests: &RequestBuilder) -> anyhow::Result<ExitStatus> {
    let (mut commands, mut count) = (0, 0);
    while let Some(mut batch) = queue.pop() {
        let request = batch.request(requests)?;
        let printed = if args.quiet { Ok(()) } else { print_request(request, count > 0) };
        if printed.is_err() {
            queue.stop(StopReason::Failure);
            OutputError::check(printed, Effect::Nothing)?;
            return Ok(ExitStatus::Success);
        }
        commands += batch.commands().len() as u64;
        count += 1;
    }
    let result = queue.result();
    if let Some(error) = result.input_error {
        return Err(error);
    }
    if !args.quiet {
        let reason = stop_reason(result.stop, false).unwrap_or("dry run");
        stderr::print_message(&format!("{reason}: {}", tally::dry_run_summary(commands, count)));
    }
    Ok(match result.stop {
        Some(StopReason::Signal(number)) => ExitStatus::Signal(number),
        _ => ExitStatus::Success,
    })
}

fn print_request(request: &HttpRequest<'_>, after_another: bool) -> io::Result<()> {
    let mut out = blocking::stdout();
    if after_another {
        out.write_all(b"\n")?;
    }
    output::print_request(request, out)
}
