// SPDX-License-Identifier: MIT OR Apache-2.0

//! The main loop of a server's recorder: waits for records, requests of the front, timers
//! and its end, and begins a chunk each minute.

use std::io;
use std::time::{Duration, Instant};

use sampler_serve::protocol::channel::Channel;
use sampler_serve::protocol::message::{Event, FromRecorder, Reply};
use sampler_serve::state::book::Book;
use sampler_serve::state::entry::ChunkNumber;
use sampler_serve::supervisor::launch::{LaunchSocket, Word};
use tokio::net::UnixDatagram;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::cli::config::serve::ServeConfig;
use crate::record::clock::{monotonic_now, unix_now_us};
use crate::record::error::RecordError;
use crate::record::recorder::Recorder;
use crate::serve::chunk_file::ChunkFile;
use crate::serve::chunks::Chunks;
use crate::serve::condenser::Condenser;
use crate::serve::dumps::Dumps;
use crate::serve::error::ServeError;
use crate::serve::status::ProcessList;
use crate::serve::totals::Totals;
use crate::serve::wall_clock::{ClockSet, WallClock};
use crate::serve::watch::Watch;

/// How long a chunk is.
const CHUNK: Duration = Duration::from_secs(60);
/// The variable that sets another length, in seconds, so that a day's chunks come and go in
/// minutes.
const CHUNK_SECONDS: &str = "PYEBPF_CHUNK_SECONDS";
/// How soon to try another chunk if one cannot be written.
const AGAIN: Duration = Duration::from_secs(5);
/// How often this process tells the supervisor that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(2);

/// A recorder that serves.
pub(super) struct ServeLoop<'a> {
    pub(super) config: &'a ServeConfig,
    pub(super) recorder: Recorder<ChunkFile>,
    pub(super) chunks: Chunks,
    pub(super) book: Book,
    pub(super) channel: Channel,
    launch: LaunchSocket,
    /// Ends when the supervisor does.
    supervisor: UnixDatagram,
    terminate: Signal,
    /// Taken and ignored: the supervisor gets it as well, and then asks for the end.
    interrupt: Signal,
    pub(super) dumps: Dumps,
    condenser: Condenser,
    pub(super) processes: ProcessList,
    pub(super) watch: Watch,
    /// What was counted in chunks that are complete.
    pub(super) totals: Totals,
    pub(super) since_us: u64,
    /// Messages that were not requests.
    pub(super) malformed: u64,
    clock: WallClock,
    chunk: Duration,
    next_rotation: Instant,
    next_alive: Instant,
}

/// What the loop works with.
pub(super) struct Parts {
    pub(super) recorder: Recorder<ChunkFile>,
    pub(super) chunks: Chunks,
    pub(super) book: Book,
    pub(super) channel: Channel,
    pub(super) launch: LaunchSocket,
}

impl<'a> ServeLoop<'a> {
    /// The loop of a recorder that has just begun.
    ///
    /// # Errors
    /// No signal can be listened to.
    pub(super) fn new(config: &'a ServeConfig, parts: Parts) -> io::Result<Self> {
        let now = Instant::now();
        let chunk = chunk_length();
        Ok(Self {
            config,
            recorder: parts.recorder,
            chunks: parts.chunks,
            book: parts.book,
            channel: parts.channel,
            supervisor: UnixDatagram::from_std(parts.launch.watch()?)?,
            launch: parts.launch,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            dumps: Dumps::new(config.sampling.source),
            condenser: Condenser::new(),
            processes: ProcessList::new(),
            watch: Watch::new(config, now),
            totals: Totals::default(),
            since_us: unix_now_us(),
            malformed: 0,
            clock: WallClock::new(monotonic_now(), unix_now_us()),
            chunk,
            next_rotation: now + chunk,
            next_alive: now,
        })
    }

    /// Runs until the supervisor asks it to end, or has ended.
    ///
    /// # Errors
    /// The recorder cannot go on.
    pub(super) async fn run(mut self) -> Result<(), ServeError> {
        self.chunks.retain(&mut self.book, self.recorder.file());
        // Those that ran before go on.
        self.adjust_rate()?;
        self.tell(Event::Started);
        self.launch.say(Word::Ready);
        let mut packet = [0; 16];
        loop {
            let deadline = self.next_rotation.min(self.next_alive);
            tokio::select! {
                () = self.recorder.wait(Some(deadline)) => {}
                message = self.channel.receive() => match message {
                    Ok(message) => self.answer(&message),
                    // All holders of the other end are gone, even the supervisor.
                    Err(_) => break,
                },
                (id, outcome) = self.dumps.next() => self.reply(Reply { id, outcome }),
                condensed = self.condenser.next() => self.chunks.replace(condensed),
                _ = self.supervisor.recv(&mut packet) => break,
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => {}
            }
            self.do_what_is_due()?;
        }
        self.close();
        Ok(())
    }

