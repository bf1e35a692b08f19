//! The one error of this crate.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::error_kind::{ErrorKind, HINT_EARLIER_ATTEMPT, HINT_READ_ONLY};
use crate::json::Location;
use crate::remedy::Remedy;
use crate::reply::{Reply, ReplyError};

/// Why a call failed: what happened, to what, and what to do about it.
///
/// What to do next follows from [`kind`](Self::kind) and [`is_retryable`](Self::is_retryable):
///
/// ```
/// use cent::{Error, ErrorKind};
///
/// #[derive(Debug, PartialEq)]
/// enum Next { Retry, Check, GiveUp }
///
/// fn next_step(error: &Error) -> Next {
///     match error.kind() {
///         // Nothing was accepted, and another attempt may succeed, after `retry_after` if the server sent that.
///         ErrorKind::SafeToRetry if error.is_retryable() => Next::Retry,
///         // Nothing was accepted, but something has to be fixed first, such as a certificate.
///         ErrorKind::SafeToRetry => Next::GiveUp,
///         // The server rejected it, and would again; or the call is invalid, and nothing was sent.
///         ErrorKind::Rejected | ErrorKind::Invalid => Next::GiveUp,
///         // It was executed, but its result is not what the code expects.
///         ErrorKind::Undecodable => Next::GiveUp,
///         // It may have been executed. Kinds of later versions of this crate are treated in the same way.
///         _ => Next::Check,
///     }
/// }
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # let mut client = doctest::client();
/// let error = client.publish("nope:news", &1).unwrap_err();
/// assert_eq!(next_step(&error), Next::GiveUp);
/// assert_eq!(error.reply_error().and_then(|error| error.code()), Some(102));
/// # assert_eq!(next_step(&client.publish("", &1).unwrap_err()), Next::GiveUp);
/// # assert_eq!(next_step(&doctest::unreachable().publish("news", &1).unwrap_err()), Next::Retry);
/// # assert_eq!(next_step(&doctest::hanging().publish("news", &1).unwrap_err()), Next::Check);
/// ```
///
/// `Display` is for people: [`message`](Self::message) and [`hint`](Self::hint) are parts of it. It never contains a
/// secret, an API key or a signature. It is a single line, except for text that cannot be parsed: then a snippet of it
/// follows.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorData>);

