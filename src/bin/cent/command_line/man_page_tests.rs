//! Generates the man page from the help texts and `man/sections.roff`, and checks that `man/cent.1` is up to date.

use std::fs;

use cent::{ApiVersion, Method};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::help::{self, HelpEntry};
use super::method_help;
use crate::{command_line, exit};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/man/cent.1");

/// The sections that are written by hand.
const SECTIONS: &str = include_str!("../../../../man/sections.roff");

fn page(version: &str) -> String {
    let mut command = command_line::command();
    command.build();
    let mut page = Vec::new();
    let mut roff = Roff::new();
    // clap_mangen would leave out the empty date, and what follows would take its place.
    roff.control("TH", ["cent", "1", "\"\"", &format!("cent {version}"), "User Commands"]);
    roff.control("SH", ["NAME"]);
    let about = help::ABOUT.replacen('C', "c", 1);
    roff.text([roman(format!("cent - {about}"))]);
    write_synopsis(&mut roff);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in help::DESCRIPTION {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    page.extend(roff.render().into_bytes());
    Man::new(command).render_options_section(&mut page).expect("writing to a vector cannot fail");
    page.extend(exit_status().render().into_bytes());
    page.extend(SECTIONS.as_bytes());
    page.extend(methods().render().into_bytes());
    page.extend(footer().render().into_bytes());
    String::from_utf8(page).expect("it was made of strings")
}

fn write_synopsis(roff: &mut Roff) {
    roff.control("SH", ["SYNOPSIS"]);
    let options = || [bold("cent"), roman(" ["), italic("OPTIONS"), roman("] ")];
    let method = [italic("SECTION"), roman(" "), italic("METHOD"), roman(" ["), italic("KEY=VALUE"), roman("]...")];
    roff.text([&options()[..], &method].concat());
    roff.control("br", []);
    let lines = [bold("--lines"), roman(" "), italic("SECTION"), roman(" ["), italic("METHOD")];
    roff.text([&options()[..], &lines, &[roman("] ["), italic("KEY=VALUE"), roman("]...")]].concat());
    roff.control("br", []);
    roff.text([&options()[..], &[italic("SECTION"), roman(" "), bold("--check")]].concat());
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

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for row in &exit::EXIT_TABLE {
        roff.control("TP", ["15"]);
        roff.text([bold(row.codes)]);
        for (index, paragraph) in row.paragraphs().into_iter().enumerate() {
            if index > 0 {
                roff.control("br", []);
            }
            roff.text([roman(paragraph)]);
        }
    }
    roff
}

/// The methods of open-source servers with their params, from the library's table.
fn methods() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["METHODS"]);
    roff.text([roman(
        "These are the methods of the open-source server, with their params in Centrifugo 2 and later. \"Since 3.0\" means \
         that earlier versions ignore the param. Params of Centrifugo PRO are marked. Params of Centrifugo 1 in \
         brackets are optional.",
    )]);
    for method in Method::all().iter().filter(|method| !method.is_pro) {
        let availability = |version| method.availability(version);
        let versions = match (method.versions(ApiVersion::V1), method.versions(ApiVersion::V2)) {
            (Some(versions), None) => Some(match versions.first {
                Some(first) => format!("only Centrifugo 1, since {first}"),
                None => "only Centrifugo 1".to_owned(),
            }),
            (None, Some(_)) => availability(ApiVersion::V2).or_else(|| Some("Centrifugo 2 or later".to_owned())),
            _ => availability(ApiVersion::V1),
        };
        roff.control("SS", [method.name]);
        let mut meaning = method.meaning.to_owned();
        meaning[..1].make_ascii_uppercase();
        let versions = versions.map(|versions| format!(" ({versions})")).unwrap_or_default();
        roff.text([roman(format!("{meaning}{versions}."))]);
        roff.control("PD", ["0"]);
        for param in method.params.iter().filter(|param| param.versions(ApiVersion::V2).is_some()) {
            roff.control("TP", ["18"]);
            roff.text([bold(param.name)]);
            roff.text([roman(method_help::describe(param, ApiVersion::V2))]);
        }
        roff.control("PD", []);
        let is_in_v1 = method.versions(ApiVersion::V1).is_some();
        let in_v1 = method.params.iter().filter(|param| is_in_v1 && param.versions(ApiVersion::V1).is_some());
        let in_v1: Vec<String> =
            in_v1
                .map(|param| {
                    if param.is_required(ApiVersion::V1) { param.name.to_owned() } else { format!("[{}]", param.name) }
                })
                .collect();
        if !in_v1.is_empty() {
            roff.control("PP", []);
            roff.text([roman(format!("Centrifugo 1: {}.", in_v1.join(", ")))]);
        }
    }
    roff
}

fn footer() -> Roff {
    let mut roff = Roff::new();
    write_entries(&mut roff, "FILES", &help::FILES);
    write_entries(&mut roff, "ENVIRONMENT", &help::ENVIRONMENT);
    roff.control("SH", ["EXAMPLES"]);
    for (job, text) in help::EXAMPLES.into_iter().chain(help::MORE_EXAMPLES) {
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

/// The version in the first line of a page, so that a new version alone makes no page outdated.
fn version_of(page: &str) -> &str {
    let (_, rest) = page.split_once("\n.TH cent 1 \"\" \"cent ").expect("the page has a title line");
    rest.split('"').next().unwrap_or_default()
}

#[test]
fn man_page_is_up_to_date() {
    let committed = fs::read_to_string(FILE).expect("man/cent.1 can be read");
    assert!(
        committed == page(version_of(&committed)),
        "man/cent.1 differs from the help texts and man/sections.roff; generate it again with\n\
         cargo test --locked --bin cent -- --ignored write_the_man_page"
    );
}

#[test]
fn version_is_in_title() {
    assert_eq!(version_of(&page("1.2.3")), "1.2.3");
}

#[test]
#[ignore = "writes man/cent.1"]
fn write_the_man_page() {
    fs::write(FILE, page(env!("CARGO_PKG_VERSION"))).expect("man/cent.1 can be written");
}
