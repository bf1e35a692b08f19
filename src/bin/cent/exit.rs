//! The exit statuses: which there are, and which one an outcome has.

use std::io;

use cent::ErrorKind;
use rustix::io::Errno;

/// How a call ended. The greatest of several outcomes is the exit status; for a run of `--lines` see [`lines_status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExitStatus {
    Success,
    Rejected,
    /// Invalid arguments, config or params.
    Usage,
    SafeToRetry,
    /// A run of `--lines` stopped part-way.
    Partial,
    /// Interrupted by the signal with this number.
    Signal(i32),
    Unknown,
}

impl ExitStatus {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::SafeToRetry => 3,
            Self::Unknown => 4,
            Self::Partial => 5,
            // As shells do: 129 for SIGHUP, 130 for Ctrl-C, 143 for SIGTERM.
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

/// What decides the exit status of a run of `--lines`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinesOutcome {
    /// Whether a command may have been executed and nobody knows.
    pub(crate) has_unknown: bool,
    /// The signal that ended the run.
    pub(crate) signal: Option<i32>,
    /// Whether any command was answered, accepted or rejected, so that not all lines remain.
    pub(crate) has_answered: bool,
    /// What the commands did that were answered.
    pub(crate) effect: Effect,
    pub(crate) lines_remain: bool,
    /// The worst of what went wrong.
    pub(crate) cause: ExitStatus,
}

/// The exit status of a run of `--lines`: 2 and 3 promise that nothing was accepted, so a run that stops part-way has a
/// status of its own.
pub(crate) fn lines_status(outcome: LinesOutcome) -> ExitStatus {
    match outcome {
        LinesOutcome { has_unknown: true, .. } => ExitStatus::Unknown,
        LinesOutcome { signal: Some(signal), .. } => ExitStatus::Signal(signal),
        LinesOutcome { has_answered: true, lines_remain: true, .. } => ExitStatus::Partial,
        // To run all lines again would also repeat what was accepted.
        LinesOutcome { cause: ExitStatus::SafeToRetry, has_answered: true, effect: Effect::Executed, .. } => {
            ExitStatus::Rejected
        }
        LinesOutcome { cause, .. } => cause,
    }
}

impl From<ErrorKind> for ExitStatus {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::SafeToRetry => Self::SafeToRetry,
            // Also for kinds that a later library may add: unknown is the safe assumption.
            _ => Self::Unknown,
        }
    }
}

impl From<ExitStatus> for std::process::ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// A row of the exit table.
pub(crate) struct ExitRow {
    pub(crate) codes: &'static str,
    /// What it means for one command.
    pub(crate) single: &'static str,
    /// What it means for a run of `--lines`.
    pub(crate) lines: &'static str,
    /// What a script can do.
    pub(crate) advice: &'static str,
}

impl ExitRow {
    /// What help and man page say: about one command, if it can have this status, about `--lines`, and what to do.
    pub(crate) fn paragraphs(&self) -> Vec<String> {
        let Self { single, lines, advice, .. } = self;
        let single = (*single != NOT_SINGLE).then(|| (*single).to_owned());
        single.into_iter().chain([format!("with --lines: {lines}"), format!("what to do: {advice}")]).collect()
    }
}

/// One command cannot end like this.
const NOT_SINGLE: &str = "–";

/// The exit table, as help, man page and README show it.
pub(crate) const EXIT_TABLE: [ExitRow; 7] = [
    ExitRow {
        codes: "0",
        single: "success: no reply contains an error",
        lines: "every command was accepted",
        advice: "continue",
    },
    ExitRow {
        codes: "1",
        single: "rejected by the server",
        lines: "some lines were rejected, all others accepted; or the server accepts none, as with a wrong key",
        advice: "fix what the message names, and send only what was not accepted",
    },
    ExitRow {
        codes: "2",
        single: "invalid arguments, config or params; nothing was sent",
        lines: "the same, or the journal is in use",
        advice: "fix the cause, or wait for the other run",
    },
    ExitRow {
        codes: "3",
        single: "server unreachable or unavailable for now; nothing has changed",
        lines: "the same; nothing was accepted at all",
        advice: "run it again, it is safe; fix the cause if it lasts",
    },
    ExitRow {
        codes: "4",
        single: "unknown: timed out or connection lost; the command may have been executed",
        lines: "some lines are unknown: the summary names them",
        advice: "before running it again, check whether it was executed; with --lines, do what the message says",
    },
    ExitRow {
        codes: "5",
        single: NOT_SINGLE,
        lines: "stopped part-way: the summary says at which line; those before it are done, none is unknown",
        advice: "fix the line if it is invalid; with --journal, run it again; else resume at that line, not at line 1",
    },
    ExitRow {
        codes: "129, 130, 143",
        single: "ended by SIGHUP, Ctrl-C or SIGTERM; it may have been executed",
        lines: "the same as 5",
        advice: "check before running it again; with --lines, do what the message says",
    },
];

/// What a call did before a write to standard output failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing was sent.
    Nothing,
    /// Commands were sent that change nothing.
    Read,
    /// Commands were executed.
    Executed,
}

/// A failed write to standard output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output{}", if *effect == Effect::Executed { " (the command was executed)" } else { "" })]
pub(crate) struct OutputError {
    source: io::Error,
    effect: Effect,
}

impl OutputError {
    /// Ignores a closed pipe, because the reader of standard output is free to stop early. A full disk is an error.
    pub(crate) fn check(written: io::Result<()>, effect: Effect) -> Result<(), Self> {
        match written {
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Self { source, effect }),
            _ => Ok(()),
        }
    }

    fn exit_status(&self) -> ExitStatus {
        match self.effect {
            Effect::Nothing => ExitStatus::Usage,
            Effect::Read => ExitStatus::SafeToRetry,
            Effect::Executed => ExitStatus::Unknown,
        }
    }
}

