//! The input of a run: lines of standard input become batches of commands, which wait in a queue.

pub(super) mod batch;
pub(super) mod batch_size;
pub(super) mod line;
pub(super) mod queue;
pub(super) mod rate;
pub(super) mod reader;
