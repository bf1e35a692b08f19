//! `--lines --dry-run`: prints the requests instead of sending them.

use cent::RequestBuilder;

use super::input::queue::{Queue, StopReason};
use super::ledger::summary::dry_run_summary;
use super::signals::signal_text;
use crate::console::Console;
use crate::exit::{Effect, ExitStatus, OutputError};
use crate::options::Options;

/// Prints the requests, with an empty line between two.
pub(super) fn dry_run(
    console: Console,
    queue: &Queue,
    requests: &RequestBuilder,
    options: &Options,
) -> anyhow::Result<ExitStatus> {
    let (mut commands, mut count) = (0, 0);
    while let Some(mut batch) = queue.pop() {
        let printed = console.print_request(batch.request(requests)?, count == 0);
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
    let (reason, status) = match result.stop {
        Some(StopReason::Signal(signal)) => (signal_text(signal), ExitStatus::Signal(signal)),
        _ => ("dry run", ExitStatus::Success),
    };
    let summary = dry_run_summary(commands, count, options.idempotent, options.journal.is_some());
    console.print_message(&format!("{reason}: {summary}"));
    Ok(status)
}