/// What the server does not support, found out before anything was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Rejection(pub(crate) String);

/// The exit status of a call that sends nothing and only prints.
pub(crate) fn exit_status_of_printing(written: io::Result<()>) -> anyhow::Result<ExitStatus> {
    OutputError::check(written, Effect::Nothing)?;
    Ok(ExitStatus::Success)
}

/// The exit status of a failure. Errors of the program itself occur before anything is sent.
pub(crate) fn exit_status_for(error: &anyhow::Error) -> ExitStatus {
    if let Some(error) = error.downcast_ref::<cent::Error>() {
        error.kind().into()
    } else if error.is::<Rejection>() {
        ExitStatus::Rejected
    } else if let Some(error) = error.downcast_ref::<OutputError>() {
        error.exit_status()
    } else if error.chain().filter_map(|cause| cause.downcast_ref()).any(is_temporary) {
        ExitStatus::SafeToRetry
    } else {
        ExitStatus::Usage
    }
}

/// Whether the machine is short of files, memory or threads for now, or took too long: the call is right, and may succeed
/// later.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    const SHORTAGES: [Errno; 6] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR, Errno::NOBUFS];
    error.kind() == io::ErrorKind::TimedOut
        || Errno::from_io_error(error).is_some_and(|errno| SHORTAGES.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_kinds_map_to_exit_statuses() {
        assert_eq!(ExitStatus::from(ErrorKind::Rejected).code(), 1);
        assert_eq!(ExitStatus::from(ErrorKind::Invalid).code(), 2);
        assert_eq!(ExitStatus::from(ErrorKind::SafeToRetry).code(), 3);
        assert_eq!(ExitStatus::from(ErrorKind::OutcomeUnknown).code(), 4);
        assert_eq!((ExitStatus::Signal(2).code(), ExitStatus::Signal(15).code()), (130, 143));
    }

    #[test]
    fn exit_table_is_complete() {
        let codes: Vec<&str> = EXIT_TABLE.iter().map(|row| row.codes).collect();
        let statuses = [
            ExitStatus::Success,
            ExitStatus::Rejected,
            ExitStatus::Usage,
            ExitStatus::SafeToRetry,
            ExitStatus::Unknown,
            ExitStatus::Partial,
        ];
        let mut expected: Vec<String> = statuses.iter().map(|status| status.code().to_string()).collect();
        expected.push([1, 2, 15].map(|signal| ExitStatus::Signal(signal).code().to_string()).join(", "));
        assert_eq!(codes, expected);
    }

    #[test]
    fn lines_status_follows_the_table() {
        use ExitStatus::{Rejected, SafeToRetry, Success, Usage};
        let status = |has_unknown, signal, has_answered, lines_remain, cause| {
            let effect = Effect::Executed;
            lines_status(LinesOutcome { has_unknown, signal, has_answered, effect, lines_remain, cause }).code()
        };
        // All lines are done.
        assert_eq!(status(false, None, true, false, Success), 0);
        assert_eq!(status(false, None, true, false, Rejected), 1);
        // Nothing was accepted.
        assert_eq!(status(false, None, false, true, Rejected), 1);
        assert_eq!(status(false, None, false, true, Usage), 2);
        assert_eq!(status(false, None, false, true, SafeToRetry), 3);
        assert_eq!(status(false, None, false, false, Success), 0);
        // Stopped part-way, whatever did it; a closed standard output is no failure.
        for cause in [Success, Rejected, Usage, SafeToRetry] {
            assert_eq!(status(false, None, true, true, cause), 5, "{cause:?}");
        }
        // A signal counts before that, and the unknown before all.
        assert_eq!(status(false, Some(1), true, true, Rejected), 129);
        assert_eq!(status(false, Some(2), false, true, Success), 130);
        assert_eq!(status(true, Some(15), true, true, Success), 4);
        assert_eq!(status(true, None, true, false, Success), 4);
        // All lines have a reply, and one that only reads failed for now: to run all again would repeat the others.
        assert_eq!(status(false, None, true, false, SafeToRetry), 1);
        let read = LinesOutcome {
            has_unknown: false,
            signal: None,
            has_answered: true,
            effect: Effect::Read,
            lines_remain: false,
            cause: SafeToRetry,
        };
        assert_eq!(lines_status(read).code(), 3);
    }

    #[test]
    fn broken_pipe_is_not_an_error() {
        assert!(OutputError::check(Err(io::ErrorKind::BrokenPipe.into()), Effect::Executed).is_ok());
        let full = |effect| OutputError::check(Err(io::ErrorKind::StorageFull.into()), effect).unwrap_err();
        assert!(full(Effect::Executed).to_string().ends_with(" (the command was executed)"));
        assert!(full(Effect::Read).to_string().ends_with("standard output"));
        let status = |effect| exit_status_for(&full(effect).into()).code();
        assert_eq!([Effect::Nothing, Effect::Read, Effect::Executed].map(status), [2, 3, 4]);
    }

    #[test]
    fn program_errors_have_status_2() {
        assert_eq!(exit_status_for(&anyhow::anyhow!("no such file")), ExitStatus::Usage);
        let denied = anyhow::Error::from(io::Error::from(Errno::ACCESS)).context("file");
        assert_eq!(exit_status_for(&denied), ExitStatus::Usage);
    }

    #[test]
    fn shortage_of_machine_is_safe_to_retry() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN] {
            let error = anyhow::Error::from(io::Error::from(errno)).context("file");
            assert_eq!(exit_status_for(&error), ExitStatus::SafeToRetry, "{errno}");
        }
    }
}
