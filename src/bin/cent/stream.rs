//! A run of `--lines`: where lines, requests, output and report meet.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use cent::{Client, Command, Endpoint, HttpRequest, Reply};

use crate::args::Args;
use crate::lines::{self, Account, Batch, End, Queue, Stop};
use crate::output::JsonLayout;
use crate::report::{self, Alarm, Exit, OutputError, Progress, Refusals};
use crate::retry::Sender;
use crate::{layout, output, replies, told};

pub(crate) fn run(
    args: &Args,
    alarm: Alarm,
    endpoint: &Endpoint,
    mut client: Client,
    method: Option<&str>,
) -> anyhow::Result<Exit> {
    // Before the reader moves on in it.
    let input_bytes = lines::input_bytes();
    let queue = lines::read_input(args.batch(), endpoint.clone(), command_of_line(method, endpoint.clone()))?;
    if args.dry_run {
        return dry(args, &queue);
    }
    let shown = !args.quiet && !args.verbose && io::stderr().is_terminal() && !io::stdout().is_terminal();
    let progress = Progress::new(alarm, shown, input_bytes);
    let mut run = Run::new(layout(args), progress.clone());
    let sender = Sender {
        retries: args.retry(),
        tell: told(args.verbose),
        announce: move |message: &str| progress.say(message),
        wait: {
            let queue = Arc::clone(&queue);
            move |pause| queue.wait_unless_stopped(pause)
        },
    };
    while let Some(mut batch) = queue.pop() {
        let result = batch.request(&queue.endpoint).and_then(|request| sender.send(&mut client, request));
        if result.is_err() {
            // Nothing follows: the queue gives out no more.
            queue.stop(Stop::Failure);
        }
        run.take(&queue, &batch, result);
        queue.give_back(batch);
    }
    Ok(run.conclude(args, alarm, queue.end()))
}

/// What makes a command of a line of input: its params, or without a method the whole of it.
fn command_of_line(
    method: Option<&str>,
    endpoint: Endpoint,
) -> impl Fn(Vec<u8>, u64) -> Result<Command, cent::Error> + use<> {
    let method = method.map(str::to_owned);
    move |text, number| {
        let command = match &method {
            Some(method) => Command::new(method, text),
            None => Command::from_json(text),
        };
        command.and_then(|command| command.checked(&endpoint)).map_err(|error| error.counted_from(number))
    }
}

/// What has come of a run so far.
struct Run {
    layout: Option<JsonLayout>,
    progress: Progress,
    account: Account,
    refusals: Refusals,
    written: io::Result<()>,
    failed: Option<cent::Error>,
}

impl Run {
    fn new(layout: Option<JsonLayout>, progress: Progress) -> Self {
        let (account, refusals) = (Account::default(), Refusals::new());
        Self { layout, progress, account, refusals, written: Ok(()), failed: None }
    }

    /// Prints what came of a batch.
    fn take(&mut self, queue: &Queue, batch: &Batch, result: Result<Vec<Reply>, cent::Error>) {
        self.account.add(&batch.lines, &result);
        let replies = replies(&result);
        if self.written.is_ok() {
            self.written = self.layout.map_or(Ok(()), |layout| output::print_lines(replies, layout, io::stdout()));
            if self.written.is_err() {
                queue.stop(Stop::Failure);
            }
        }
        for ((reply, command), line) in replies.iter().zip(batch.commands()).zip(&batch.lines) {
            let place = || format!("line {line}: {}", command.method());
            self.refusals.add(reply, place, |message| self.progress.error(message));
        }
        self.progress.advance(self.account.answered, batch.input_end);
        self.failed = result.err();
    }

    /// Tells how it ended; of several outcomes the worst is the exit status.
    fn conclude(self, args: &Args, alarm: Alarm, end: End) -> Exit {
        self.progress.clear();
        let left = end.left || self.account.turned_away;
        let mut exit = self.refusals.conclude(|message| alarm.error(message));
        if self.written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) && left {
            exit = Exit::Unknown;
        }
        let written = OutputError::check(self.written, true).err().map(anyhow::Error::from);
        for error in [written, self.failed.map(Into::into), end.bad].iter().flatten() {
            alarm.failure(error);
            exit = exit.max(report::exit_of(error));
        }
        if let Some(Stop::Signal(number)) = end.stop {
            exit = exit.max(Exit::Signal(number));
        }
        if end.stop.is_some() || left {
            // With --quiet too: it belongs to the error.
            report::say(&report::stopped(&self.account, left));
        } else if !args.quiet {
            report::say(&report::through(&self.account, self.progress.elapsed()));
        }
        exit
    }
}

/// Prints each request, with a blank line between.
fn dry(args: &Args, queue: &Queue) -> anyhow::Result<Exit> {
    let (mut commands, mut requests) = (0, 0);
    while let Some(mut batch) = queue.pop() {
        let request = batch.request(&queue.endpoint)?;
        let written = if args.quiet { Ok(()) } else { write_request(request, requests > 0) };
        if written.is_err() {
            queue.stop(Stop::Failure);
            OutputError::check(written, false)?;
            return Ok(Exit::Done);
        }
        commands += batch.commands().len() as u64;
        requests += 1;
    }
    let end = queue.end();
    if let Some(error) = end.bad {
        return Err(error);
    }
    if !args.quiet {
        report::say(&report::dry(commands, requests));
    }
    Ok(match end.stop {
        Some(Stop::Signal(number)) => Exit::Signal(number),
        _ => Exit::Done,
    })
}

fn write_request(request: &HttpRequest<'_>, after_another: bool) -> io::Result<()> {
    let mut out = io::stdout();
    if after_another {
        out.write_all(b"\n")?;
    }
    output::print_request(request, out)
}