    fn do_what_is_due(&mut self) -> Result<(), ServeError> {
        if self.recorder.step()? {
            self.tell_flushed();
        }
        self.mark_deaths(Instant::now());
        if let Some(set) = self.clock.look(monotonic_now(), unix_now_us()) {
            self.follow_clock(set);
        }
        self.stop_recordings()?;
        let now = Instant::now();
        let is_due = now >= self.next_rotation || self.chunks.is_long(self.recorder.file());
        if is_due && let Err(error) = self.rotate() {
            warn!(%error, "cannot start another chunk, so the last one continues");
        }
        if self.recorder.file().fault().is_some() {
            self.next_rotation = self.next_rotation.min(now + AGAIN);
        }
        self.watch(now);
        if now >= self.next_alive {
            self.next_alive = now + ALIVE_EVERY;
            self.launch.say(Word::Alive);
        }
        Ok(())
    }

    /// Closes the chunk that is being written and begins another. Returns its number.
    ///
    /// # Errors
    /// No other chunk can be begun. Then it goes on.
    pub(super) fn rotate(&mut self) -> Result<ChunkNumber, RecordError> {
        let before = self.recorder.info().clone();
        let chunks = &mut self.chunks;
        let exchanged = self.recorder.exchange_file(|| chunks.begin());
        let (summary, file) = match exchanged {
            Ok(exchanged) => exchanged,
            Err(error) => {
                self.next_rotation = Instant::now() + AGAIN;
                return Err(error);
            }
        };
        self.next_rotation = Instant::now() + self.chunk;
        let counts = summary.counts();
        self.totals.add(&counts);
        let file = file.finish(&counts)?;
        let end = self.recorder.info().start;
        self.chunks.complete(&file, &before, end);
        let (chunk, bytes) = (file.number(), file.written());
        self.tell(Event::Flushed { chunk, bytes });
        self.chunks.retain(&mut self.book, self.recorder.file());
        self.condenser.begin(&self.chunks.state, file);
        self.tell_flushed();
        Ok(chunk)
    }

    /// Has another chunk begun, whose times are right, and keeps what is to be kept.
    fn follow_clock(&mut self, set: ClockSet) {
        let seconds = (set.now_us as f64 - set.before_us as f64) / 1e6;
        warn!(seconds, "the clock was set, so another chunk begins");
        self.next_rotation = Instant::now();
        let ClockSet { before_us, now_us } = set;
        let followed = self
            .book
            .clock_was_set(&self.chunks.state, before_us, now_us);
        if let Err(failure) = followed {
            warn!(%failure, "marks and recordings may keep too little");
        }
    }

    /// Ends the recordings whose time is over.
    fn stop_recordings(&mut self) -> Result<(), ServeError> {
        match self.book.stop_due(&self.chunks.state, unix_now_us()) {
            Ok(ended) if ended.is_empty() => return Ok(()),
            Ok(ended) => {
                for recording in ended {
                    self.tell(Event::Recording(recording));
                }
            }
            Err(failure) => warn!(%failure, "a recording could not be stopped"),
        }
        Ok(self.adjust_rate()?)
    }

    /// Takes as many samples as the running recordings ask for.
    ///
    /// # Errors
    /// The clocks cannot be set.
    pub(super) fn adjust_rate(&mut self) -> Result<(), RecordError> {
        let wanted = self.book.wanted_hz(self.config.sampling.hz);
        self.recorder.ask_rate(wanted)
    }

    /// Tells how much of the current chunk is written.
    pub(super) fn tell_flushed(&mut self) {
        let file = self.recorder.file();
        let (chunk, bytes) = (file.number(), file.written());
        self.tell(Event::Flushed { chunk, bytes });
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.send(&FromRecorder::Event(event));
    }

    pub(super) fn reply(&mut self, reply: Reply) {
        self.send(&FromRecorder::Reply(reply));
    }

    fn send(&mut self, message: &FromRecorder) {
        let sent = serde_json::to_vec(message)
            .map_err(|error| error.to_string())
            .and_then(|bytes| self.channel.send(&bytes).map_err(|error| error.to_string()));
        if let Err(error) = sent {
            warn!(error, "a message to the front was dropped");
        }
    }

    /// Closes the last chunk.
    fn close(self) {
        let (summary, file) = self.recorder.close();
        if let Err(error) = file.finish(&summary.counts()) {
            warn!(%error, "the last chunk could not be completed");
        }
    }
}

/// Returns how long a chunk is.
fn chunk_length() -> Duration {
    let Ok(text) = std::env::var(CHUNK_SECONDS) else {
        return CHUNK;
    };
    let seconds = text.parse().ok();
    match seconds.filter(|seconds| (0.1..=3600.0).contains(seconds)) {
        Some(seconds) => Duration::from_secs_f64(seconds),
        None => {
            warn!(text, "{CHUNK_SECONDS} is not a number from 0.1 to 3600");
            CHUNK
        }
    }
}
