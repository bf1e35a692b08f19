//! What the server replies to one command, as data.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::error_kind::{ErrorKind, HINT_CHECK_BEFORE_RETRY, HINT_EARLIER_ATTEMPT, HINT_READ_ONLY};
use crate::json;
use crate::methods::Method;

/// The server's reply to one command, verbatim. All replies to a request share one buffer.
///
/// [`result`](Self::result) is its data or its error; [`published`](Self::published), [`history`](Self::history) and so on
/// decode the data of a method, and [`parse`](Self::parse) that of any.
///
/// ```
/// use cent::Command;
///
/// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # let mut client = doctest::client();
/// let replies = client.send_commands(&[Command::publish("news", &1)?, Command::channels()])?;
/// assert_eq!(replies[0].published()?.position.map(|position| position.offset), Some(1));
/// assert_eq!(replies[1].data(), r#"{"channels":{}}"#);
/// assert!(replies[1].history().is_err());
/// # Ok::<(), cent::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    text: ReplyText,
    errors: Box<[ReplyError]>,
    /// The method of its command; `None` if this crate does not know it.
    method: Option<&'static Method>,
    /// How many channels a broadcast had, where its reply need not list them.
    channels: Option<u32>,
}

impl Reply {
    /// A reply that is this range of a response.
    pub(crate) fn new(response: &Arc<String>, range: impl Into<TextRange>, errors: Vec<ReplyError>) -> Self {
        let text = ReplyText { response: Arc::clone(response), range: range.into() };
        Self { text, errors: errors.into(), method: None, channels: None }
    }

    /// Adds what is known of its command.
    pub(crate) fn with_method(self, method: Option<&'static Method>, channels: Option<usize>) -> Self {
        Self { method, channels: channels.map(|count| u32::try_from(count).unwrap_or(u32::MAX)), ..self }
    }

    /// Whether it replies to one of these methods.
    pub(crate) fn is_reply_to(&self, methods: &[&str]) -> bool {
        self.method.is_some_and(|method| methods.contains(&method.name))
    }

    /// How many channels a broadcast had, where its reply need not list them.
    pub(crate) fn channel_count(&self) -> Option<usize> {
        self.channels.and_then(|count| usize::try_from(count).ok())
    }

    /// The JSON text of the reply: the server's own, except that bytes that are not UTF-8 became U+FFFD.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// The errors in this reply: empty if the command was executed; otherwise one error, or one per failed channel of a
    /// broadcast (Centrifugo 3 and later).
    pub fn errors(&self) -> &[ReplyError] {
        &self.errors
    }

    /// Whether the command may have been executed despite an error.
    pub(crate) fn is_unknown(&self) -> bool {
        self.errors.iter().any(|error| error.kind == ErrorKind::OutcomeUnknown)
    }

    /// For a command that an earlier attempt may have executed: a rejection is no proof that it was not.
    pub(crate) fn into_unknown(self) -> Self {
        let errors = self.errors.into_iter().map(ReplyError::into_unknown).collect();
        Self { errors, ..self }
    }

    /// The reply's data, or why the command was rejected.
    ///
    /// # Errors
    /// One of the [`errors`](Self::errors): one of the kind [`ErrorKind::OutcomeUnknown`], or else the first.
    pub fn result(&self) -> Result<&str, &ReplyError> {
        ReplyError::worst(&self.errors).map_or_else(|| Ok(self.data()), Err)
    }

    /// The reply's data as JSON text: `null` if it has none.
    ///
    /// That is what the reply has in `result`, or with Centrifugo 1 in `body.data` or `body`.
    pub fn data(&self) -> &str {
        let Some(reply) = json::as_object(self.text()) else { return "null" };
        let Some(body) = reply.get_last("body") else { return reply.get_last("result").unwrap_or("null") };
        json::as_object(body).and_then(|body| body.get_last("data")).unwrap_or(body)
    }

    /// Whether it has the form of Centrifugo 1.
    pub(crate) fn is_v1(&self) -> bool {
        json::as_object(self.text()).is_some_and(|reply| reply.get_last("body").is_some())
    }
}

/// A slice of a response that all its replies share.
#[derive(Clone)]
struct ReplyText {
    response: Arc<String>,
    range: TextRange,
}

/// Start and end of a part of a response, in bytes. Responses are not larger than fits, and there is one for each reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextRange {
    start: u32,
    end: u32,
}

impl TextRange {
    pub(crate) fn text(self, response: &str) -> &str {
        let position = |position: u32| usize::try_from(position).unwrap_or(usize::MAX);
        response.get(position(self.start)..position(self.end)).unwrap_or_default()
    }
}

