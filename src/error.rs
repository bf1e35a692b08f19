//! The one error of this crate.

use std::error::Error as StdError;

use crate::reply::Reply;

/// What a caller can do after a failure.
///
/// One kind for each failing row of the program's exit table; the number is the program's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 1: the server said no; repeating does not help.
    Refused,
    /// 2: the call itself is wrong and nothing was sent; mend the call.
    Invalid,
    /// 3: nothing was accepted, not even in part; it is safe to repeat.
    NotAccepted,
    /// 4: the commands may have run; look before repeating.
    Unknown,
}

/// Why a call failed: what happened, to what, and what to do about it.
///
/// Its text never holds a secret, an API key or a signature. It is one line, but where a text cannot be read: then a
/// picture of the place follows.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// Boxed in [`Error`], so that results stay small.
#[derive(Debug, thiserror::Error)]
#[error("{}{what}{}{}{}", before(subject.as_deref()), at(place.as_ref()), after(hint.as_deref()), below(place.as_ref()))]
struct Failure {
    kind: ErrorKind,
    subject: Option<String>,
    what: String,
    hint: Option<String>,
    place: Option<Place>,
    repeatable: bool,
    retry_after: Option<String>,
    replies: Vec<Reply>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

fn before(subject: Option<&str>) -> String {
    subject.map_or_else(String::new, |subject| format!("{subject}: "))
}

fn after(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

fn at(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!(" at line {}, column {}", place.line, place.column))
}

fn below(place: Option<&Place>) -> String {
    place.map_or_else(String::new, |place| format!("\n{}", place.picture))
}

/// A place in a text; lines and columns count from 1, columns in characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: usize,
    /// The text around it and a mark below, on two lines.
    pub(crate) picture: String,
}

impl Error {
    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The replies that came in spite of the failure: too few or too many of them, say.
    pub fn replies(&self) -> &[Reply] {
        &self.0.replies
    }

    /// Whether trying again could help: nothing was accepted, and time may mend it.
    ///
    /// False where trust is missing, such as for a certificate that is refused, and for every kind but
    /// [`ErrorKind::NotAccepted`].
    pub fn is_repeatable(&self) -> bool {
        self.0.kind == ErrorKind::NotAccepted && self.0.repeatable
    }

    /// The `Retry-After` of the answer as the server wrote it: seconds, or an HTTP date.
    pub fn retry_after(&self) -> Option<&str> {
        self.0.retry_after.as_deref()
    }

    /// Counts the lines of the text that could not be read from `first` on instead of 1: for a text that is itself a
    /// line of a larger one.
    #[must_use]
    pub fn counted_from(mut self, first: u64) -> Self {
        if let Some(place) = &mut self.0.place {
            place.line += first.saturating_sub(1);
        }
        self
    }

    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Failure {
            kind,
            subject: None,
            what: what.into(),
            hint: None,
            place: None,
            repeatable: true,
            retry_after: None,
            replies: Vec::new(),
            source: None,
        }))
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, what)
    }

    /// Names what it happened to; the innermost name stays.
    pub(crate) fn of(mut self, subject: impl Into<String>) -> Self {
        self.0.subject.get_or_insert_with(|| subject.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place in a text; its picture is shown on lines of its own.
    pub(crate) fn place(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    pub(crate) fn not_repeatable(mut self) -> Self {
        self.0.repeatable = false;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<String>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn with_replies(mut self, replies: Vec<Reply>) -> Self {
        self.0.replies = replies;
        self
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }
}
