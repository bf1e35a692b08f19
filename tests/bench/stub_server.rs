//! A server that responds as Centrifugo 1 does and is fast, so that the clients set the pace.
//!
//! Before it responds, it checks the signature of a request and the order of its commands: each has a number in its
//! data after a `#`.

use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::Sha256;

pub(crate) const SECRET: &str = "secret-of-the-benchmark";

/// The reply to each command, as Centrifugo 1.8.0 writes it.
pub(crate) const REPLY: &str = r#"{"method":"publish","error":null,"body":null}"#;

/// Only this part of a body is searched for numbers.
const LARGE_BYTES: usize = 1_000_000;

/// What was received since the last report.
#[derive(Default)]
struct Stats {
    requests: u64,
    commands: u64,
    /// The expected number of the next command.
    next: u64,
    /// How often the numbers started again at 0.
    rounds: u64,
    out_of_order: u64,
    unsigned: u64,
    wrongly_signed: u64,
}

/// Serves until standard input ends. Prints its port on a line, and for every line it reads, what it has received
/// since: requests, commands, rounds, requests out of order, unsigned and wrongly signed ones.
pub(crate) fn run(tls: Option<[&str; 2]>) -> io::Result<()> {
    let tls = tls.map(|[chain, key]| config(chain, key)).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    let stats = Arc::new(Mutex::new(Stats::default()));
    let recorded = Arc::clone(&stats);
    thread::spawn(move || accept(&listener, tls.as_ref(), &recorded));
    for line in io::stdin().lock().lines() {
        line?;
        let stats = std::mem::take(&mut *stats.lock().unwrap_or_else(PoisonError::into_inner));
        let Stats { requests, commands, rounds, out_of_order, unsigned, wrongly_signed, .. } = stats;
        println!("{requests} {commands} {rounds} {out_of_order} {unsigned} {wrongly_signed}");
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
    let (mut response, mut response_commands) = (Vec::new(), 0);
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
        if response_commands != commands {
            (response, response_commands) = (response_to(commands), commands);
        }
        stream.write_all(&response)?;
        stream.flush()?;
    }
}

fn response_to(commands: u64) -> Vec<u8> {
    let body = format!("[{}]", vec![REPLY; usize::try_from(commands).unwrap_or_default()].join(","));
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
    stats.requests += 1;
    stats.commands += commands;
    stats.out_of_order += u64::from(!is_in_order);
    match signature(request, head_len) {
        None => stats.unsigned += 1,
        Some(signature) => stats.wrongly_signed += u64::from(signature != sign(SECRET, body).as_bytes()),
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

/// The signature of a body.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
