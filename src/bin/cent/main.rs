//! The command-line client: `cent SECTION METHOD`.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cent::Client;

use args::{Args, Invocation};
use color::ColorChoice;
use config::{Config, Section};
use exit::{ExitStatus, exit_status_for, exit_status_of_printing};
use output::JsonLayout;
use stderr::ErrorPrinter;

mod args;
mod color;
mod completions;
#[cfg(test)]
mod completions_tests;
mod config;
mod did_you_mean;
mod exit;
mod help;
mod lines;
#[cfg(test)]
mod man_page_tests;
mod output;
mod params;
mod proxy_env;
mod reply_errors;
mod retry;
mod seconds;
mod single;
mod stderr;
mod usage_error;

fn main() -> ExitCode {
    let command_line: Vec<OsString> = env::args_os().collect();
    let errors = ErrorPrinter { color: use_color(args::color(&command_line), &io::stderr()) };
    let status = run(&command_line, errors).unwrap_or_else(|error| {
        errors.print_error(&error);
        exit_status_for(&error)
    });
    status.into()
}

fn run(command_line: &[OsString], errors: ErrorPrinter) -> anyhow::Result<ExitStatus> {
    let args = match args::parse(command_line)? {
        Invocation::Run(args) => args,
        Invocation::Print(text) => return exit_status_of_printing(io::stdout().write_all(text.as_bytes())),
    };
    let config = config::read(config::locate(args.config.clone(), env::var_os("CENT_CONFIG"), home_dir())?)?;
    let Some(name) = &args.section else { return list_sections(&args, &config) };
    if args.verbose {
        stderr::print_message(&format!("config file {}, section [{name}]", config.path()));
    }
    let section = config.section(name)?;
    let client = build_client(&args, &section)?;
    let layout = json_layout(&args);
    match &args.method {
        Some(method) if !args.lines => single::run(&args, errors, layout, client, method),
        method => lines::run(&args, errors, layout, client, method.as_deref()),
    }
}

/// The home directory. Without HOME there is none: a service must not read the file of the user that it runs as.
fn home_dir() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).and_then(|_| dirs::home_dir())
}

fn list_sections(args: &Args, config: &Config) -> anyhow::Result<ExitStatus> {
    let print = || output::print_names(&config.names(), io::stdout());
    exit_status_of_printing(if args.quiet { Ok(()) } else { print() })
}

fn build_client(args: &Args, section: &Section) -> anyhow::Result<Client> {
    let mut client = Client::from_endpoint(section.endpoint.clone());
    if let Some(timeout) = args.timeout.or(section.timeout) {
        client = client.with_timeout(timeout);
    }
    if args.verbose {
        client = client.with_log(stderr::print_event);
    }
    let env_var = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    Ok(match proxy_env::find_proxy(section.endpoint.address(), env_var)? {
        Some(proxy) => client.with_proxy(proxy),
        None => client,
    })
}

/// How replies are printed; they are not with `--quiet`.
fn json_layout(args: &Args) -> Option<JsonLayout> {
    let stdout = io::stdout();
    (!args.quiet).then(|| JsonLayout {
        compact: args.compact,
        terminal: stdout.is_terminal(),
        color: use_color(args.color, &stdout),
    })
}

fn use_color(choice: ColorChoice, output: &impl IsTerminal) -> bool {
    color::use_color(choice, |name| env::var_os(name), || output.is_terminal())
}