/// Boxed in [`Error`], so that results stay small.
#[derive(Debug)]
struct ErrorData {
    kind: ErrorKind,
    subject: Option<String>,
    message: String,
    hint: Option<String>,
    location: Option<Location>,
    retryable: bool,
    status: Option<u16>,
    command: Option<usize>,
    answered: usize,
    rejects_batch: bool,
    unknown_method: bool,
    retry_after: Option<Duration>,
    replies: Vec<Reply>,
    /// Where it is not one of the replies'.
    reply_error: Option<ReplyError>,
    param: Option<&'static str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for ErrorData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(Location { line, column, .. }) = &self.location {
            write!(f, " at line {line}, column {column}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if let Some(Location { snippet, .. }) = &self.location {
            write!(f, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl StdError for ErrorData {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl Error {
    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without what it happened to (such as a URL) and what to do about it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it, for people; code decides by the [kind](Self::kind).
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// What the hint asks to change in the settings of the client, for programs that name these in their own words.
    pub fn remedies(&self) -> impl Iterator<Item = Remedy> {
        let hint = self.hint().unwrap_or_default();
        Remedy::ALL.into_iter().filter(move |remedy| hint.contains(remedy.text()))
    }

    /// The HTTP status of the response, if that is why the call failed.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The server's error for a command or for a channel of a broadcast, if there is one. Of several in the
    /// [replies](Self::replies), it is one of the kind [`ErrorKind::OutcomeUnknown`], or else the first. It has the
    /// [code](ReplyError::code).
    pub fn reply_error(&self) -> Option<&ReplyError> {
        self.0.reply_error.as_ref().or_else(|| ReplyError::worst(self.0.replies.iter().flat_map(Reply::errors)))
    }

    /// The key of the param that is missing or invalid, if that is why the call was not sent.
    pub fn param(&self) -> Option<&'static str> {
        self.0.param
    }

    /// Replies received despite the failure, for example when their number was wrong.
    pub fn replies(&self) -> &[Reply] {
        &self.0.replies
    }

    /// The index of the command that made the server reject a whole batch, counted from 0, if it is known.
    pub fn command_index(&self) -> Option<usize> {
        self.0.command
    }

    /// How many commands, from the first one, were answered all the same: their replies are the first of
    /// [`replies`](Self::replies). 0 for most failures.
    pub fn answered(&self) -> usize {
        self.0.answered
    }

    /// Whether the server rejected a batch as a whole because of one of its commands, which it does not name: this attempt
    /// executed nothing. The commands can be sent in parts, as [`Client::send_commands`](crate::Client::send_commands)
    /// does; a part of one command is rejected because of that one.
    pub fn rejects_whole_batch(&self) -> bool {
        self.0.rejects_batch
    }

    /// Whether the server has no such method: its version or edition lacks it. Servers say so in three ways: the error 104
    /// in a reply, the status 404, and Centrifugo 1 to 4 the status 400, where a batch of commands may have been executed
    /// in part.
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// match client.presence_stats("news") {
    ///     Ok(stats) => println!("{} clients", stats.num_clients),
    ///     Err(error) if error.is_unknown_method() => println!("{} clients", client.presence("news")?.len()),
    ///     Err(error) => return Err(error),
    /// }
    /// # assert!(client.stats().unwrap_err().is_unknown_method());
    /// # Ok::<(), cent::Error>(())
    /// ```
    pub fn is_unknown_method(&self) -> bool {
        self.0.unknown_method || self.reply_error().is_some_and(ReplyError::is_unknown_method)
    }

    /// Whether a retry could succeed: nothing was accepted and the cause may be temporary.
    ///
    /// False for certificate errors and for every kind but [`ErrorKind::SafeToRetry`].
    pub fn is_retryable(&self) -> bool {
        self.0.kind == ErrorKind::SafeToRetry && self.0.retryable
    }

    /// Whether a repetition could succeed that executes nothing twice, where the request
    /// [allows one](crate::HttpRequest::repeat).
    ///
    /// True for more failures than [`is_retryable`](Self::is_retryable): also for [`ErrorKind::OutcomeUnknown`], except
    /// after a rejection. False for [`ErrorKind::Undecodable`]: a repetition would have the same result.
    pub fn is_repeatable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::SafeToRetry | ErrorKind::OutcomeUnknown) && self.0.retryable
    }

    /// How long the server asks to wait before another attempt (`Retry-After`). A date is compared with the response's own
    /// `Date`, and is ignored without one; a date in the past is no delay.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Reports line numbers starting at `first` instead of 1, for input that is part of a larger file. An error without a
    /// line number gets this one.
    ///
    /// ```
    /// let error = cent::Command::new("publish", "{").unwrap_err().with_first_line(17);
    /// assert!(error.to_string().starts_with("invalid JSON: unexpected end of input at line 17, column 2; "));
    /// ```
    #[must_use]
    pub fn with_first_line(mut self, first: u64) -> Self {
        let Some(location) = &mut self.0.location else { return self.with_subject(format!("line {first}")) };
        location.line += first.saturating_sub(1);
        self
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorData {
            kind,
            subject: None,
            message: message.into(),
            hint: None,
            location: None,
            retryable: true,
            status: None,
            command: None,
            answered: 0,
            rejects_batch: false,
            unknown_method: false,
            retry_after: None,
            replies: Vec::new(),
            reply_error: None,
            param: None,
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Sets what it happened to, such as a URL; one that is set already stays, since it is closer to the cause.
    pub(crate) fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject.get_or_insert_with(|| subject.into());
        self
    }

    /// Sets what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place in a text; its snippet is shown on lines of its own.
    pub(crate) fn with_location(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    /// Names the proxy that the request went through, which a user may have forgotten.
    pub(crate) fn with_proxy(mut self, proxy: Option<&str>) -> Self {
        if let Some(proxy) = proxy {
            self.0.message.push_str(" (via proxy ");
            self.0.message.push_str(proxy);
            self.0.message.push(')');
        }
        self
    }

    pub(crate) fn with_param(mut self, key: &'static str) -> Self {
        self.0.param = Some(key);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_whole_batch_rejected(mut self, rejects_batch: bool) -> Self {
        self.0.rejects_batch = rejects_batch;
        self
    }

    pub(crate) fn with_unknown_method(mut self, unknown_method: bool) -> Self {
        self.0.unknown_method = unknown_method;
        self
    }

    /// Names the command at this index as the cause.
    pub(crate) fn with_invalid_command(mut self, index: usize, method: &str) -> Self {
        let _ = write!(self.0.message, " because of command {} ({method})", index + 1);
        self.0.command = Some(index);
        self
    }

    /// Adds the replies to the first commands of a request that was sent in parts. To retry all of it would execute those
    /// again.
    pub(crate) fn with_answered(mut self, replies: Vec<Reply>) -> Self {
        self.0.answered = replies.len();
        self.0.retryable &= replies.is_empty();
        self.0.replies = replies;
        self
    }

    /// For a request that changes nothing: where the outcome is unknown, it is safe to retry.
    pub(crate) fn into_read_only(mut self) -> Self {
        if self.0.kind == ErrorKind::OutcomeUnknown {
            self.0.kind = ErrorKind::SafeToRetry;
            self.0.hint = Some(HINT_READ_ONLY.to_owned());
        }
        self
    }

    /// Says that it is about several commands, if it is.
    pub(crate) fn with_command_count(mut self, count: usize) -> Self {
        if let Some(hint) = self.0.hint.as_mut().filter(|_| count > 1) {
            *hint = hint.replace("the command may", "the commands may");
        }
        self
    }

    /// For a request of which nothing was executed, though its response does not say so.
    pub(crate) fn into_rejected(mut self, hint: &str) -> Self {
        self.0.kind = ErrorKind::Rejected;
        self.with_hint(hint)
    }

    /// For a request that an earlier attempt may have executed: only a success would show what happened.
    pub(crate) fn into_unknown(mut self) -> Self {
        self.0.retryable &= self.0.kind == ErrorKind::SafeToRetry;
        self.0.kind = ErrorKind::OutcomeUnknown;
        self.with_hint(HINT_EARLIER_ATTEMPT)
    }

    pub(crate) fn not_retryable(mut self) -> Self {
        self.0.retryable = false;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn with_replies(mut self, replies: Vec<Reply>) -> Self {
        self.0.replies = replies;
        self
    }

    /// Names the method, and where the command was sent.
    pub(crate) fn with_method(mut self, method: &str, url: &str) -> Self {
        self.0.message.insert_str(0, &format!("{method}: "));
        self.with_subject(url)
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }
}

/// The error of one command, or of one channel of a broadcast.
impl From<ReplyError> for Error {
    fn from(error: ReplyError) -> Self {
        let mut result = Self::new(error.kind(), error.summary()).with_hint(error.hint());
        result.0.reply_error = Some(error);
        result
    }
}
