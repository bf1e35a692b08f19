//! One command: a call without `--lines`.

use std::collections::HashMap;
use std::slice;
use std::thread;

use anyhow::{anyhow, bail, ensure};
use cent::{Client, Command, Endpoint, Error, IdempotencyKey, Method, Repeat, Reply};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::command_line::mistakes::IDEMPOTENT_REQUIRES_KEY;
use crate::console::Console;
use crate::console::stderr;
use crate::exit::{Effect, ExitStatus, OutputError, exit_status_for, exit_status_of_printing};
use crate::options::Options;
use crate::params::unknown::UnknownParams;
use crate::params::{self, key_value};
use crate::reply_errors::ReplyErrors;
use crate::retry::{self, Retrier};

const EMPTY_HISTORY_NOTE: &str = "history: without limit, Centrifugo 3 and later return no publications; add \"limit\" to the params (limit:=-1 for all)";

/// Sends the command and prints its reply.
pub(crate) fn run(options: &Options, console: Console, client: Client, method: &str) -> anyhow::Result<ExitStatus> {
    let endpoint = client.requests().endpoint();
    ensure!(!options.idempotent || !endpoint.is_signed(), IDEMPOTENT_REQUIRES_KEY);
    let command = params::read_command(options.params.as_deref(), &options.key_values, method, endpoint, console)?;
    let own_len = command.params().len();
    let command = if options.idempotent { command.with_idempotency_key(IdempotencyKey::random()?) } else { command };
    let request = client.requests().request(slice::from_ref(&command));
    let mut request = request.map_err(|error| with_usage_hint(error, options, method))?;
    let unknown = UnknownParams::default().find(&command, client.requests().endpoint());
    match unknown.first() {
        Some(problem) if !options.key_values.is_empty() => bail!("{problem}"),
        _ => unknown.iter().for_each(|problem| console.print_message(problem)),
    }
    if options.dry_run {
        if let Some(note) = misspelled_method(client.requests().endpoint(), method) {
            console.print_message(&note);
        }
        // Not the caller's own key.
        if command.params().len() > own_len {
            console.print_message("the idempotency key is an example: each call has another");
        }
        return exit_status_of_printing(console.print_request(&request, true));
    }
    let requests = client.requests().clone();
    let sleep = Box::new(|backoff| {
        thread::sleep(backoff);
        true
    });
    let mut retrier = Retrier::new(client, options, console.is_quiet(), Box::new(stderr::print_message), sleep);
    if options.idempotent && request.repeat() == Repeat::Keys {
        retrier.check_keys().map_err(|error| retrier.with_attempts(error))?;
    }
    let first = retrier.now();
    let result = retrier.send(&mut request, &first, false);
    let replies = retry::replies(&result);
    let is_answered = !replies.is_empty() || result.is_ok();
    let printed = if is_answered { console.print_list(replies) } else { Ok(()) };
    let mut reply_errors = ReplyErrors::new();
    for reply in replies {
        reply_errors.add(
            reply,
            || format!("{}{}: {method}", retrier.attempts_text(), request.url()),
            |message| console.print_error_message(message),
        );
    }
    let status = reply_errors.finish(|message| console.print_error_message(message));
    if console.shows_notes() && !requests.endpoint().is_signed() && is_empty_history(&command, replies) {
        stderr::print_message(EMPTY_HISTORY_NOTE);
    }
    let effect = if request.repeat() == Repeat::Reads { Effect::Read } else { Effect::Executed };
    let output_error = OutputError::check(printed, effect).err().map(anyhow::Error::from);
    let failures = [output_error, result.err().map(|error| retrier.with_attempts(error))];
    Ok(failures.iter().flatten().fold(status, |status, error| {
        console.print_error(error);
        status.max(exit_status_for(error))
    }))
}

/// A note about an unknown method with a similar name: the server would reject it.
fn misspelled_method(endpoint: &Endpoint, method: &str) -> Option<String> {
    if endpoint.methods().any(|known| known.name.eq_ignore_ascii_case(method)) {
        return None;
    }
    let closest = Method::closest(method, endpoint.version())?;
    Some(format!("{method}: unknown method; did you mean {}?", closest.name))
}

/// What to type instead of arguments that make no valid request.
fn with_usage_hint(error: Error, options: &Options, method: &str) -> anyhow::Error {
    match key_value::param_hint(&options.key_values, method, &error) {
        Some(hint) => anyhow!("{}; {hint}", error.message()),
        None if method.eq_ignore_ascii_case("batch") => anyhow!("{error}; use --lines without METHOD"),
        None => error.into(),
    }
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
