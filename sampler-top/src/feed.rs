// SPDX-License-Identifier: MIT OR Apache-2.0

//! What wakes the screen up: bytes of the trace, messages of its recorder, keys and signals.
//! A separate thread waits for each of them.

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::mpsc::SyncSender;
use std::thread;

use ratatui::crossterm::event::{self, Event};
use sampler_trace::escape::escape_for_terminal;

/// How many messages may wait: a reader that is faster than the screen waits for it.
pub(crate) const QUEUE: usize = 64;
/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;
/// How many bytes of a line are shown.
const LONGEST_LINE: u64 = 4096;

/// What happened.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    /// More of the trace.
    Bytes(Vec<u8>),
    /// The trace has ended, or cannot be read.
    End(Option<io::Error>),
    /// A line of the recorder, safe for a terminal.
    Message(String),
    /// A key, or another size.
    Terminal(Event),
    /// The terminal cannot be read.
    NoTerminal(io::Error),
    /// A signal asks to quit.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no signals"))]
    Stop,
}

/// Starts a thread that ends with the process, or with the receiver.
fn start(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.into());
    thread.spawn(body).map(drop)
}

/// Waits for the bytes of a trace.
pub(crate) fn read_trace(
    mut trace: impl Read + Send + 'static,
    sender: SyncSender<FeedEvent>,
) -> io::Result<()> {
    start("trace", move || {
        let mut bytes = vec![0; CHUNK];
        loop {
            let event = match trace.read(&mut bytes) {
                Ok(0) => FeedEvent::End(None),
                Ok(length) => FeedEvent::Bytes(bytes.iter().take(length).copied().collect()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => FeedEvent::End(Some(error)),
            };
            let is_over = matches!(event, FeedEvent::End(_));
            if sender.send(event).is_err() || is_over {
                return;
            }
        }
    })
}

/// Waits for lines of the recorder.
pub(crate) fn read_messages(
    messages: impl Read + Send + 'static,
    sender: SyncSender<FeedEvent>,
) -> io::Result<()> {
    start("messages", move || {
        let mut messages = BufReader::new(messages);
        let mut line = Vec::new();
        loop {
            line.clear();
            match messages
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = escape_for_terminal(text.trim_end()).into_owned();
            if sender.send(FeedEvent::Message(text)).is_err() {
                return;
            }
        }
    })
}

/// Waits for keys and for another size of the terminal.
pub(crate) fn read_keys(sender: SyncSender<FeedEvent>) -> io::Result<()> {
    start("keys", move || {
        loop {
            let (event, is_over) = match event::read() {
                Ok(event) => (FeedEvent::Terminal(event), false),
                Err(error) => (FeedEvent::NoTerminal(error), true),
            };
            if sender.send(event).is_err() || is_over {
                return;
            }
        }
    })
}

/// Waits for the signals that end the program: the terminal is restored first.
#[cfg(unix)]
pub(crate) fn catch_signals(sender: SyncSender<FeedEvent>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    start("signals", move || {
        for _ in signals.forever() {
            if sender.send(FeedEvent::Stop).is_err() {
                return;
            }
        }
    })
}

/// This system has no signals.
#[cfg(not(unix))]
pub(crate) fn catch_signals(_: SyncSender<FeedEvent>) -> io::Result<()> {
    Ok(())
}
