//! The errors in replies: the first ones are printed, the others counted.

use cent::{ErrorKind, Reply};

use crate::exit::ExitStatus;

/// How many errors are printed before the rest is only counted.
const MAX_REPORTED_ERRORS: usize = 20;

#[derive(Debug)]
pub(crate) struct ReplyErrors {
    count: usize,
    worst: ExitStatus,
}

impl ReplyErrors {
    pub(crate) fn new() -> Self {
        Self { count: 0, worst: ExitStatus::Success }
    }

    /// Adds the errors of a reply and prints them, unless there were too many already. `subject` names the command.
    pub(crate) fn add(&mut self, reply: &Reply, subject: impl Fn() -> String, print: impl Fn(&str)) {
        for error in reply.errors() {
            self.add_error(error.kind(), || format!("{}: {error}", subject()), &print);
        }
    }

    /// Adds one error with this text.
    pub(crate) fn add_error(&mut self, kind: ErrorKind, text: impl Fn() -> String, print: impl Fn(&str)) {
        if self.count < MAX_REPORTED_ERRORS {
            print(&text());
        }
        self.count += 1;
        self.worst = self.worst.max(kind.into());
    }

    /// Prints how many errors were not printed and returns the exit status of the worst one.
    pub(crate) fn finish(self, print: impl Fn(&str)) -> ExitStatus {
        if let Some(more @ 1..) = self.count.checked_sub(MAX_REPORTED_ERRORS) {
            print(&format!("{more} more errors not shown"));
        }
        self.worst
    }
}
