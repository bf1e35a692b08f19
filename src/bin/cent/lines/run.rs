//! A run of `--lines`: requests are sent, replies printed, and the outcome reported.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use cent::{Client, Command, Endpoint, Error, HttpRequest, IdempotencyKey, Reply, RequestBuilder};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::batch::Batch;
use super::batch_size::{BatchSize, INITIAL_SIZE};
use super::journal::format::Job;
use super::progress::Progress;
use super::queue::{Queue, RunResult, StopReason};
use super::recorder::Recorder;
use super::tally::{self, Tally};
use super::{reader, signals};
use crate::blocking;
use crate::command_line::args::Args;
use crate::command_line::mistakes::IDEMPOTENT_REQUIRES_KEY;
use crate::config::home::{expand_tilde, home_dir};
use crate::exit::{Effect, ExitStatus, LinesOutcome, OutputError, exit_status_for, lines_status};
use crate::output::{self, JsonLayout};
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, FirstAttempt, Resend, Retrier};
use crate::stderr::{self, ErrorPrinter};

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
    let recorder = open_journal(args, &requests, method)?;
    if let Some(question) = recorder.as_ref().and_then(Recorder::question) {
        errors.print(&question);
        return Ok(ExitStatus::Unknown);
    }
    let queue = Arc::new(Queue::new(batch_size(args, &requests)));
    signals::stop_on_signals(&queue)?;
    let known = recorder.as_ref().map(Recorder::known_input);
    let parse = line_parser(method, requests.endpoint().clone(), line_keys(args, recorder.as_ref())?);
    reader::start(&queue, requests.clone(), known, parse)?;
    if args.dry_run {
        return dry_run(args, &queue, &requests);
    }
    let is_visible = !args.quiet && !args.verbose && io::stderr().is_terminal() && !io::stdout().is_terminal();
    let progress = Progress::new(errors, is_visible, input_bytes);
    let mut run = LinesRun::new(layout, progress.clone(), recorder);
    let retrier = Retrier::new(
        args.max_retries(),
        args.idempotent,
        |message: &str| progress.print_message(message),
        |backoff| queue.sleep_unless_stopped(backoff),
    );
    if !queue.wait_until_verified() {
        let result = queue.result();
        return match result {
            RunResult { input_error: Some(error), .. } => Err(run.with_journal(error)),
            result => Ok(run.finish(args, errors, &result)),
        };
    }
    run.begin(&queue);
    while let Some(mut batch) = queue.pop() {
        let first_attempt = match run.before(&mut batch, &requests, |first| retrier.may_resend(&mut client, first)) {
            Ok(Before::Send(first_attempt)) => first_attempt,
            Ok(Before::Skip) => continue,
            Ok(Before::Stop) => {
                run.stop_before(&queue, None);
                break;
            }
            Err(error) => {
                run.stop_before(&queue, Some(error));
                break;
            }
        };
        let start = Instant::now();
        let result = batch.request(&requests).and_then(|request| retrier.send(&mut client, request, first_attempt));
        queue.observe(batch.commands().len(), start.elapsed());
        if result.is_err() {
            queue.stop(StopReason::Failure);
        }
        run.record(&queue, &batch, result);
        queue.recycle(batch);
    }
    if let Some(recorder) = run.recorder.as_mut().filter(|_| retrier.knows_that_keys_are_ignored()) {
        recorder.set_keys_are_useless();
    }
    Ok(run.finish(args, errors, &queue.result()))
}

fn open_journal(args: &Args, requests: &RequestBuilder, method: Option<&str>) -> anyhow::Result<Option<Recorder>> {
    let Some(path) = &args.journal else { return Ok(None) };
    let path = expand_tilde(Path::new(path), home_dir().as_deref());
    let path = path.context("--journal: HOME is not set; use an absolute path")?;
    let job = Job {
        section: args.section.clone().unwrap_or_default(),
        address: requests.endpoint().address().to_string(),
        method: method.map(str::to_owned),
    };
    Recorder::open(&path, &job, args.unknown, args.idempotent).map(Some)
}

/// From which the idempotency keys of the lines derive: a run that goes on where another one ended uses the same.
fn line_keys(args: &Args, recorder: Option<&Recorder>) -> Result<Option<IdempotencyKey>, Error> {
    match recorder {
        _ if !args.idempotent => Ok(None),
        Some(recorder) => Ok(Some(recorder.keys())),
        None => IdempotencyKey::random().map(Some),
    }
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
    recorder: Option<Recorder>,
    tally: Tally,
    reply_errors: ReplyErrors,
    printed: io::Result<()>,
    failures: Vec<anyhow::Error>,
    /// Whether the journal lacks the result of the last request.
    is_unrecorded: bool,
}

/// What happens with a batch.
enum Before {
    /// It is sent; when that was done first.
    Send(FirstAttempt),
    /// Its lines are unknown, and not sent again.
    Skip,
    /// It must not be sent, and nothing after it.
    Stop,
}

impl LinesRun {
    fn new(layout: Option<JsonLayout>, progress: Progress, recorder: Option<Recorder>) -> Self {
        Self {
            layout,
            progress,
            recorder,
            tally: Tally::default(),
            reply_errors: ReplyErrors::new(),
            printed: Ok(()),
            failures: Vec::new(),
            is_unrecorded: false,
        }
    }

