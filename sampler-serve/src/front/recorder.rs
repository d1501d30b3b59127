// SPDX-License-Identifier: MIT OR Apache-2.0

//! The way to the recorder: one task has the front's end of the pair of sockets, sends
//! what the handlers ask and passes on what comes back. Nothing here makes the recorder
//! wait, and while it is away nothing is sent but one question that it will answer when it
//! is there again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::documents::RecorderState;
use crate::front::error::ApiError;
use crate::protocol::channel::Channel;
use crate::protocol::command::RecorderCommand;
use crate::protocol::message::{
    Answer, Event, Failure, FromRecorder, ProcessEntry, RecorderStatus, Reply, Request,
};
use crate::state::entry::{ChunkNumber, MarkEntry, RecordingEntry};

/// How many requests may wait for the recorder.
const MOST_PENDING: usize = 64;
/// How many events are kept for clients that reconnect (`Last-Event-ID`).
const KEPT_EVENTS: usize = 256;
/// How long an answer is reused for other clients.
const FRESH: Duration = Duration::from_millis(500);
/// A recorder that did not answer is asked again after this time.
const PROBE_AGAIN: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// It is not running.
    #[error("the recorder is being restarted; try again in a few seconds")]
    Away,
    /// It was restarted before it answered.
    #[error(
        "the recorder was restarted before it answered; check whether the request took effect, then try again"
    )]
    Restarted,
    /// It did not answer in time.
    #[error(
        "the recorder did not answer in time; check whether the request took effect, then try again"
    )]
    TimedOut,
    /// Too many requests wait for it.
    #[error("too many requests wait for the recorder; try again in a few seconds")]
    Busy,
    /// It answered something else.
    #[error("the recorder answered another request; front and recorder have different versions")]
    Unexpected,
    /// It refused.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Failed(failure) => failure.into(),
            other => Self::unavailable(other.to_string()),
        }
    }
}

/// How far the chunks have been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// The chunk that is being written.
    pub(crate) chunk: ChunkNumber,
    /// Its complete bytes.
    pub(crate) bytes: u64,
    /// How often anything was written.
    pub(crate) count: u64,
}

/// An event for clients, with its number.
#[derive(Clone, Debug)]
pub(crate) struct NumberedEvent {
    /// Its number; later ones have higher numbers.
    pub(crate) number: u64,
    /// What happened.
    pub(crate) event: ClientEvent,
}

/// An event for clients.
#[derive(Clone, Debug)]
pub(crate) enum ClientEvent {
    /// A mark was set.
    Mark(MarkEntry),
    /// A recording began or ended.
    Recording(RecordingEntry),
}

/// The last status of the recorder.
#[derive(Clone, Debug)]
pub(crate) struct LastStatus {
    /// What it reported.
    pub(crate) status: Arc<RecorderStatus>,
    /// Its recent share of one CPU, in percent.
    pub(crate) cpu_percent: f64,
    /// When it reported it.
    pub(crate) at: Instant,
}

/// Sends requests to the recorder.
#[derive(Clone, Debug)]
pub(crate) struct RecorderHandle {
    questions: mpsc::Sender<Question>,
    shared: Arc<Shared>,
    timeouts: RecorderTimeouts,
}

/// Timeouts of answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecorderTimeouts {
    /// Of any command.
    pub(crate) answer: Duration,
    /// Of `dump`.
    pub(crate) dump: Duration,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Knowledge>,
    flushed: watch::Sender<Flushed>,
    events: broadcast::Sender<Arc<NumberedEvent>>,
    /// Held while the recorder is asked.
    status: tokio::sync::Mutex<()>,
    last_status: Mutex<Option<LastStatus>>,
    processes: tokio::sync::Mutex<Option<(Instant, Arc<Vec<ProcessEntry>>)>>,
}

#[derive(Debug)]
struct Knowledge {
    state: RecorderState,
    /// How often the recorder was restarted.
    restarts: u64,
    /// How many messages have come.
    messages: u64,
    /// When a recorder that does not answer was asked.
    probed: Option<Instant>,
    kept: VecDeque<Arc<NumberedEvent>>,
    last_number: u64,
    /// Messages that could not be understood.
    malformed: u64,
}

#[derive(Debug)]
struct Question {
    command: RecorderCommand,
    answer: oneshot::Sender<Result<Answer, AskError>>,
}

/// The task that owns the socket.
#[derive(Debug)]
pub(crate) struct Link {
    channel: Channel,
    questions: mpsc::Receiver<Question>,
    shared: Arc<Shared>,
    pending: HashMap<u64, oneshot::Sender<Result<Answer, AskError>>>,
    next_id: u64,
}

