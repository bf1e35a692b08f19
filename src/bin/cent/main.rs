//! The command-line client: `cent SECTION METHOD`.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::bail;
use cent::{Client, DEFAULT_TIMEOUT, Proxy};
use signal_hook::consts::SIGXFSZ;

use check::Report;
use command_line::args::Args;
use command_line::{Invocation, MethodHelp, method_help, mistakes};
use config::tls_files::TlsFiles;
use config::{Config, Section, home, proxy_env};
use console::{Console, blocking, stderr};
use exit::{ExitStatus, exit_status_for, exit_status_of_printing};

mod check;
mod clock;
mod command_line;
mod config;
mod console;
mod did_you_mean;
mod exit;
mod hints;
mod lines;
mod options;
mod params;
mod quoting;
mod reply_errors;
mod retry;
mod signals;
mod single;

fn main() -> ExitCode {
    survive_file_size_limit();
    let command_line: Vec<OsString> = env::args_os().collect();
    let console = Console::new(command_line::color(&command_line));
    let status = run(&command_line, console).unwrap_or_else(|error| {
        console.print_error(&error);
        exit_status_for(&error)
    });
    if let ExitStatus::Signal(signal) = status {
        signals::end_by(signal);
    }
    status.into()
}

/// A file that reaches the limit of `ulimit -f` would kill the program silently. With a handler, the write fails.
fn survive_file_size_limit() {
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

fn run(command_line: &[OsString], console: Console) -> anyhow::Result<ExitStatus> {
    let args = match command_line::parse(command_line)? {
        Invocation::Run(args) => args,
        Invocation::Print(text) => return exit_status_of_printing(blocking::stdout().write_all(text.as_bytes())),
        Invocation::MethodHelp(help) => return print_method_help(help),
    };
    let console = console.with_options(args.compact, args.quiet, args.verbose);
    if !args.lines {
        signals::end_as_process_1();
    }
    if args.check {
        return Ok(check::run(console, |report| check_call(*args, console, report)));
    }
    let config = read_config(&args)?;
    let Some(name) = &args.section else { return exit_status_of_printing(console.print_names(&config.names())) };
    if args.verbose {
        print_config(&config, name);
    }
    let section = find_section(&args, &config, name)?;
    let tls_files = read_tls_files(&args, &config, name, &section)?;
    if let Some(note) = tls_files.note().filter(|_| args.verbose) {
        stderr::print_message(&format!("{}: {note}", config.path()));
    }
    let client = tls_files.apply(build_client(&args, &section)?);
    match args.method.clone() {
        Some(method) if !args.lines => single::run(&args.into_options(), console, client, &method),
        method => lines::run(&args.into_options(), console, client, method.as_deref()),
    }
}

fn print_method_help(MethodHelp { section, method, config }: MethodHelp) -> anyhow::Result<ExitStatus> {
    // Help is there before the config file is.
    let config = config::locate(config, env::var_os("CENT_CONFIG"), home::home_dir()).and_then(config::read).ok();
    let version = section.as_deref().and_then(|section| config?.api_version(section));
    let text = method_help::text(section.as_deref(), version, method);
    exit_status_of_printing(blocking::stdout().write_all(text.as_bytes()))
}

/// Takes the same steps as any call.
fn check_call(args: Args, console: Console, report: &mut Report) -> anyhow::Result<()> {
    let config = read_config(&args)?;
    let name = args.section.as_deref().unwrap_or_default();
    report.set_config(config.path().full());
    if args.verbose {
        print_config(&config, name);
    }
    let section = find_section(&args, &config, name)?;
    report.set_section(name);
    config.warnings(name).into_iter().for_each(|warning| report.add_warning(warning));
    let proxy = find_proxy(&section)?;
    let proxy = proxy.map(|(name, proxy)| format!("{} ({name})", proxy.name()));
    report.set_route(section.endpoint.address(), proxy);
    let tls_files = read_tls_files(&args, &config, name, &section)?;
    report.set_client_certificate(tls_files.client_certificate(), SystemTime::now());
    if let Some(note) = tls_files.note() {
        report.add_warning(format!("{}: {note}", config.path()));
    }
    let client = tls_files.apply(build_client(&args, &section)?);
    check::call(client, &args.into_options(), console.is_quiet(), report)
}

fn read_config(args: &Args) -> anyhow::Result<Config> {
    let locate = || config::locate(args.config.clone(), env::var_os("CENT_CONFIG"), home::home_dir());
    config::read(locate()?).or_else(|error| {
        let hint = args.section.as_deref().and_then(|name| mistakes::option_as_section(name, args.method.as_deref()));
        match hint {
            Some(message) if !locate()?.exists() => bail!(message),
            _ => Err(error),
        }
    })
}

fn print_config(config: &Config, section: &str) {
    stderr::print_message(&format!("config file {}, section [{section}]", config.path().full()));
    for key in config.ignored_keys(section) {
        stderr::print_message(&format!("{}: {key}", config.path()));
    }
}

fn find_section(args: &Args, config: &Config, name: &str) -> anyhow::Result<Section> {
    if !config.has_section(name) {
        let exists = |name: &str| config.has_section(name);
        if let Some(message) = mistakes::unknown_section(name, args, exists) {
            bail!(message);
        }
    }
    config.section(name)
}

fn build_client(args: &Args, section: &Section) -> anyhow::Result<Client> {
    let mut client = Client::from_endpoint(section.endpoint.clone());
    if let Some(timeout) = args.timeout.or(section.timeout) {
        client = client.with_timeout(timeout);
    }
    if args.verbose {
        client = client.with_log(stderr::print_event);
    }
    let Some((name, proxy)) = find_proxy(section)? else { return Ok(client) };
    if args.verbose {
        stderr::print_message(&format!("proxy {} ({name})", proxy.name()));
    }
    Ok(client.with_proxy(proxy))
}

fn read_tls_files(args: &Args, config: &Config, name: &str, section: &Section) -> anyhow::Result<TlsFiles> {
    config.tls_files(name, section, args.timeout.or(section.timeout).unwrap_or(DEFAULT_TIMEOUT))
}

/// The proxy, and the variable that it is from.
fn find_proxy(section: &Section) -> anyhow::Result<Option<(String, Proxy)>> {
    let env_var = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    proxy_env::find_proxy(section.endpoint.address(), env_var)
}