    /// Names the journal as what an error is about.
    fn with_journal(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.recorder {
            Some(recorder) => error.context(recorder.path()),
            None => error,
        }
    }

    /// Begins, once the input is compared with what earlier runs sent.
    fn begin(&mut self, queue: &Queue) {
        match self.recorder.as_mut().map(Recorder::begin) {
            Some(Err(error)) => self.stop_before(queue, Some(error)),
            Some(Ok(Some(skipped))) => self.progress.print_message(&skipped),
            Some(Ok(None)) | None => {}
        }
    }

    /// Prepares a batch to be sent, if it may be sent again. `may_resend` asks the server whether it recognizes idempotency keys.
    fn before(
        &mut self,
        batch: &mut Batch,
        requests: &RequestBuilder,
        may_resend: impl FnOnce(FirstAttempt) -> Resend,
    ) -> anyhow::Result<Before> {
        let Some(recorder) = &mut self.recorder else { return Ok(Before::Send(FirstAttempt::now())) };
        if recorder.skips(batch) {
            return Ok(Before::Skip);
        }
        let first_attempt = recorder.first_attempt(batch);
        if recorder.relies_on_keys(batch) {
            match may_resend(first_attempt) {
                Resend::Now => {}
                Resend::Later => return Ok(Before::Stop),
                Resend::Never => {
                    let skipped = recorder.skip_instead()?;
                    return Ok(skipped.map_or(Before::Stop, |skipped| {
                        self.progress.print_message(&skipped);
                        Before::Skip
                    }));
                }
            }
        }
        recorder.before(batch, requests)?;
        Ok(Before::Send(first_attempt))
    }

    /// Ends the run before a batch is sent.
    fn stop_before(&mut self, queue: &Queue, error: Option<anyhow::Error>) {
        queue.stop(StopReason::Failure);
        self.tally.batch_rejected = true;
        self.failures.extend(error);
    }

    /// Records the result of a batch, prints the replies, and adds its outcome.
    fn record(&mut self, queue: &Queue, batch: &Batch, result: Result<Vec<Reply>, Error>) {
        match self.recorder.as_mut().map_or(Ok(true), |recorder| recorder.after(batch, &result)) {
            Ok(true) => {}
            Ok(false) => queue.stop(StopReason::Failure),
            Err(error) => {
                queue.stop(StopReason::Failure);
                self.is_unrecorded = true;
                self.failures.extend([Some(error), result.err().map(anyhow::Error::from)].into_iter().flatten());
                return;
            }
        }
        self.tally.add(&batch.lines, batch.is_read_only(), &result);
        let replies = retry::replies(&result);
        self.print(queue, replies);
        for ((reply, command), line) in replies.iter().zip(batch.commands()).zip(&batch.lines) {
            let subject = || format!("line {line}: {}", command.method());
            self.reply_errors.add(reply, subject, |message| self.progress.print_error(message));
        }
        self.progress.update(self.tally.replies, batch.input_end);
        self.failures.extend(result.err().map(|error| with_line(error, &batch.lines)));
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
    fn finish(self, args: &Args, errors: ErrorPrinter, result: &RunResult) -> ExitStatus {
        self.progress.clear();
        let lines_remain = self.tally.lines_remain(result.remaining());
        let is_stopped = result.stop.is_some() || lines_remain;
        let output_closed = self.printed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        let mut cause = self.reply_errors.finish(|message| errors.print(message));
        if self.is_unrecorded {
            cause = cause.max(ExitStatus::SafeToRetry);
        }
        if let Some(rejections) = self.recorder.as_ref().filter(|_| !is_stopped).and_then(Recorder::earlier_rejections)
        {
            errors.print(&rejections);
            cause = cause.max(ExitStatus::Rejected);
        }
        let effect = if self.tally.is_read_only() { Effect::Read } else { Effect::Executed };
        let output_error = OutputError::check(self.printed, effect).err().map(anyhow::Error::from);
        for error in output_error.iter().chain(&self.failures).chain(&result.input_error) {
            errors.print_error(error);
            cause = cause.max(exit_status_for(error));
        }
        let recorder = self.recorder.as_ref();
        if is_stopped {
            // With --quiet too, because it is part of the error.
            let reason =
                stop_reason(result.stop, output_closed).map_or_else(String::new, |reason| format!("{reason}: "));
            let summary = match recorder {
                Some(recorder) => recorder.stopped_summary(self.tally.batch_rejected, result.remaining()),
                None => self.tally.stopped_summary(result.remaining()),
            };
            stderr::print_message(&format!("{reason}{summary}"));
        } else if !args.quiet {
            let earlier = recorder.filter(|_| self.tally.replies == 0).and_then(Recorder::finished_before);
            let summary = earlier.unwrap_or_else(|| self.tally.finished_summary(self.progress.elapsed()));
            stderr::print_message(&summary);
        }
        lines_status(LinesOutcome {
            has_unknown: self.tally.has_unknown()
                || cause == ExitStatus::Unknown
                || recorder.is_some_and(Recorder::has_unknown),
            signal: match result.stop {
                Some(StopReason::Signal(number)) => Some(number),
                Some(StopReason::Failure) | None => None,
            },
            has_answered: self.tally.resume_line() > 1,
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
