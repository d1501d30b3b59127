// SPDX-License-Identifier: MIT OR Apache-2.0

//! The loop of `pyebpf top`.

use std::io::{self, Read};
use std::iter;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::Event;
use sampler_trace::container::error::TraceError;

use crate::draw::draw;
use crate::feed::{self, FeedEvent, QUEUE};
use crate::keys;
use crate::live::Live;
use crate::view::{Action, Snapshot, View};
use crate::window::SlidingWindow;

/// How many messages of the recorder are kept: the last ones.
const MOST_MESSAGES: usize = 100;

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The terminal cannot be used.
    #[error("cannot use the terminal: {0}")]
    Terminal(io::Error),
    /// The trace cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is not a trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// It ends before it has begun.
    #[error("there is no trace in it yet")]
    Empty,
}

/// What is shown.
pub struct Input<T, M> {
    /// A container that may still grow.
    pub trace: T,
    /// What its recorder says meanwhile, if it is ours.
    pub messages: Option<M>,
    /// The time that the tables add up.
    pub length: Duration,
}

/// Shows a trace until the user has seen enough. The screen appears once the trace has
/// begun, and stays when the trace ends. Returns what the recorder said.
///
/// # Errors
/// [`TopError`]. The terminal is as it was before.
pub fn run<T, M>(input: Input<T, M>) -> Result<Vec<String>, TopError>
where
    T: Read + Send + 'static,
    M: Read + Send + 'static,
{
    let (sender, events) = sync_channel(QUEUE);
    feed::read_trace(input.trace, sender.clone())?;
    let mut screen = Screen::new(input.length);
    while !screen.live.has_begun() {
        match events.recv() {
            Ok(FeedEvent::Bytes(bytes)) => screen.take_bytes(&bytes)?,
            Ok(FeedEvent::End(Some(error))) => return Err(error.into()),
            _ => return Err(TopError::Empty),
        }
    }
    if let Some(messages) = input.messages {
        feed::read_messages(messages, sender.clone())?;
    }
    feed::catch_signals(sender.clone()).map_err(TopError::Terminal)?;
    let shown = ratatui::try_init().and_then(|mut terminal| {
        feed::read_keys(sender)?;
        screen.show(&mut terminal, &events)
    });
    ratatui::restore();
    shown.map_err(TopError::Terminal)?;
    Ok(screen.messages)
}

/// The trace, and what of it is shown.
struct Screen {
    live: Live,
    /// The window as it was when the screen was frozen.
    frozen: Option<SlidingWindow>,
    view: View,
    shown: Snapshot,
    status: String,
    messages: Vec<String>,
}

impl Screen {
    fn new(length: Duration) -> Self {
        Self {
            live: Live::new(length),
            frozen: None,
            view: View::default(),
            shown: Snapshot::default(),
            status: String::new(),
            messages: Vec::new(),
        }
    }

    fn show(
        &mut self,
        terminal: &mut DefaultTerminal,
        events: &Receiver<FeedEvent>,
    ) -> io::Result<()> {
        self.refresh();
        loop {
            terminal.draw(|frame| draw(frame, &self.view, &self.shown, &self.status))?;
            // The threads that send live as long as this one.
            let Ok(first) = events.recv() else {
                return Ok(());
            };
            // Draws all that has arrived by now at once.
            for event in iter::once(first).chain(events.try_iter().take(QUEUE)) {
                if !self.take(event)? {
                    return Ok(());
                }
            }
            self.refresh();
        }
    }

