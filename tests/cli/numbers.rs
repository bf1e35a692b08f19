//! Lines that publish numbers, and what the server received of them.

use crate::support::server::Server;

/// A publish with the number as data.
pub(crate) fn line(number: usize) -> String {
    format!("{{\"channel\": \"plain:a\", \"data\": {number}}}\n")
}

/// A publish for each number, one per line.
pub(crate) fn lines(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(line).collect()
}

pub(crate) fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    numbers.into_iter().collect()
}

/// The numbers that the server received, in order.
pub(crate) fn received(server: &Server) -> Vec<usize> {
    server.centrifugo().messages_as_text("plain:a").iter().map(|text| text.parse().expect("it is a number")).collect()
}

/// Standard error without the duration, which differs in every run.
pub(crate) fn without_duration(text: &str) -> String {
    // As in "3 commands in 0.1 s (30/s): 2 accepted, 1 rejected".
    let without = |line: &str| match line.split_once("/s)") {
        Some((before, after)) => format!("{}{after}\n", before.rsplit_once(" in ").expect("a rate has a duration").0),
        None => format!("{line}\n"),
    };
    text.lines().map(without).collect()
}