/// Connects to the recorder. The link must be run for that to work.
#[must_use]
pub(crate) fn connect(channel: Channel, timeouts: RecorderTimeouts) -> (RecorderHandle, Link) {
    let (questions, receiver) = mpsc::channel(MOST_PENDING);
    let shared = Arc::new(Shared {
        state: Mutex::new(Knowledge {
            state: RecorderState::Running,
            restarts: 0,
            messages: 0,
            probed: None,
            kept: VecDeque::new(),
            last_number: 0,
            malformed: 0,
        }),
        flushed: watch::Sender::new(Flushed::default()),
        events: broadcast::Sender::new(KEPT_EVENTS),
        status: tokio::sync::Mutex::default(),
        last_status: Mutex::default(),
        processes: tokio::sync::Mutex::default(),
    });
    let link = Link {
        channel,
        questions: receiver,
        shared: shared.clone(),
        pending: HashMap::new(),
        // A front that was started again gets answers to questions of the one before.
        next_id: crate::front::times::now_us(),
    };
    let recorder = RecorderHandle {
        questions,
        shared,
        timeouts,
    };
    (recorder, link)
}

impl Shared {
    fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        // Its fields do not depend on each other.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_status(&self) -> MutexGuard<'_, Option<LastStatus>> {
        // It is replaced as a whole.
        let last = self.last_status.lock();
        last.unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecorderHandle {
    /// Asks the recorder to do something.
    ///
    /// # Errors
    /// [`AskError`].
    pub(crate) async fn ask(&self, command: RecorderCommand) -> Result<Answer, AskError> {
        let before = self.admit(&command)?;
        let limit = match command {
            RecorderCommand::Dump { .. } => self.timeouts.dump,
            _ => self.timeouts.answer,
        };
        let (answer, answered) = oneshot::channel();
        let question = Question { command, answer };
        self.questions
            .try_send(question)
            .map_err(|_| AskError::Busy)?;
        match timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AskError::Away),
            Err(_) => {
                let mut known = self.shared.knowledge();
                if known.messages == before && known.state == RecorderState::Running {
                    known.state = RecorderState::Restarting;
                    known.probed = Some(Instant::now());
                    tracing::warn!("the recorder does not answer");
                }
                Err(AskError::TimedOut)
            }
        }
    }

    /// Sends a request that may be repeated: it is, if the recorder was restarted meanwhile.
    async fn ask_again(&self, command: RecorderCommand) -> Result<Answer, AskError> {
        match self.ask(command.clone()).await {
            Err(AskError::Restarted) => self.ask(command).await,
            answer => answer,
        }
    }

    /// Checks that a request may be sent now. Returns the number of messages received so far.
    fn admit(&self, command: &RecorderCommand) -> Result<u64, AskError> {
        let mut known = self.shared.knowledge();
        let is_due = known.probed.is_none_or(|at| at.elapsed() >= PROBE_AGAIN);
        match known.state {
            RecorderState::Running => Ok(known.messages),
            RecorderState::Restarting if is_due && matches!(command, RecorderCommand::Status) => {
                known.probed = Some(Instant::now());
                Ok(known.messages)
            }
            _ => Err(AskError::Away),
        }
    }

    /// The status of the recorder, at most half a second old. However many clients ask for
    /// it, the recorder is asked only once.
    ///
    /// # Errors
    /// [`AskError`].
    pub(crate) async fn status(&self) -> Result<LastStatus, AskError> {
        let _turn = self.shared.status.lock().await;
        let last = self.last_status();
        if let Some(seen) = &last
            && seen.at.elapsed() < FRESH
            && self.state() == RecorderState::Running
        {
            return Ok(seen.clone());
        }
        let Answer::Status(status) = self.ask_again(RecorderCommand::Status).await? else {
            return Err(AskError::Unexpected);
        };
        let at = Instant::now();
        let cpu_percent = last
            .filter(|before| before.status.pid == status.pid)
            .map_or(0.0, |before| {
                let microseconds = at.duration_since(before.at).as_micros().max(1) as f64;
                let cpu = status.cpu_us.saturating_sub(before.status.cpu_us);
                100.0 * cpu as f64 / microseconds
            });
        let seen = LastStatus {
            status: status.into(),
            cpu_percent,
            at,
        };
        *self.shared.last_status() = Some(seen.clone());
        Ok(seen)
    }

    /// The last status of the recorder, however old.
    #[must_use]
    pub(crate) fn last_status(&self) -> Option<LastStatus> {
        self.shared.last_status().clone()
    }

    /// The processes that are sampled, at most half a second old.
    ///
    /// # Errors
    /// [`AskError`].
    pub(crate) async fn processes(&self) -> Result<Arc<Vec<ProcessEntry>>, AskError> {
        let mut cached = self.shared.processes.lock().await;
        if let Some((at, processes)) = &*cached
            && at.elapsed() < FRESH
            && self.state() == RecorderState::Running
        {
            return Ok(processes.clone());
        }
        let Answer::Processes(processes) = self.ask_again(RecorderCommand::Processes).await? else {
            return Err(AskError::Unexpected);
        };
        let processes = Arc::new(processes);
        *cached = Some((Instant::now(), processes.clone()));
        Ok(processes)
    }

    /// Its state.
    #[must_use]
    pub(crate) fn state(&self) -> RecorderState {
        self.shared.knowledge().state
    }

    /// How often it was restarted since this front began.
    #[must_use]
    pub(crate) fn restarts(&self) -> u64 {
        self.shared.knowledge().restarts
    }

    /// How many of its messages could not be understood.
    #[must_use]
    pub(crate) fn malformed(&self) -> u64 {
        self.shared.knowledge().malformed
    }

    /// How far the chunks are written; changes can be awaited.
    #[must_use]
    pub(crate) fn flushed(&self) -> watch::Receiver<Flushed> {
        self.shared.flushed.subscribe()
    }

    /// The events from now on, and the kept ones after a number.
    #[must_use]
    pub(crate) fn events_after(
        &self,
        number: u64,
    ) -> (
        Vec<Arc<NumberedEvent>>,
        broadcast::Receiver<Arc<NumberedEvent>>,
    ) {
        let known = self.shared.knowledge();
        let receiver = self.shared.events.subscribe();
        let kept = known.kept.iter().filter(|it| it.number > number);
        (kept.cloned().collect(), receiver)
    }

    /// The number of the last event.
    #[must_use]
    pub(crate) fn last_event(&self) -> u64 {
        self.shared.knowledge().last_number
    }
}

