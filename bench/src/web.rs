// SPDX-License-Identifier: MIT OR Apache-2.0

//! A web service under load: gunicorn, and the clients that send requests to it.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Pid;

use super::peers;
use super::subject::Subject;
use super::target::Target;

/// Connections that stay open, with one request at a time on each.
const CONNECTIONS: usize = 4;
/// The most requests of one connection, which ends after them.
const MOST: u64 = 1_000_000;
/// How long one answer may take; a profiler may delay it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service and its clients; dropping this ends both.
pub(super) struct Web {
    service: Target,
    answers: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Web {
    /// Starts the service, then the clients, which send requests without a pause.
    pub(super) fn start(python: &Path, scripts: &Path) -> anyhow::Result<Self> {
        let service = Target::start(python, scripts, "bench_web.py", &[peers::SITE])?;
        let port: u16 = service
            .greeting()
            .parse()
            .with_context(|| format!("the service said {:?}", service.greeting()))?;
        let (answers, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let client = |number: usize| {
            let (answers, ended) = (Arc::clone(&answers), Arc::clone(&ended));
            thread::spawn(move || ask(port, number, &answers, &ended))
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(client).collect();
        let web = Self {
            service,
            answers,
            ended,
            clients,
        };
        // Until the workers are up, there is nothing to record.
        while web.answers.load(Ordering::Relaxed) < 100 {
            if web.clients.iter().any(JoinHandle::is_finished) {
                anyhow::bail!("the service does not answer");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(web)
    }
}

impl Subject for Web {
    fn pid(&self) -> Pid {
        self.service.pid()
    }

    fn units(&mut self) -> anyhow::Result<f64> {
        anyhow::ensure!(
            !self.clients.iter().any(JoinHandle::is_finished),
            "the service no longer answers"
        );
        Ok(self.answers.load(Ordering::Relaxed) as f64)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            // `units` has already reported a client that failed.
            let _ = client.join();
        }
    }
}

/// Sends requests over one connection, one after the other, until `ended` is set.
fn ask(port: u16, number: usize, answers: &AtomicU64, ended: &AtomicBool) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut body = Vec::new();
    for request in 0..MOST {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let query = (request + number as u64) % 10;
        write!(stream, "GET /?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        read_answer(&mut reader, &mut body)?;
        answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Reads a status line, headers, and the body of the length that they give.
fn read_answer(reader: &mut impl std::io::BufRead, body: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut line = String::new();
    let mut length = None;
    let mut is_first = true;
    loop {
        line.clear();
        anyhow::ensure!(
            reader.read_line(&mut line)? > 0,
            "the connection was closed"
        );
        if is_first {
            anyhow::ensure!(line.contains(" 200 "), "the service answered {line:?}");
            is_first = false;
        }
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    body.clear();
    let length = length.context("the answer has no length")?;
    let got = reader.take(length).read_to_end(body)?;
    anyhow::ensure!(got as u64 == length, "the answer is cut short");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read_answer;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let mut bytes = &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP"[..];
        let mut body = Vec::new();
        read_answer(&mut bytes, &mut body).expect("a whole answer");
        assert_eq!((body.as_slice(), bytes), (&b"abc"[..], &b"HTTP"[..]));
        let mut refused = &b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..];
        assert!(read_answer(&mut refused, &mut body).is_err());
    }
}