impl From<Range<usize>> for TextRange {
    fn from(range: Range<usize>) -> Self {
        let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        Self { start: position(range.start), end: position(range.end) }
    }
}

impl ReplyText {
    fn as_str(&self) -> &str {
        self.range.text(&self.response)
    }
}

impl fmt::Debug for ReplyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for ReplyText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ReplyText {}

impl Hash for ReplyText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Why the server rejected a command, or one channel of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ReplyError {
    kind: ErrorKind,
    code: Option<u64>,
    message: String,
    channel: Option<String>,
    hint: &'static str,
    suggestion: Option<String>,
    /// Whether it is a rejection after an attempt whose outcome is unknown.
    is_rejection: bool,
}

impl ReplyError {
    /// [`ErrorKind::Rejected`], or where the command may have been executed despite the error,
    /// [`ErrorKind::OutcomeUnknown`], or [`ErrorKind::SafeToRetry`] if it only reads.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether a repetition could succeed that executes nothing twice, as for [`Error::is_repeatable`]: not after a
    /// rejection, though an earlier attempt may have been executed.
    ///
    /// [`Error::is_repeatable`]: crate::Error::is_repeatable
    pub fn is_repeatable(&self) -> bool {
        self.kind != ErrorKind::Rejected && !self.is_rejection
    }

    /// Whether the server has no such method: its version or edition lacks it (error 104). A reply to `rpc` says so of the
    /// procedure that is to be called, too.
    pub fn is_unknown_method(&self) -> bool {
        self.code == Some(104)
    }

    /// The error code; Centrifugo 1 has none.
    pub fn code(&self) -> Option<u64> {
        self.code
    }

    /// The server's error message; the texts differ from version to version.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Cow<'_, str> {
        match &self.suggestion {
            Some(suggestion) => format!("{}; {suggestion}", self.hint).into(),
            None => self.hint.into(),
        }
    }

    /// The channel that the error refers to, if it is one of several in a broadcast. If the server reports more channels
    /// than were sent, the position of the channel in its list, from 1.
    pub fn channel(&self) -> Option<Cow<'_, str>> {
        self.channel.as_deref().map(|channel| json::as_string(channel).unwrap_or(channel.into()))
    }

    /// Whether it refers to one channel of a broadcast.
    pub(crate) fn has_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// What happened, without the hint.
    pub(crate) fn summary(&self) -> String {
        let channel = self.channel.as_ref().map(|channel| format!("channel {channel}: ")).unwrap_or_default();
        let message = if self.message.is_empty() { "rejected without a reason" } else { &self.message };
        let code = self.code.map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{channel}{message}{code}")
    }

    /// The error that decides what a caller can do: one with an unknown outcome, or else the first.
    pub(crate) fn worst<'a>(errors: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        let mut first = None;
        for error in errors {
            if error.kind == ErrorKind::OutcomeUnknown {
                return Some(error);
            }
            first = first.or(Some(error));
        }
        first
    }

    pub(crate) fn new(kind: ErrorKind, code: Option<u64>, message: String, hint: &'static str) -> Self {
        Self { kind, code, message, channel: None, hint, suggestion: None, is_rejection: false }
    }

    pub(crate) fn with_channel(self, channel: String) -> Self {
        Self { channel: Some(channel), ..self }
    }

    pub(crate) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn with_kind(self, kind: ErrorKind) -> Self {
        let hint = match kind {
            ErrorKind::OutcomeUnknown => HINT_CHECK_BEFORE_RETRY,
            ErrorKind::SafeToRetry => HINT_READ_ONLY,
            _ => self.hint,
        };
        Self { kind, hint, ..self }
    }

    fn into_unknown(self) -> Self {
        match self.kind {
            ErrorKind::Rejected => {
                Self { kind: ErrorKind::OutcomeUnknown, hint: HINT_EARLIER_ATTEMPT, is_rejection: true, ..self }
            }
            _ => self,
        }
    }

    /// Adds the method that was probably meant.
    pub(crate) fn with_suggestion(self, suggestion: String) -> Self {
        Self { suggestion: Some(suggestion), ..self }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.summary(), self.hint())
    }
}

impl StdError for ReplyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_found_in_both_versions() {
        let data = |text: &str| Reply::new(&Arc::new(text.to_owned()), 0..text.len(), Vec::new()).data().to_owned();
        assert_eq!(data(r#"{"method":"channels","error":null,"body":{"data":["a"]}}"#), r#"["a"]"#);
        assert_eq!(data(r#"{"method":"publish","error":null,"body":null}"#), "null");
        assert_eq!(data(r#"{"result":{"offset":1}}"#), r#"{"offset":1}"#);
        assert_eq!(data("{}"), "null");
    }
}
