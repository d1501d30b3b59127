// SPDX-License-Identifier: MIT OR Apache-2.0

//! A small HTTP client that sends exactly what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No answer takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

pub(crate) fn unix(path: &Path) -> Box<dyn Stream> {
    let stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    Box::new(stream)
}

pub(crate) fn tcp(address: SocketAddr) -> Box<dyn Stream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    Box::new(stream)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body has come to its end.
    pub(crate) is_complete: bool,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {}", self.status, self.text());
        })
    }
}

/// The text of a request with these headers, and `Host: localhost` unless they have one.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| {
        headers
            .iter()
            .any(|(header, _)| header.eq_ignore_ascii_case(name))
    };
    if !has("host") {
        text.push_str("Host: localhost\r\n");
    }
    if !body.is_empty() && !has("content-length") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}")
}

/// Sends a request and reads the answer to its end.
pub(crate) fn ask(mut stream: impl Read + Write, request: &str) -> Response {
    stream.write_all(request.as_bytes()).expect("it is sent");
    read(&mut stream)
}

/// Reads an answer to its end.
pub(crate) fn read(stream: &mut impl Read) -> Response {
    let mut reader = Reader::new(stream);
    let (status, headers) = reader.head();
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
        is_complete: true,
    };
    if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().expect("a length");
        response.body = reader.take(length);
        response.is_complete = response.body.len() == length;
    } else if response.header("transfer-encoding") == Some("chunked") {
        loop {
            match reader.chunk() {
                Some(chunk) if chunk.is_empty() => break,
                Some(chunk) => response.body.extend(chunk),
                None => {
                    response.is_complete = false;
                    break;
                }
            }
        }
    }
    response
}

/// Reads an answer piece by piece.
pub(crate) struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
        }
    }

    /// Reads more. Returns whether there was more.
    fn more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        let length = self.input.read(&mut piece).unwrap_or(0);
        self.buffer.extend(&piece[..length]);
        length > 0
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.more() {}
        let length = length.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    /// Reads the status and the headers; status 0 if nothing came.
    pub(crate) fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let Some(first) = self.line() else {
            return (0, Vec::new());
        };
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let mut headers = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        (status.expect("a status"), headers)
    }

    /// Reads a chunk, which is empty at the end; `None` if the connection ended before.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line()?;
        let length = usize::from_str_radix(&line, 16).expect("a length");
        let chunk = self.take(length);
        self.line()?;
        (chunk.len() == length).then_some(chunk)
    }
}
