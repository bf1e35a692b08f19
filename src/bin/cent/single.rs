//! One command: a call without `--lines`.

use std::collections::HashMap;
use std::slice;
use std::thread;

use anyhow::{anyhow, ensure};
use cent::{Client, Command, Endpoint, Error, IdempotencyKey, Repeat, Reply};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::command_line::mistakes::IDEMPOTENT_REQUIRES_KEY;
use crate::console::Console;
use crate::console::stderr;
use crate::did_you_mean::did_you_mean;
use crate::exit::{Effect, ExitStatus, OutputError, exit_status_for, exit_status_of_printing};
use crate::options::Options;
use crate::params;
use crate::params::key_value;
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, FirstAttempt, Retrier};

const EMPTY_HISTORY_NOTE: &str = "history: without limit, Centrifugo 3 and later return no publications; add \"limit\" to the params (limit:=-1 for all)";

/// Sends the command and prints its reply.
pub(crate) fn run(options: &Options, console: Console, mut client: Client, method: &str) -> anyhow::Result<ExitStatus> {
    let notes = console.shows_notes();
    let endpoint = client.requests().endpoint();
    ensure!(!options.idempotent || !endpoint.is_signed(), IDEMPOTENT_REQUIRES_KEY);
    let command = params::read_command(options.params.as_deref(), &options.key_values, method, endpoint, notes)?;
    let command = if options.idempotent { command.with_idempotency_key(IdempotencyKey::random()?) } else { command };
    let request = client.requests().request(slice::from_ref(&command));
    let mut request = request.map_err(|error| match usage_hint(options, method, &error) {
        Some(hint) => anyhow!("{error}; {hint}"),
        None => error.into(),
    })?;
    if options.dry_run {
        if let Some(note) = misspelled_method(client.requests().endpoint(), method) {
            console.print_message(&note);
        }
        return exit_status_of_printing(console.print_request(&request, true));
    }
    let sleep = |backoff| {
        thread::sleep(backoff);
        true
    };
    let retrier = Retrier::new(options.max_retries, options.idempotent, stderr::print_message, sleep);
    let result = retrier.send(&mut client, &mut request, FirstAttempt::now());
    let replies = retry::replies(&result);
    let is_answered = !replies.is_empty() || result.is_ok();
    let printed = if is_answered { console.print_list(replies) } else { Ok(()) };
    let mut reply_errors = ReplyErrors::new();
    for reply in replies {
        reply_errors.add(
            reply,
            || format!("{}: {method}", request.url()),
            |message| console.print_error_message(message),
        );
    }
    let status = reply_errors.finish(|message| console.print_error_message(message));
    if notes && !client.requests().endpoint().is_signed() && is_empty_history(&command, replies) {
        stderr::print_message(EMPTY_HISTORY_NOTE);
    }
    let effect = if request.repeat() == Repeat::Reads { Effect::Read } else { Effect::Executed };
    let output_error = OutputError::check(printed, effect).err().map(anyhow::Error::from);
    let failures = [output_error, result.err().map(anyhow::Error::from)];
    Ok(failures.iter().flatten().fold(status, |status, error| {
        console.print_error(error);
        status.max(exit_status_for(error))
    }))
}

/// A note about an unknown method with a similar name: the server would reject it.
fn misspelled_method(endpoint: &Endpoint, method: &str) -> Option<String> {
    let mut names = endpoint.methods().map(|method| method.name);
    if names.any(|name| name.eq_ignore_ascii_case(method)) {
        return None;
    }
    did_you_mean(method, endpoint.methods().map(|method| method.name))
        .map(|suggestion| format!("{method}: unknown method; {suggestion}"))
}

/// What to type instead of arguments that make no valid request.
fn usage_hint(options: &Options, method: &str, error: &Error) -> Option<String> {
    let batch = || method.eq_ignore_ascii_case("batch").then(|| "use --lines without METHOD".to_owned());
    error.param().and_then(|param| key_value::param_hint(&options.key_values, method, param)).or_else(batch)
}

/// Whether a history without a limit has no publications.
fn is_empty_history(command: &Command, replies: &[Reply]) -> bool {
    command.method().eq_ignore_ascii_case("history")
        && lacks_limit(command.params())
        && replies.first().is_some_and(is_empty)
}

fn lacks_limit(params: &str) -> bool {
    let params = serde_json::from_str::<HashMap<String, &RawValue>>(params);
    params.is_ok_and(|params| !params.keys().any(|key| key.eq_ignore_ascii_case("limit")))
}

fn is_empty(reply: &Reply) -> bool {
    #[derive(Deserialize)]
    struct History {
        publications: Option<Vec<IgnoredAny>>,
    }
    let history = serde_json::from_str::<History>(reply.data());
    history.is_ok_and(|history| history.publications.is_none_or(|publications| publications.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_found_in_any_case() {
        assert!(lacks_limit(r#"{"channel": "a"}"#) && lacks_limit(r#"{"channel": "limit"}"#));
        assert!(!lacks_limit(r#"{"channel": "a", "Limit": 0}"#) && !lacks_limit(r#"{"l\u0069mit": 5}"#));
    }
}
