// SPDX-License-Identifier: MIT OR Apache-2.0

//! A double of the recorder: it answers on its end of the pair of sockets, and writes the
//! entries of the state directory.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sampler_serve::protocol::channel::Channel;
use sampler_serve::protocol::command::RecorderCommand;
use sampler_serve::protocol::message::{
    Answer, Event, Failure, FailureCode, FromRecorder, ProcessEntry, RecorderStatus, Reply, Request,
};
use sampler_serve::state::entry::{
    ChunkNumber, MarkCause, MarkEntry, MarkId, RecordingEntry, RecordingId, RecordingState,
};
use sampler_serve::state::files::{ENTRY_EXTENSION, MARKS, RECORDINGS, file_name};
use sampler_trace::container::info::Mode;
use serde::Serialize;
use tokio::sync::mpsc;

use super::chunks::{OURS, SECRET, THEIRS, USER};

/// The most recordings that run at a time.
const MOST: usize = 2;

/// What the test wants of the recorder.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// It reads requests and answers none.
    pub(crate) is_silent: bool,
    /// Its rate.
    pub(crate) hz: u32,
    /// What it was asked.
    pub(crate) asked: Vec<RecorderCommand>,
}

/// The double.
pub(crate) struct Recorder {
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Say(Box<Event>),
    /// Ends, and begins again as another process.
    Restart,
    /// Stays away.
    Leave,
    Return,
    End,
}

impl Recorder {
    pub(crate) fn new(socket: OwnedFd, directory: &Path) -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour {
            is_silent: false,
            hz: 10,
            asked: Vec::new(),
        }));
        let (orders, received) = mpsc::unbounded_channel();
        let work = Work {
            socket,
            directory: directory.to_owned(),
            behaviour: behaviour.clone(),
            recordings: Vec::new(),
            marks: 0,
            pid: 4711,
        };
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .expect("a runtime")
                .block_on(work.run(received));
        });
        Self {
            behaviour,
            orders,
            thread: Some(thread),
        }
    }

    pub(crate) fn say(&self, event: Event) {
        self.order(Order::Say(event.into()));
    }

    pub(crate) fn restart(&self) {
        self.order(Order::Restart);
    }

    pub(crate) fn leave(&self) {
        self.order(Order::Leave);
    }

    pub(crate) fn come_back(&self) {
        self.order(Order::Return);
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("it runs");
    }

    pub(crate) fn asked(&self) -> Vec<RecorderCommand> {
        self.behaviour.lock().expect("no panic").asked.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking());
        }
    }
}

struct Work {
    socket: OwnedFd,
    directory: PathBuf,
    behaviour: Arc<Mutex<Behaviour>>,
    recordings: Vec<RecordingEntry>,
    marks: u64,
    pid: u32,
}

fn channel(socket: &OwnedFd) -> Channel {
    Channel::new(socket.try_clone().expect("a descriptor")).expect("a channel")
}

impl Work {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut link = Some(channel(&self.socket));
        send(&mut link, &FromRecorder::Event(Event::Started));
        loop {
            let received = async {
                match &mut link {
                    Some(link) => link.receive().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = received => match message {
                    Ok(message) => self.take(&mut link, &message),
                    Err(_) => return,
                },
                order = orders.recv() => match order {
                    Some(Order::Say(event)) => {
                        send(&mut link, &FromRecorder::Event(*event));
                    }
                    Some(Order::Restart | Order::Return) => {
                        self.pid += 1;
                        link = Some(channel(&self.socket));
                        send(&mut link, &FromRecorder::Event(Event::Started));
                    }
                    Some(Order::Leave) => link = None,
                    Some(Order::End) | None => return,
                },
            }
        }
    }

    fn take(&mut self, link: &mut Option<Channel>, message: &[u8]) {
        let request: Request = serde_json::from_slice(message).expect("a request");
        let is_silent = {
            let mut behaviour = self.behaviour.lock().expect("no panic");
            behaviour.asked.push(request.command.clone());
            behaviour.is_silent
        };
        if is_silent {
            return;
        }
        let outcome = self.carry_out(request.command);
        let reply = Reply {
            id: request.id,
            outcome,
        };
        send(link, &FromRecorder::Reply(reply));
    }

