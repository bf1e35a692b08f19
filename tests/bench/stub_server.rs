//! A server that responds as Centrifugo 1 and 6 do and is fast, so that the clients set the pace.
//!
//! Before it responds, it checks the signature or API key of a request and the order of its commands: each has a number
//! in its data after a `#`.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use percent_encoding::percent_decode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::form::{API_KEY, Form, SECRET, sign};

/// Only this part of a body is searched for numbers.
const LARGE_BYTES: usize = 1_000_000;

/// The responses to the questions before a run.
const INFO: &str = r#"{"result":{"nodes":[{"uid":"1","name":"bench","version":"6.9.1"}]}}"#;
const STATS: &str = r#"[{"method":"stats","error":null,"body":{"data":{"nodes":[],"metrics_interval":60}}}]"#;

/// What was received since the last report.
#[derive(Default)]
struct Stats {
    /// Those with commands, not the questions before a run.
    requests: u64,
    commands: u64,
    /// The expected number of the next command.
    next: u64,
    /// How often the numbers started again at 0.
    rounds: u64,
    out_of_order: u64,
    without_credential: u64,
    wrong_credential: u64,
}

/// Serves until standard input ends. Prints its port on a line, and for every line it reads, what it has received
/// since: requests, commands, rounds, requests out of order, those without a credential and those with a wrong one.
pub(crate) fn run(ip: IpAddr, tls: Option<[&str; 2]>) -> io::Result<()> {
    let tls = tls.map(|[chain, key]| config(chain, key)).transpose()?;
    let listener = TcpListener::bind((ip, 0))?;
    println!("{}", listener.local_addr()?.port());
    let stats = Arc::new(Mutex::new(Stats::default()));
    let recorded = Arc::clone(&stats);
    thread::spawn(move || accept(&listener, tls.as_ref(), &recorded));
    for line in io::stdin().lock().lines() {
        line?;
        let stats = std::mem::take(&mut *stats.lock().unwrap_or_else(PoisonError::into_inner));
        let Stats { requests, commands, rounds, out_of_order, without_credential, wrong_credential, .. } = stats;
        println!("{requests} {commands} {rounds} {out_of_order} {without_credential} {wrong_credential}");
    }
    Ok(())
}

/// One connection at a time: no client has two, and starting a thread for each would distort every figure.
fn accept(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>, stats: &Mutex<Stats>) {
    for stream in listener.incoming().flatten() {
        // How a client ends its connection does not matter.
        let _ = stream.set_nodelay(true).and_then(|()| match tls {
            None => serve(stream, stats),
            Some(tls) => {
                let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
                serve(StreamOwned::new(connection, stream), stats)
            }
        });
    }
}

fn config(chain: &str, key: &str) -> io::Result<Arc<ServerConfig>> {
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_file_iter(chain).and_then(Iterator::collect).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map(Arc::new)
        .map_err(io::Error::other)
}

fn serve(mut stream: impl Read + Write, stats: &Mutex<Stats>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    let (mut response, mut responds_to) = (Vec::new(), None);
    loop {
        let count = stream.read(&mut buffer[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let Some(head_len) = head_len(&buffer[..filled]) else { continue };
        let end = head_len
            + header(&buffer[..head_len], b"Content-Length")
                .and_then(number)
                .map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if end > buffer.len() {
            buffer.resize(end, 0);
        }
        if filled < end {
            continue;
        }
        let commands = record(stats, &buffer[..end], head_len);
        // No client sends a request before the response to the last one.
        filled = 0;
        let path = Path::of(&buffer[..head_len]);
        if responds_to != Some((path, commands)) {
            (response, responds_to) = (response_to(path, commands), Some((path, commands)));
        }
        stream.write_all(&response)?;
        stream.flush()?;
    }
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Path {
    Batch(Form),
    Publish,
    Info,
    Unknown,
}

impl Path {
    fn of(head: &[u8]) -> Self {
        match head.split(|&byte| byte == b' ').nth(1) {
            Some(b"/api/") => Self::Batch(Form::Signed),
            Some(b"/api/batch") => Self::Batch(Form::Key),
            Some(b"/api/publish") => Self::Publish,
            Some(b"/api/info") => Self::Info,
            _ => Self::Unknown,
        }
    }
}

fn response_to(path: Path, commands: u64) -> Vec<u8> {
    let body = match path {
        Path::Batch(Form::Signed) if commands == 0 => STATS.to_owned(),
        Path::Info => INFO.to_owned(),
        Path::Batch(form) => form.batch_response(usize::try_from(commands).unwrap_or_default()),
        Path::Publish => Form::Key.reply().to_owned(),
        Path::Unknown => return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Records a request; returns the number of its commands.
fn record(stats: &Mutex<Stats>, request: &[u8], head_len: usize) -> u64 {
    let body = &*decode_body(&request[head_len..]);
    let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut commands, mut is_in_order) = (0, true);
    // A large body holds one command.
    for number in body[..body.len().min(LARGE_BYTES)].split(|&byte| byte == b'#').skip(1).filter_map(number) {
        if number == 0 {
            stats.rounds += 1;
        } else {
            is_in_order &= number == stats.next;
        }
        stats.next = number + 1;
        commands += 1;
    }
    stats.requests += u64::from(commands > 0);
    stats.commands += commands;
    stats.out_of_order += u64::from(!is_in_order);
    match has_right_credential(request, head_len, body) {
        None => stats.without_credential += 1,
        Some(is_right) => stats.wrong_credential += u64::from(!is_right),
    }
    commands
}

/// The commands of a body: the whole body, or one field of the form that Python's `Client` sends.
fn decode_body(body: &[u8]) -> Cow<'_, [u8]> {
    let Some(form) = body.strip_prefix(b"sign=") else { return body.into() };
    let data = form.split(|&byte| byte == b'&').find_map(|field| field.strip_prefix(b"data=")).unwrap_or_default();
    let spaced: Vec<u8> = data.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect::<Vec<u8>>().into()
}

/// None without a credential.
fn has_right_credential(request: &[u8], head_len: usize, body: &[u8]) -> Option<bool> {
    if let Some(signature) = signature(request, head_len) {
        return Some(signature == sign(SECRET, body).as_bytes());
    }
    let authorization = header(&request[..head_len], b"Authorization")?;
    Some(authorization.strip_prefix(b"apikey ") == Some(API_KEY.as_bytes()))
}

fn signature(request: &[u8], head_len: usize) -> Option<&[u8]> {
    let (head, body) = request.split_at(head_len);
    match body.strip_prefix(b"sign=") {
        Some(form) => form.split(|&byte| byte == b'&').next(),
        None => header(head, b"X-API-Sign"),
    }
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4)
}

fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let (key, value) = line.split_at_checked(name.len())?;
        key.eq_ignore_ascii_case(name).then(|| value.strip_prefix(b":").unwrap_or_default().trim_ascii())
    })
}

/// The number at the start of a text.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok()
}
