//! The console client: `cent SECTION METHOD`.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cent::{Client, Reply};

use args::{Args, Call};
use color::ColorChoice;
use config::{Config, Section};
use output::JsonLayout;
use report::{Alarm, Exit, OutputError, Refusals};
use retry::Sender;

mod args;
mod color;
mod completions;
mod config;
mod help;
mod lines;
#[cfg(test)]
mod man_page_tests;
mod output;
mod params;
mod proxy_env;
mod report;
mod retry;
mod stream;
mod usage_error;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().collect();
    let alarm = Alarm { color: colored(args::color(&words), &io::stderr()) };
    let exit = run(&words, alarm).unwrap_or_else(|error| {
        alarm.failure(&error);
        report::exit_of(&error)
    });
    exit.into()
}

fn colored(when: ColorChoice, output: &impl IsTerminal) -> bool {
    color::use_color(when, |name| env::var_os(name), || output.is_terminal())
}

fn run(words: &[OsString], alarm: Alarm) -> anyhow::Result<Exit> {
    let args = match args::parse(words)? {
        Call::Run(args) => args,
        Call::Print(text) => return done(io::stdout().write_all(text.as_bytes())),
    };
    let config = config::read(config::locate(args.config.clone(), env::var_os("CENT_CONFIG"), home())?)?;
    let Some(name) = &args.section else { return names(&args, &config) };
    told(args.verbose)(format_args!("config file {}, section [{name}]", config.path()));
    let section = config.section(name)?;
    match &args.method {
        Some(method) if !args.lines => call(&args, alarm, &section, method),
        method => stream::run(&args, alarm, &section.endpoint, client(&args, &section)?, method.as_deref()),
    }
}

/// The home folder. Without HOME none is guessed: a service would read the file of whatever user it runs as.
fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).and_then(|_| dirs::home_dir())
}

fn names(args: &Args, config: &Config) -> anyhow::Result<Exit> {
    if args.quiet { Ok(Exit::Done) } else { done(output::print_names(&config.names(), io::stdout())) }
}

/// One command.
fn call(args: &Args, alarm: Alarm, section: &Section, method: &str) -> anyhow::Result<Exit> {
    let commands = [params::command(args.params.as_deref(), method)?];
    let mut client = client(args, section)?;
    let request = client.request(&commands)?;
    if args.dry_run {
        return if args.quiet { Ok(Exit::Done) } else { done(output::print_request(&request, io::stdout())) };
    }
    let sender = Sender { retries: args.retry(), tell: told(args.verbose), announce: report::say, wait: sleep };
    let sent = sender.send(&mut client, &request);
    let replies = replies(&sent);
    let layout = layout(args).filter(|_| !replies.is_empty() || sent.is_ok());
    let printed = layout.map_or(Ok(()), |layout| output::print_list(replies, layout, io::stdout()));
    let mut refusals = Refusals::new();
    for reply in replies {
        refusals.add(reply, || format!("{}: {method}", client.url()), |message| alarm.error(message));
    }
    let refused = refusals.conclude(|message| alarm.error(message));
    OutputError::check(printed, true)?;
    sent?;
    Ok(refused)
}

fn client(args: &Args, section: &Section) -> anyhow::Result<Client> {
    let mut client = Client::to(section.endpoint.clone());
    if let Some(timeout) = args.timeout.or(section.timeout) {
        client = client.with_timeout(timeout);
    }
    let proxy = proxy_env::find(section.endpoint.address(), |name| {
        env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    })?;
    Ok(match proxy {
        Some(proxy) => client.with_proxy(proxy),
        None => client,
    })
}

fn sleep(pause: Duration) -> bool {
    thread::sleep(pause);
    true
}

/// What `--verbose` is told through; without it, nothing is.
fn told(verbose: bool) -> impl Fn(fmt::Arguments<'_>) + use<> {
    move |line| {
        if verbose {
            report::say(&line.to_string());
        }
    }
}

/// The replies that there are, also where they came with a failure.
fn replies(sent: &Result<Vec<Reply>, cent::Error>) -> &[Reply] {
    sent.as_deref().unwrap_or_else(|error| error.replies())
}

/// How replies are printed; nothing with `--quiet`.
fn layout(args: &Args) -> Option<JsonLayout> {
    let stdout = io::stdout();
    (!args.quiet).then(|| JsonLayout {
        compact: args.compact,
        terminal: stdout.is_terminal(),
        color: colored(args.color, &stdout),
    })
}

fn done(written: io::Result<()>) -> anyhow::Result<Exit> {
    OutputError::check(written, false)?;
    Ok(Exit::Done)
}