    fn carry_out(&mut self, command: RecorderCommand) -> Result<Answer, Failure> {
        match command {
            RecorderCommand::Status => Ok(Answer::Status(Box::new(self.status()))),
            RecorderCommand::Processes => Ok(Answer::Processes(processes())),
            RecorderCommand::Start(wanted) => {
                if wanted.hz == Some(0) {
                    return failed(FailureCode::Invalid, "hz is 0; use 1 or more");
                }
                let is_running = |it: &&RecordingEntry| it.state == RecordingState::Running;
                if self.recordings.iter().filter(is_running).count() >= MOST {
                    return failed(FailureCode::Limit, "too many recordings; stop one");
                }
                let from_us = now_us();
                let entry = RecordingEntry {
                    id: RecordingId(self.recordings.len() as u64 + 1),
                    name: wanted.name,
                    hz: wanted.hz.unwrap_or(10),
                    pids: wanted.pids,
                    from_us,
                    to_us: wanted
                        .seconds
                        .map(|seconds| from_us + u64::from(seconds) * 1_000_000),
                    state: RecordingState::Running,
                };
                self.write(RECORDINGS, entry.id.0, &entry);
                self.recordings.push(entry.clone());
                Ok(Answer::Recording(entry))
            }
            RecorderCommand::Stop { id } => {
                let found = self.recordings.iter_mut().find(|it| it.id == id);
                let Some(entry) = found else {
                    return failed(FailureCode::NotFound, "there is no such recording");
                };
                if entry.state == RecordingState::Done {
                    return failed(FailureCode::Conflict, "it has ended already");
                }
                entry.state = RecordingState::Done;
                entry.to_us = Some(now_us());
                let entry = entry.clone();
                self.write(RECORDINGS, id.0, &entry);
                Ok(Answer::Recording(entry))
            }
            RecorderCommand::DeleteRecording { id } => self.delete(RECORDINGS, id.0),
            RecorderCommand::Mark(wanted) => {
                if wanted.name == "too many" {
                    return failed(FailureCode::Limit, "too many marks; delete some");
                }
                self.marks += 1;
                let at_us = now_us();
                let entry = MarkEntry {
                    id: MarkId(self.marks),
                    name: wanted.name,
                    cause: MarkCause::Request,
                    at_us,
                    from_us: at_us - u64::from(wanted.before_s) * 1_000_000,
                    to_us: at_us + u64::from(wanted.after_s) * 1_000_000,
                    pid: wanted.pid,
                    details: String::new(),
                };
                self.write(MARKS, entry.id.0, &entry);
                Ok(Answer::Mark(entry))
            }
            RecorderCommand::DeleteMark { id } => self.delete(MARKS, id.0),
            RecorderCommand::Rotate => Ok(Answer::Rotated(ChunkNumber(1))),
            RecorderCommand::Dump { pid } if processes().iter().all(|it| it.pid != pid) => {
                failed(FailureCode::NotFound, "this process is not sampled")
            }
            RecorderCommand::Dump { pid } => Ok(Answer::Dump(serde_json::json!({
                "pid": pid,
                "threads": [{"frames": [{"function": "serve", "source": SECRET}]}],
            }))),
        }
    }

    fn status(&self) -> RecorderStatus {
        RecorderStatus {
            pid: self.pid,
            since_us: now_us() - 5_000_000,
            mode: Mode::Wall,
            hz: self.behaviour.lock().expect("no panic").hz,
            base_hz: 10,
            behind_us: 1500,
            cpu_us: 250_000,
            rss_bytes: 20 << 20,
            chunk: ChunkNumber(3),
            disk_bytes: 12_345,
            problems: vec!["the disk is slow".into()],
            counters: [
                ("taken", 1000),
                ("delivered", 990),
                ("lost", 10),
                ("whole", 990),
                ("behind_us", 1500),
            ]
            .map(|(name, count)| (name.to_owned(), count))
            .into(),
        }
    }

    fn write(&self, folder: &str, number: u64, entry: &impl Serialize) {
        let folder = self.directory.join(folder);
        let text = serde_json::to_vec(entry).expect("JSON");
        let draft = folder.join("draft");
        std::fs::write(&draft, text).expect("a file");
        let name = file_name(number, ENTRY_EXTENSION);
        std::fs::rename(draft, folder.join(name)).expect("a file");
    }

    fn delete(&mut self, folder: &str, number: u64) -> Result<Answer, Failure> {
        let name = file_name(number, ENTRY_EXTENSION);
        match std::fs::remove_file(self.directory.join(folder).join(name)) {
            Ok(()) => Ok(Answer::Deleted),
            Err(_) => failed(FailureCode::NotFound, "there is no such thing"),
        }
    }
}

fn processes() -> Vec<ProcessEntry> {
    [(OURS, "app", 0), (THEIRS, "other", USER)]
        .map(|(pid, name, uid)| ProcessEntry {
            pid,
            name: name.into(),
            cmdline: format!("python {name}.py"),
            python: "3.12.1".into(),
            uid: Some(uid),
            threads: 1,
            cpu_percent: 12.5,
            ..ProcessEntry::default()
        })
        .into()
}

fn failed(code: FailureCode, message: &str) -> Result<Answer, Failure> {
    Err(Failure {
        code,
        message: message.into(),
    })
}

fn send(link: &mut Option<Channel>, message: &FromRecorder) {
    let message = serde_json::to_vec(message).expect("JSON");
    if let Some(link) = link {
        link.send(&message).expect("short enough");
    }
}

pub(crate) fn now_us() -> u64 {
    sampler_serve::front::times::now_us()
}
