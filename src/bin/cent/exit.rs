//! The exit statuses: which there are, and which one an outcome has.

use std::io;

use cent::ErrorKind;

/// How a call ended, one for each row of the exit table. The greatest of several outcomes is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExitStatus {
    Success,
    Rejected,
    /// Invalid arguments, config or params.
    Usage,
    SafeToRetry,
    /// Interrupted by the signal with this number.
    Signal(i32),
    Unknown,
}

impl ExitStatus {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Rejected => 1,
            Self::Usage => 2,
            Self::SafeToRetry => 3,
            // As shells do: 130 for Ctrl-C, 143 for SIGTERM.
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
            Self::Unknown => 4,
        }
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

/// The rows of the exit table: status, what it means, what a script can do.
const EXIT_TABLE: [(ExitStatus, &str, &str); 5] = [
    (ExitStatus::Success, "success: no reply contains an error", "continue"),
    (ExitStatus::Rejected, "rejected by the server", "retrying will not help"),
    (ExitStatus::Usage, "invalid arguments, config or params", "fix the command"),
    (
        ExitStatus::SafeToRetry,
        "server unreachable or temporarily unavailable: the request was not accepted",
        "safe to retry",
    ),
    (ExitStatus::Unknown, "unknown: timed out or connection lost", "the command may have been executed: check first"),
];

/// The row of the signals that end a run of `--lines`.
const SIGNAL_ROW: (&str, &str, &str) =
    ("130, 143", "--lines interrupted by SIGINT or SIGTERM", "resume from the line in the summary");

/// The note below the table.
pub(crate) const LINES_NOTE: &str = "With --lines, earlier lines may have been sent: resume from the line in the \
                                     summary. If several statuses apply, the first of 4, 130, 143, 3, 2, 1 counts.";

/// The exit table as help, man page and README show it.
pub(crate) fn exit_table() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let rows = EXIT_TABLE.iter().map(|&(status, meaning, advice)| (status.code().to_string(), meaning, advice));
    rows.chain([(SIGNAL_ROW.0.to_owned(), SIGNAL_ROW.1, SIGNAL_ROW.2)])
}

/// A failed write to standard output.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output{}", if *sent { " (the command was executed)" } else { "" })]
pub(crate) struct OutputError {
    source: io::Error,
    /// Whether a request was sent before.
    sent: bool,
}

impl OutputError {
    /// Ignores a closed pipe, because the reader of standard output is free to stop early. A full disk is an error.
    pub(crate) fn check(written: io::Result<()>, sent: bool) -> Result<(), Self> {
        match written {
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(Self { source, sent }),
            _ => Ok(()),
        }
    }
}

/// The exit status of a call that sends nothing and only prints.
pub(crate) fn exit_status_of_printing(written: io::Result<()>) -> anyhow::Result<ExitStatus> {
    OutputError::check(written, false)?;
    Ok(ExitStatus::Success)
}

/// The exit status of a failure. Errors of the program itself occur before anything is sent.
pub(crate) fn exit_status_for(error: &anyhow::Error) -> ExitStatus {
    if let Some(error) = error.downcast_ref::<cent::Error>() {
        error.kind().into()
    } else if error.is::<OutputError>() {
        ExitStatus::Unknown
    } else {
        ExitStatus::Usage
    }
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
    fn exit_table_is_sorted_and_complete() {
        for (number, (status, ..)) in EXIT_TABLE.iter().enumerate() {
            assert_eq!(usize::from(status.code()), number);
        }
    }

    #[test]
    fn broken_pipe_is_not_an_error() {
        assert!(OutputError::check(Err(io::ErrorKind::BrokenPipe.into()), true).is_ok());
        let full = OutputError::check(Err(io::ErrorKind::StorageFull.into()), true).unwrap_err();
        assert!(full.to_string().ends_with(" (the command was executed)"), "{full}");
        assert_eq!(exit_status_for(&full.into()), ExitStatus::Unknown);
    }

    #[test]
    fn program_errors_have_status_2() {
        assert_eq!(exit_status_for(&anyhow::anyhow!("no such file")), ExitStatus::Usage);
    }
}
