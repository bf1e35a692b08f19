//! `--lines`: one command per line of standard input.
//!
//! A thread reads lines into batches and prepares their requests. The main thread sends one request after the other and
//! prints the replies. Printing has no thread of its own, because waking one takes as long as printing, and because no
//! further request may be sent once standard output is closed.

mod dry_run;
mod input;
mod journal;
mod ledger;
mod progress;
mod run;
mod signals;

pub(crate) use run::run;
