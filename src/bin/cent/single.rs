//! One command: a call without `--lines`.

use std::io;
use std::thread;

use cent::Client;

use crate::args::Args;
use crate::exit::{ExitStatus, OutputError, exit_status_of_printing};
use crate::output::{self, JsonLayout};
use crate::params;
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, Retrier};
use crate::stderr::{self, ErrorPrinter};

/// Sends the command and prints its reply; nothing to standard output without a layout.
pub(crate) fn run(
    args: &Args,
    errors: ErrorPrinter,
    layout: Option<JsonLayout>,
    mut client: Client,
    method: &str,
) -> anyhow::Result<ExitStatus> {
    let commands = [params::read_command(args.params.as_deref(), method)?];
    let mut request = client.requests().request(&commands)?;
    if args.dry_run {
        let print = || output::print_request(&request, io::stdout());
        return exit_status_of_printing(if args.quiet { Ok(()) } else { print() });
    }
    let retrier = Retrier {
        max_retries: args.max_retries(),
        on_retry: stderr::print_message,
        sleep: |backoff| {
            thread::sleep(backoff);
            true
        },
    };
    let result = retrier.send(&mut client, &mut request);
    let replies = retry::replies(&result);
    let layout = layout.filter(|_| !replies.is_empty() || result.is_ok());
    let printed = layout.map_or(Ok(()), |layout| output::print_list(replies, layout, io::stdout()));
    let mut reply_errors = ReplyErrors::new();
    for reply in replies {
        reply_errors.add(reply, || format!("{}: {method}", request.url()), |message| errors.print(message));
    }
    let status = reply_errors.finish(|message| errors.print(message));
    OutputError::check(printed, true)?;
    result?;
    Ok(status)
}