    /// Takes an event. Returns whether to go on.
    fn take(&mut self, event: FeedEvent) -> io::Result<bool> {
        match event {
            FeedEvent::Bytes(bytes) => self.take_bytes(&bytes).map_err(io::Error::other)?,
            FeedEvent::End(None) => "the recording has ended".clone_into(&mut self.status),
            FeedEvent::End(Some(error)) => {
                self.status = format!("the rest of the trace cannot be read: {error}");
            }
            FeedEvent::Message(message) => {
                let text = message.strip_prefix("pyebpf: ").unwrap_or(&message);
                text.clone_into(&mut self.status);
                if self.messages.len() == MOST_MESSAGES {
                    self.messages.remove(0);
                }
                self.messages.push(message);
            }
            FeedEvent::NoTerminal(error) => return Err(error),
            FeedEvent::Stop => return Ok(false),
            FeedEvent::Terminal(Event::Key(key)) => {
                if let Some(action) = keys::action(key, self.view.is_typing) {
                    return Ok(self.act(action));
                }
            }
            FeedEvent::Terminal(_) => {}
        }
        Ok(true)
    }

    /// Takes more of the trace. What is wrong with it is an error before it has begun, and
    /// from then on only shown.
    fn take_bytes(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        let taken = self.live.take(bytes);
        if !self.live.has_begun() {
            return taken;
        }
        if let Err(error) = taken {
            self.status = format!("the rest of the trace cannot be read: {error}");
        } else if self.live.is_over() {
            "the recording has ended".clone_into(&mut self.status);
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> bool {
        let goes_on = self.view.act(action);
        if action == Action::Freeze {
            let is_frozen = self.view.is_frozen;
            self.frozen = is_frozen.then(|| self.live.window().clone());
        }
        goes_on
    }

    fn refresh(&mut self) {
        let window = self.frozen.as_ref().unwrap_or(self.live.window());
        if let Some((info, symbols, tracks)) = self.live.tables() {
            self.shown = self.view.snapshot(info, window, symbols, tracks);
        }
    }
}

#[cfg(test)]
mod tests {
    use sampler_trace::container::info::{Mode, Summary, TraceInfo};
    use sampler_trace::container::writer::TraceWriter;
    use sampler_trace::model::identifiers::{KernelTime, StackId};
    use sampler_trace::model::intern::SymbolInterner;
    use sampler_trace::model::row::{RowChange, State, Weight};
    use sampler_trace::model::symbols::Frame;
    use sampler_trace::model::track::{ProcessInfo, Track, Tracks};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Two processes with a thread each: for three seconds one runs and one waits for I/O,
    /// then they change places.
    fn trace() -> Vec<u8> {
        let info = TraceInfo {
            hz: 10,
            mode: Mode::Wall,
            host: "web01".into(),
            ..TraceInfo::default()
        };
        let mut writer = TraceWriter::create(Vec::new(), &info).expect("memory");
        let (mut symbols, mut tracks) = (SymbolInterner::default(), Tracks::default());
        let threads = [(7, "app"), (8, "worker")].map(|(pid, name)| {
            let process = tracks.add_process(ProcessInfo::titled(pid, name));
            let frame = Frame {
                file: symbols.string("/srv/app.py"),
                function: symbols.string(&format!("work_of_{name}")),
                line: 3,
                ..Frame::default()
            };
            let frame = symbols.frame(frame);
            let stack = symbols.stack(StackId::EMPTY, frame);
            let name = "MainThread".into();
            let (tid, ident) = (pid, 1);
            let track = Track {
                process,
                tid,
                ident,
                name,
            };
            (tracks.add_track(track), stack)
        });
        for second in 0..6 {
            for (number, (track, stack)) in threads.into_iter().enumerate() {
                let runs = (second < 3) == (number == 0);
                writer.change(&RowChange {
                    track,
                    time: KernelTime(second * SECOND),
                    stack,
                    state: if runs { State::Running } else { State::Io },
                    weight: Weight::of_samples(SECOND / 10, 10),
                });
            }
            let until = KernelTime((second + 1) * SECOND);
            let symbols = symbols.symbols();
            writer.flush(until, symbols, &mut tracks).expect("memory");
        }
        let summary = Summary {
            end: KernelTime(6 * SECOND),
            ..Summary::default()
        };
        let file = writer.finish(&summary, symbols.symbols(), &mut tracks);
        file.expect("memory")
    }

    fn screen(of: &[u8]) -> Screen {
        let mut screen = Screen::new(Duration::from_secs(3));
        for bytes in of.chunks(100) {
            assert!(
                screen
                    .take(FeedEvent::Bytes(bytes.to_vec()))
                    .expect("no terminal")
            );
        }
        screen.refresh();
        screen
    }

    fn names(screen: &Screen) -> Vec<&str> {
        let functions = screen.shown.functions.iter();
        functions.map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn the_last_seconds_are_shown() {
        let screen = screen(&trace());
        assert_eq!(names(&screen), ["work_of_worker"]);
        assert_eq!(screen.shown.all.running, 3 * SECOND);
        assert_eq!(screen.status, "the recording has ended");
    }

    #[test]
    fn a_frozen_screen_stands_still_and_can_be_looked_around_in() {
        let trace = trace();
        // The first half of the file ends within the first segments.
        let (first, rest) = trace.split_at(trace.len() / 2);
        let mut screen = screen(first);
        let before = names(&screen).join(" ");
        assert_eq!(before, "work_of_app");
        screen.act(Action::Freeze);
        for bytes in rest.chunks(100) {
            screen
                .take(FeedEvent::Bytes(bytes.to_vec()))
                .expect("no terminal");
        }
        screen.act(Action::Open);
        screen.refresh();
        assert_eq!(names(&screen), [before]);
        assert!(screen.shown.stack.is_some());
        screen.act(Action::Freeze);
        screen.refresh();
        assert_eq!(names(&screen), ["work_of_worker"]);
    }

    #[test]
    fn a_process_opens_its_own_threads() {
        let mut screen = screen(&trace());
        let mut acts = |actions: &[Action]| {
            for action in actions {
                screen.act(*action);
                screen.refresh();
            }
            let shown = screen.shown.clone();
            let threads = shown.threads.iter().map(|row| row.pid).collect::<Vec<_>>();
            (threads, shown.process)
        };
        let to_processes = Action::Show(crate::view::Tab::Processes);
        let (threads, process) = acts(&[to_processes, Action::Move(1), Action::Open]);
        assert_eq!((threads, process.as_deref()), (vec![7], Some("7 app")));
        let (threads, process) = acts(&[Action::Close]);
        assert_eq!((threads, process), (vec![8, 7], None));
    }

    #[test]
    fn a_row_stays_selected_where_it_moves_to() {
        let trace = trace();
        let (first, rest) = trace.split_at(trace.len() / 2);
        let mut screen = screen(first);
        let to_threads = Action::Show(crate::view::Tab::Threads);
        for action in [to_threads, Action::Move(1)] {
            screen.act(action);
            screen.refresh();
        }
        let selected = |screen: &Screen| screen.shown.threads[screen.view.selected].pid;
        assert_eq!(selected(&screen), 8);
        screen
            .take(FeedEvent::Bytes(rest.to_vec()))
            .expect("no terminal");
        screen.refresh();
        assert_eq!((selected(&screen), screen.view.selected), (8, 0));
    }

    #[test]
    fn what_the_recorder_says_is_shown_and_kept() {
        let mut screen = screen(&trace());
        let said = "pyebpf: sampling less often".to_owned();
        screen
            .take(FeedEvent::Message(said.clone()))
            .expect("no terminal");
        assert_eq!(screen.status, "sampling less often");
        assert_eq!(screen.messages, [said]);
        assert!(!screen.take(FeedEvent::Stop).expect("no terminal"));
    }

    #[test]
    fn what_is_no_trace_shows_no_screen() {
        let input = |trace: &'static [u8]| Input {
            trace,
            messages: None::<io::Empty>,
            length: Duration::from_secs(1),
        };
        let error = run(input(b"#!/bin/sh\necho no trace\n"));
        assert!(matches!(error, Err(TopError::Trace(TraceError::NotATrace))));
        assert!(matches!(run(input(b"")), Err(TopError::Empty)));
    }
}
