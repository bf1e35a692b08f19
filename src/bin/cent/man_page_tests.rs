//! Generates the man page from the help texts, and checks that `man/cent.1` is up to date.

use std::fs;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::help::HelpEntry;
use crate::{args, exit, help};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/man/cent.1");

fn page() -> String {
    let mut command = args::command();
    command.build();
    let mut page = Vec::new();
    let mut roff = Roff::new();
    // clap_mangen would leave out the empty date, and what follows would take its place.
    roff.control("TH", ["cent", "1", "\"\"", concat!("cent ", env!("CARGO_PKG_VERSION")), "User Commands"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("cent - {}{}", "console", help::ABOUT.trim_start_matches("Console")))]);
    write_synopsis(&mut roff);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in help::DESCRIPTION {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    page.extend(roff.render().into_bytes());
    Man::new(command).render_options_section(&mut page).expect("writing to a vector cannot fail");
    page.extend(footer().render().into_bytes());
    String::from_utf8(page).expect("it was made of strings")
}

fn write_synopsis(roff: &mut Roff) {
    roff.control("SH", ["SYNOPSIS"]);
    let options = || [bold("cent"), roman(" ["), italic("OPTIONS"), roman("] ")];
    roff.text([&options()[..], &[italic("SECTION"), roman(" "), italic("METHOD")]].concat());
    roff.control("br", []);
    roff.text(
        [&options()[..], &[bold("--lines"), roman(" "), italic("SECTION"), roman(" ["), italic("METHOD"), roman("]")]]
            .concat(),
    );
    roff.control("br", []);
    roff.text([
        bold("cent"),
        roman(" ["),
        bold("--config"),
        roman(" "),
        italic("FILE"),
        roman("] "),
        bold("--sections"),
    ]);
    roff.control("br", []);
    roff.text([bold("cent --completions"), roman(" "), italic("SHELL")]);
}

fn footer() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning, advice) in exit::exit_table() {
        roff.control("TP", ["10"]);
        roff.text([bold(status)]);
        roff.text([roman(format!("{meaning}; {advice}"))]);
    }
    roff.control("PP", []);
    roff.text([roman(exit::PRECEDENCE_NOTE)]);
    write_entries(&mut roff, "FILES", &help::FILES);
    write_entries(&mut roff, "ENVIRONMENT", &help::ENVIRONMENT);
    roff.control("SH", ["EXAMPLES"]);
    for (job, text) in help::EXAMPLES {
        roff.control("PP", []);
        roff.text([roman(job)]);
        write_verbatim(&mut roff, text);
    }
    roff
}

fn write_entries(roff: &mut Roff, heading: &str, entries: &[HelpEntry]) {
    roff.control("SH", [heading]);
    for (name, text) in entries {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        if text.contains('\n') {
            roff.control("nf", []);
            roff.text([roman(*text)]);
            roff.control("fi", []);
        } else {
            roff.text([roman(*text)]);
        }
    }
}

/// Text to copy, with its own line breaks.
fn write_verbatim(roff: &mut Roff, text: &str) {
    roff.control("RS", ["2"]);
    roff.control("nf", []);
    roff.text([roman(text)]);
    roff.control("fi", []);
    roff.control("RE", []);
}

#[test]
fn man_page_is_up_to_date() {
    let committed = fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == page(),
        "man/cent.1 differs from what the options tell; write it anew with\n\
         cargo test --locked --bin cent -- --ignored write_the_man_page"
    );
}

#[test]
#[ignore = "writes man/cent.1"]
fn write_the_man_page() {
    fs::write(FILE, page()).expect("man/cent.1 can be written");
}
