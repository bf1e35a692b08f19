//! HTTP as Go's server speaks it: requests with their exact bytes, and responses as sent.

use std::io::{self, Read, Write};

/// A connection: TCP, or TLS over TCP.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A request, or the part of it that was read.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The exact bytes of headers and body.
    pub raw: Vec<u8>,
    pub method: String,
    /// The path of the request line, without the query and without the origin of an absolute URL.
    pub path: String,
    /// What follows the `?` of the request line.
    pub query: String,
    pub headers: Vec<(String, String)>,
    head_len: usize,
    decoded_body: Option<Vec<u8>>,
}

impl Request {
    /// Parses these bytes, which may be incomplete; the body is everything after the headers.
    pub fn parse(raw: Vec<u8>) -> Self {
        let head_len = head_len(&raw).unwrap_or(raw.len());
        let head = String::from_utf8_lossy(&raw[..head_len]).into_owned();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let target = target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: lines.filter_map(header).collect(),
            head_len,
            decoded_body: None,
            raw,
        }
    }

    /// The value of a header; the name matches in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Request line and headers with the empty line, as received.
    pub fn head(&self) -> &[u8] {
        &self.raw[..self.head_len]
    }

    /// The body; a chunked one is decoded.
    pub fn body(&self) -> &[u8] {
        self.decoded_body.as_deref().unwrap_or(&self.raw[self.head_len..])
    }

    /// The body as text, for assertions.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }

    pub fn content_length(&self) -> usize {
        self.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or_default()
    }

    fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// Whether the client keeps the connection open.
    pub fn keeps_alive(&self) -> bool {
        let line = self.head().split(|&byte| byte == b'\r').next().unwrap_or_default();
        line.ends_with(b"HTTP/1.1")
            && !self.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The length of request line and headers, once they are complete.
fn head_len(raw: &[u8]) -> Option<usize> {
    raw.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads requests from a connection; never returns more bytes than asked for.
pub struct RequestReader {
    pub stream: Box<dyn Stream>,
    /// Received but not consumed yet: from `start` to `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl RequestReader {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: vec![0; 16 * 1024], start: 0, end: 0 }
    }

    /// Waits for a byte; false if the connection is closed.
    pub fn wait_for_byte(&mut self) -> io::Result<bool> {
        if self.start < self.end {
            return Ok(true);
        }
        (self.start, self.end) = (0, 0);
        let count = self.stream.read(&mut self.buffer);
        self.end = *count.as_ref().unwrap_or(&0);
        count.map(|count| count > 0)
    }

    /// Reads until `raw` has `length` bytes.
    pub fn read(&mut self, raw: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while raw.len() < length {
            let missing = length - raw.len();
            let waiting = &self.buffer[self.start..self.end];
            if waiting.is_empty() && missing > 16 * 1024 {
                // A large body is read without the buffer.
                (&mut self.stream).take(missing as u64).read_to_end(raw)?;
                return if raw.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
            }
            if waiting.is_empty() && !self.wait_for_byte()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = missing.min(self.end - self.start);
            raw.extend_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
        }
        Ok(())
    }

    /// Reads the rest of the headers.
    pub fn read_head(&mut self, raw: &mut Vec<u8>) -> io::Result<()> {
        while head_len(&raw[raw.len().saturating_sub(4)..]).is_none() && head_len(raw).is_none() {
            self.read_line(raw, raw.len())?;
        }
        Ok(())
    }

    /// Reads the rest of the request.
    pub fn read_request(&mut self, raw: &mut Vec<u8>) -> io::Result<Request> {
        self.read_head(raw)?;
        let head = Request::parse(raw.clone());
        let decoded_body = if head.is_chunked() {
            Some(self.read_chunks(raw, head.head_len)?)
        } else {
            self.read(raw, head.head_len + head.content_length())?;
            None
        };
        Ok(Request { raw: std::mem::take(raw), decoded_body, ..head })
    }

    fn read_chunks(&mut self, raw: &mut Vec<u8>, mut at: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = self.read_line(raw, at)?;
            let size = std::str::from_utf8(&raw[at..end]).ok().map(|line| line.split(';').next().unwrap_or_default());
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            self.read(raw, end + size + 2)?;
            body.extend_from_slice(&raw[end..end + size]);
            at = end + size + 2;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads to the end of the line that begins at `start`; returns the start of the next line.
    fn read_line(&mut self, raw: &mut Vec<u8>, start: usize) -> io::Result<usize> {
        let mut at = start;
        loop {
            self.read(raw, at + 1)?;
            at += 1;
            if raw[at - 1] == b'\n' {
                return Ok(at);
            }
        }
    }

    /// Discards input until the connection closes or `max_bytes` were read; returns whether it closed.
    pub fn discard(&mut self, max_bytes: usize) -> bool {
        let mut discarded = self.end - self.start;
        self.start = self.end;
        let mut buffer = [0; 4096];
        while discarded < max_bytes {
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return true,
                Ok(count) => discarded += count,
            }
        }
        false
    }
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Go's server does not know the length of larger bodies in advance.
const MAX_UNCHUNKED_BYTES: usize = 2048;

impl Response {
    /// A response without a body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// What Go's `http.Error` sends: the text and a newline.
    pub fn plain(status: u16, text: &str) -> Self {
        let headers = Self::new(status).header("Content-Type", "text/plain; charset=utf-8");
        headers.header("X-Content-Type-Options", "nosniff").body(format!("{text}\n"))
    }

    /// A 200 with JSON.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200).header("Content-Type", "application/json").body(body)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The bytes as sent: chunked if the body has more than 2048 bytes, unless a header gives its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status)).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // Fixed: a response has the same bytes in every run.
        bytes.extend_from_slice(b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n");
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if has("Content-Length") || has("Transfer-Encoding") || matches!(self.status, 100..200 | 204 | 304) {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(&self.body);
        } else if self.body.len() > MAX_UNCHUNKED_BYTES {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in self.body.chunks(32 * 1024) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// The reason phrase; it does not matter for other statuses.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