impl Link {
    /// Runs until no recorder can be started any more.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                message = self.channel.receive() => match message {
                    Ok(message) => self.take(&message),
                    Err(error) => {
                        tracing::error!(%error, "the connection to the recorder has ended");
                        break;
                    }
                },
                question = self.questions.recv() => match question {
                    Some(question) => self.send(question),
                    None => break,
                },
            }
        }
        self.shared.knowledge().state = RecorderState::Stopped;
        self.fail_all(&AskError::Away);
    }

    fn send(&mut self, question: Question) {
        // The client may have given up.
        self.pending.retain(|_, answer| !answer.is_closed());
        if self.pending.len() >= MOST_PENDING {
            let _ = question.answer.send(Err(AskError::Busy));
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let request = Request {
            id,
            command: question.command,
        };
        let message = serde_json::to_vec(&request).unwrap_or_default();
        match self.channel.send(&message) {
            Ok(()) => {
                self.pending.insert(id, question.answer);
            }
            Err(error) => {
                tracing::error!(%error, "cannot send a request to the recorder");
                let _ = question.answer.send(Err(AskError::Busy));
            }
        }
    }

    fn take(&mut self, message: &[u8]) {
        let message = match serde_json::from_slice(message) {
            Ok(message) => message,
            Err(error) => {
                self.shared.knowledge().malformed += 1;
                tracing::warn!(%error, "cannot understand a message from the recorder");
                return;
            }
        };
        {
            let mut known = self.shared.knowledge();
            known.messages += 1;
            known.probed = None;
            if known.state != RecorderState::Running {
                tracing::info!("the recorder answers again");
                known.state = RecorderState::Running;
            }
        }
        match message {
            FromRecorder::Reply(Reply { id, outcome }) => {
                if let Some(answer) = self.pending.remove(&id) {
                    let _ = answer.send(outcome.map_err(AskError::from));
                }
            }
            FromRecorder::Event(event) => self.take_event(event),
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Started => {
                let mut known = self.shared.knowledge();
                known.restarts += u64::from(known.messages > 1);
                drop(known);
                self.fail_all(&AskError::Restarted);
            }
            Event::Flushed { chunk, bytes } => self.shared.flushed.send_modify(|flushed| {
                *flushed = Flushed {
                    chunk,
                    bytes,
                    count: flushed.count + 1,
                };
            }),
            Event::Mark(mark) => self.publish(ClientEvent::Mark(mark)),
            Event::Recording(entry) => self.publish(ClientEvent::Recording(entry)),
        }
    }

    fn publish(&mut self, event: ClientEvent) {
        let mut known = self.shared.knowledge();
        known.last_number += 1;
        let event = Arc::new(NumberedEvent {
            number: known.last_number,
            event,
        });
        if known.kept.len() >= KEPT_EVENTS {
            known.kept.pop_front();
        }
        known.kept.push_back(event.clone());
        // There may be no listener at the moment.
        let _ = self.shared.events.send(event);
    }

    fn fail_all(&mut self, error: &AskError) {
        for (_, answer) in self.pending.drain() {
            let _ = answer.send(Err(error.clone()));
        }
    }
}
