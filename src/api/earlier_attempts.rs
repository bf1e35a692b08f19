//! What earlier attempts of a request may have executed. A later failure does not take that back.

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::Reply;

/// Which commands may have been executed by an earlier attempt; empty while none may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EarlierAttempts(Vec<bool>);

impl EarlierAttempts {
    /// All of so many commands may have been executed.
    pub(super) fn all(commands: usize) -> Self {
        Self(vec![true; commands])
    }

    /// Adds an attempt, and makes its result honest: where an earlier attempt may have executed a command, a rejection is
    /// no proof that it was not executed.
    pub(super) fn judge(&mut self, commands: usize, result: Result<Vec<Reply>, Error>) -> Result<Vec<Reply>, Error> {
        match result {
            Ok(replies) if self.0.is_empty() && !replies.iter().any(Reply::is_unknown) => Ok(replies),
            Ok(replies) => Ok(self.judge_replies(replies)),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                self.mark_unknown(commands, error.answered());
                Err(error)
            }
            Err(error) if self.0.contains(&true) => Err(error.into_unknown()),
            Err(error) => Err(error),
        }
    }

    fn judge_replies(&mut self, replies: Vec<Reply>) -> Vec<Reply> {
        let earlier = self.0.iter().copied().chain(std::iter::repeat(false));
        let replies: Vec<_> = replies
            .into_iter()
            .zip(earlier)
            .map(|(reply, is_unknown)| if is_unknown { reply.into_unknown() } else { reply })
            .collect();
        self.0 = replies.iter().map(Reply::is_unknown).collect();
        replies
    }

    /// The commands from this index may have been executed, too.
    fn mark_unknown(&mut self, commands: usize, from: usize) {
        self.0.resize(commands, false);
        self.0.iter_mut().skip(from).for_each(|is_unknown| *is_unknown = true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::reply::ReplyError;
    use ErrorKind::{OutcomeUnknown, Rejected, SafeToRetry};

    fn reply(kind: Option<ErrorKind>) -> Reply {
        let errors = kind.map(|kind| ReplyError::new(kind, None, "no".to_owned(), "hint"));
        Reply::new(&Arc::new("{}".to_owned()), 0..2, errors.into_iter().collect())
    }

    fn kinds(result: &Result<Vec<Reply>, Error>) -> Vec<Option<ErrorKind>> {
        let kind = |reply: &Reply| reply.errors().first().map(ReplyError::kind);
        result.as_ref().unwrap().iter().map(kind).collect()
    }

    fn failed(kind: ErrorKind) -> Result<Vec<Reply>, Error> {
        Err(Error::new(kind, "failed"))
    }

    #[test]
    fn rejection_after_unknown_attempt_is_unknown() {
        for kind in [Rejected, SafeToRetry] {
            let mut earlier = EarlierAttempts::default();
            assert_eq!(earlier.judge(2, failed(kind)).unwrap_err().kind(), kind);
            assert_eq!(earlier.judge(2, failed(OutcomeUnknown)).unwrap_err().kind(), OutcomeUnknown);
            let error = earlier.judge(2, failed(kind)).unwrap_err();
            assert_eq!((error.kind(), error.is_repeatable()), (OutcomeUnknown, kind == SafeToRetry));
        }
        assert_eq!(EarlierAttempts::all(1).judge(1, failed(Rejected)).unwrap_err().kind(), OutcomeUnknown);
    }

    #[test]
    fn each_command_has_its_own_outcome() {
        let mut earlier = EarlierAttempts::default();
        let first = vec![reply(None), reply(Some(OutcomeUnknown)), reply(Some(Rejected)), reply(Some(OutcomeUnknown))];
        let first = earlier.judge(4, Ok(first));
        assert_eq!(kinds(&first), [None, Some(OutcomeUnknown), Some(Rejected), Some(OutcomeUnknown)]);
        let second = vec![reply(None), reply(None), reply(Some(Rejected)), reply(Some(Rejected))];
        let second = earlier.judge(4, Ok(second));
        assert_eq!(kinds(&second), [None, None, Some(Rejected), Some(OutcomeUnknown)]);
        // The second command is known to be executed by now.
        assert_eq!(earlier, EarlierAttempts(vec![false, false, false, true]));
        assert_eq!(earlier.judge(4, failed(Rejected)).unwrap_err().kind(), OutcomeUnknown);
    }

    #[test]
    fn known_outcomes_change_nothing() {
        let mut earlier = EarlierAttempts::default();
        let replies = earlier.judge(2, Ok(vec![reply(None), reply(Some(Rejected))]));
        assert_eq!(kinds(&replies), [None, Some(Rejected)]);
        assert_eq!(earlier, EarlierAttempts::default());
    }
}
