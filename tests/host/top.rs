// SPDX-License-Identifier: MIT OR Apache-2.0

//! `pyebpf top` in a terminal, with a file that grows.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sampler_trace::container::info::{Mode, Summary, TraceInfo};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};
use tests::terminal::Terminal;

const SECOND: u64 = 1_000_000_000;

/// A recording that goes on.
struct Growing {
    path: PathBuf,
    writer: TraceWriter<File>,
    symbols: SymbolInterner,
    tracks: Tracks,
    now: u64,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

impl Growing {
    fn begin(name: &str) -> Self {
        let path = path(name);
        let info = TraceInfo {
            hz: 10,
            mode: Mode::Wall,
            host: "web01".into(),
            ..TraceInfo::default()
        };
        let writer = TraceWriter::create(File::create(&path).unwrap(), &info).unwrap();
        let mut tracks = Tracks::default();
        let process = tracks.add_process(ProcessInfo {
            cmdline: "/usr/bin/python3 /srv/shop/manage.py runserver".into(),
            python: "3.12.1".into(),
            ..ProcessInfo::titled(4711, "manage.py")
        });
        for (tid, name) in [(4711, "MainThread"), (4712, "mailer")] {
            let (name, ident) = (name.into(), 7);
            tracks.add_track(Track {
                process,
                tid,
                ident,
                name,
            });
        }
        Self {
            path,
            writer,
            symbols: SymbolInterner::default(),
            tracks,
            now: 0,
        }
    }

    /// Lets the main thread run a function for ten seconds, while the other one waits.
    fn run(&mut self, function: &str) {
        for (thread, function, state) in [(0, function, State::Running), (1, "send", State::Io)] {
            let frame = Frame {
                file: self.symbols.string("/srv/shop/orders.py"),
                function: self.symbols.string(function),
                line: 42,
                source: self.symbols.string("return tax(order)"),
            };
            let frame = self.symbols.frame(frame);
            self.writer.change(&RowChange {
                track: TrackId(thread),
                time: KernelTime(self.now),
                stack: self.symbols.stack(StackId::EMPTY, frame),
                state,
                weight: Weight::of_samples(SECOND / 10, 100),
            });
        }
        self.now += 10 * SECOND;
        let symbols = self.symbols.symbols();
        let now = KernelTime(self.now);
        self.writer.flush(now, symbols, &mut self.tracks).unwrap();
    }

    fn end(mut self) {
        let summary = Summary {
            end: KernelTime(self.now),
            ..Summary::default()
        };
        let symbols = self.symbols.symbols();
        self.writer
            .finish(&summary, symbols, &mut self.tracks)
            .unwrap();
    }
}

fn top(input: &Path) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_program"));
    command.arg("top").arg("--from").arg(input);
    Terminal::start(&mut command, 80, 24)
}

#[test]
fn a_file_is_shown_as_it_grows() {
    let mut recording = Growing::begin("grows.pyebpf");
    recording.run("total_of");
    let mut terminal = top(&recording.path);
    let screen = terminal.until(|screen| screen.contains("total_of"));
    assert!(
        screen.contains("web01  10 Hz, wall  last 10 s: 100 % of a CPU"),
        "{screen}"
    );
    assert!(
        screen.contains("/srv/shop/orders.py") && screen.contains("q quit"),
        "{screen}"
    );
    recording.run("refund");
    let screen = terminal.until(|screen| screen.contains("refund"));
    // It is older than ten seconds.
    assert!(!screen.contains("total_of"), "{screen}");
    terminal.press("2");
    let shown =
        |screen: &str| screen.contains("python3 /srv/shop/manage") && screen.contains("3.12.1");
    terminal.until(shown);
    terminal.press("\r");
    let screen = terminal.until(|screen| screen.contains("mailer"));
    assert!(screen.contains("4711 manage.py on web01"), "{screen}");
    assert!(
        screen.contains("running") && screen.contains("I/O"),
        "{screen}"
    );
    terminal.press("\r");
    terminal.until(|screen| screen.contains("orders.py:42)  return tax(order)"));
    terminal.press("/mailer\r");
    terminal.until(|screen| !screen.contains("MainThread"));
    recording.end();
    terminal.press("\x1b");
    terminal.until(|screen| !screen.contains("return tax(order)"));
    terminal.press("\x1b");
    terminal.until(|screen| {
        screen.contains("MainThread") && screen.contains("the recording has ended")
    });
    terminal.press("q");
    let left = terminal.left();
    assert!(left.status.success() && left.is_restored, "{}", left.text);
}

#[test]
fn the_terminal_is_restored_however_it_ends() {
    let mut recording = Growing::begin("ends.pyebpf");
    recording.run("total_of");
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut terminal = top(&recording.path);
        terminal.until(|screen| screen.contains("total_of"));
        let pid = Pid::from_raw(i32::try_from(terminal.pid()).unwrap());
        kill(pid, signal).unwrap();
        let left = terminal.left();
        assert!(
            left.status.success() && left.is_restored,
            "{signal}: {}",
            left.text
        );
    }
    let mut terminal = top(&recording.path);
    terminal.until(|screen| screen.contains("total_of"));
    terminal.press("\x03");
    assert!(terminal.left().is_restored);
}

#[test]
fn a_damaged_rest_is_said_and_what_came_before_stays() {
    let mut recording = Growing::begin("damaged.pyebpf");
    recording.run("total_of");
    let mut file = File::options().append(true).open(&recording.path).unwrap();
    file.write_all(&[0xff; 64]).unwrap();
    let mut terminal = top(&recording.path);
    let screen = terminal.until(|screen| screen.contains("cannot be read"));
    assert!(screen.contains("total_of"), "{screen}");
    terminal.press("q");
    assert!(terminal.left().is_restored);
}

#[test]
fn what_is_no_trace_gets_a_message() {
    let script = path("no_trace.sh");
    fs::write(&script, "#!/bin/sh\necho no trace\n").unwrap();
    let missing = path("there/is/none.pyebpf");
    for (input, said) in [(script, "not a .pyebpf trace"), (missing, "cannot open")] {
        let left = top(&input).left();
        assert_eq!(left.status.code(), Some(1), "{}", left.text);
        assert!(
            left.text.contains(said) && left.is_restored,
            "{}",
            left.text
        );
    }
}
