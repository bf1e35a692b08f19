//! `--lines`: batches, order, and an exact summary of accepted, unknown and remaining lines.

mod batches;
mod dry_run;
mod halving;
mod input;
mod key_value;
mod output;
mod rate;
mod replies;
mod resume;
mod signals;
mod summary;
mod unordered;

use std::io::Read;
use std::process::Child;

use crate::ApiForm;
use crate::support::cli::Cent;
use crate::support::server::Server;

fn publish_lines(form: ApiForm, server: &Server) -> Cent {
    form.cent(server).args(&["bananas", "publish", "--lines"])
}

fn reply(form: ApiForm) -> String {
    form.publish_reply().to_owned() + "\n"
}

/// How many publishes each request has.
fn request_sizes(server: &Server) -> Vec<usize> {
    server.requests().iter().map(|request| request.body_text().matches("\"data\"").count()).collect()
}

/// The summary of a stopped run: the last accepted line, the last unknown line, and the line to resume with.
fn parse_summary(text: &str) -> (usize, usize, Option<usize>) {
    let summary = text
        .lines()
        .last()
        .expect("a stopped run has a summary")
        .strip_prefix("cent: ")
        .expect("the line starts with cent:");
    if ["no lines accepted: run again from line 1", "no lines accepted: fix it, then run again from line 1"]
        .contains(&summary)
    {
        return (0, 0, Some(1));
    }
    let summary = summary.strip_prefix("standard output closed: ").unwrap_or(summary);
    // The last number of "line 1" and of "lines 1-7".
    let number = |words: &str| words.rsplit([' ', '-']).next().and_then(|word| word.parse::<usize>().ok());
    let parts: Vec<&str> = summary.split("; ").collect();
    let accepted = match parts[0].strip_suffix(" accepted") {
        Some("no lines") => 0,
        Some(words) => number(words).expect("it is a number"),
        None => panic!("{summary}"),
    };
    let unknown = parts[1..].iter().find_map(|part| part.split_once(" may have been executed: check "));
    let unknown = unknown.map_or(accepted, |(words, _)| number(words).expect("it is a number"));
    let next_line = summary.split_once("resume with tail -n +").map(|(_, from)| from.parse().expect("it is a number"));
    (accepted, unknown, next_line)
}

/// Waits for the exit; returns standard error too.
fn wait_for_exit(mut child: Child) -> (std::process::ExitStatus, String) {
    let mut text = String::new();
    child.stderr.take().expect("the stream is piped").read_to_string(&mut text).expect("it is UTF-8");
    (child.wait().expect("it ends"), text)
}
