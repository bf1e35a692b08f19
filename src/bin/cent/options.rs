//! What the user asked for, apart from the server and from what is printed.

use std::ffi::OsString;
use std::time::Duration;

/// The options of one call, or of a run of `--lines`.
#[derive(Debug)]
pub(crate) struct Options {
    /// The name of the section in the config file.
    pub(crate) section: String,
    /// A JSON text, `@` and a file, or `-` for standard input.
    pub(crate) params: Option<OsString>,
    pub(crate) key_values: Vec<OsString>,
    pub(crate) max_retries: u32,
    /// From the first attempt of a request to the start of its last one.
    pub(crate) retry_max_time: Option<Duration>,
    /// Adds idempotency keys, and relies on them.
    pub(crate) idempotent: bool,
    /// Prints requests instead of sending them.
    pub(crate) dry_run: bool,
    /// How many commands a request has at most.
    pub(crate) batch: Option<usize>,
    /// How many commands are sent per second at most.
    pub(crate) rate: Option<f64>,
    /// Lets the server execute the commands of a request in any order.
    pub(crate) unordered: bool,
    /// The file of the journal.
    pub(crate) journal: Option<OsString>,
    pub(crate) unknown: Option<UnknownChoice>,
}

/// What the user decided about lines that may have been executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownChoice {
    Send,
    Skip,
}
