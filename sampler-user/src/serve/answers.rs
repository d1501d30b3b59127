// SPDX-License-Identifier: MIT OR Apache-2.0

//! Carries out the commands of the front.

use std::time::Duration;

use sampler_cpython::process::proc_stat::resident_bytes;
use sampler_serve::protocol::command::{NewMark, RecorderCommand, StartRecording};
use sampler_serve::protocol::message::{
    Answer, Event, Failure, FailureCode, RecorderStatus, Reply, Request,
};
use sampler_serve::state::entry::{MarkCause, RecordingId};
use tracing::warn;

use crate::cli::values::ranges::HIGHEST_RATE;
use crate::record::clock::unix_now_us;
use crate::record::error::RecordError;
use crate::serve::event_loop::ServeLoop;

impl ServeLoop<'_> {
    /// Takes a message from the front. One that is not a request is counted.
    pub(super) fn answer(&mut self, message: &[u8]) {
        let Ok(Request { id, command }) = serde_json::from_slice(message) else {
            self.malformed += 1;
            return;
        };
        let outcome = match command {
            // Its answer comes later.
            RecorderCommand::Dump { pid } => match self.begin_dump(id, pid) {
                Ok(()) => return,
                Err(failure) => Err(failure),
            },
            command => self.carry_out(command),
        };
        self.reply(Reply { id, outcome });
    }

    fn carry_out(&mut self, command: RecorderCommand) -> Result<Answer, Failure> {
        match command {
            RecorderCommand::Status => Ok(Answer::Status(Box::new(self.status()))),
            RecorderCommand::Processes => {
                let with_command_lines = self.config.sampling.command_lines;
                let list = self.processes.list(&self.recorder, with_command_lines);
                Ok(Answer::Processes(list))
            }
            RecorderCommand::Start(asked) => self.start(&asked),
            RecorderCommand::Stop { id } => self.stop(id),
            RecorderCommand::DeleteRecording { id } => {
                self.book.delete_recording(&self.chunks.state, id)?;
                self.follow_recordings();
                Ok(Answer::Deleted)
            }
            RecorderCommand::Mark(asked) => self.mark(&asked),
            RecorderCommand::DeleteMark { id } => {
                self.book.delete_mark(&self.chunks.state, id)?;
                Ok(Answer::Deleted)
            }
            RecorderCommand::Rotate => match self.rotate() {
                Ok(number) => Ok(Answer::Rotated(number)),
                Err(error) => Err(failed(&error)),
            },
            RecorderCommand::Dump { .. } => Err(Failure {
                code: FailureCode::Invalid,
                message: "a dump is answered later".into(),
            }),
        }
    }

    fn begin_dump(&mut self, id: u64, pid: u32) -> Result<(), Failure> {
        self.check_sampled(&[pid])?;
        self.dumps.begin(id, pid)
    }

    /// Only processes that are sampled may be asked about.
    fn check_sampled(&self, pids: &[u32]) -> Result<(), Failure> {
        let is_sampled = |pid: u32| {
            let mut processes = self.recorder.processes();
            processes.any(|(process, _)| process.tgid == pid && !process.has_ended)
        };
        match pids.iter().find(|pid| !is_sampled(**pid)) {
            None => Ok(()),
            Some(pid) => Err(Failure {
                code: FailureCode::NotFound,
                message: format!(
                    "process {pid} is not sampled; `pyebpf ctl processes` lists those that are"
                ),
            }),
        }
    }

    fn start(&mut self, asked: &StartRecording) -> Result<Answer, Failure> {
        self.check_sampled(&asked.pids)?;
        let rates = (self.config.sampling.hz, HIGHEST_RATE);
        let started = self
            .book
            .start(&self.chunks.state, asked, rates, unix_now_us())?;
        self.follow_recordings();
        self.tell(Event::Recording(started.clone()));
        Ok(Answer::Recording(started))
    }

    fn stop(&mut self, id: RecordingId) -> Result<Answer, Failure> {
        let ended = self.book.stop(&self.chunks.state, id, unix_now_us())?;
        self.follow_recordings();
        // Whoever stops it wants all of it.
        self.recorder
            .write_segment()
            .map_err(|error| failed(&error))?;
        self.tell_flushed();
        self.tell(Event::Recording(ended.clone()));
        Ok(Answer::Recording(ended))
    }

    fn mark(&mut self, asked: &NewMark) -> Result<Answer, Failure> {
        let cause = (MarkCause::Request, String::new());
        let mark = self
            .book
            .mark(&self.chunks.state, asked, cause, unix_now_us())?;
        self.tell(Event::Mark(mark.clone()));
        Ok(Answer::Mark(mark))
    }

    /// Sets the rate that the recordings ask for now. One that cannot be set is tried again
    /// with the next change.
    fn follow_recordings(&mut self) {
        if let Err(error) = self.adjust_rate() {
            warn!(%error, "cannot change the rate");
        }
    }

    fn status(&mut self) -> RecorderStatus {
        let account = self.recorder.account();
        let mut totals = self.totals.clone();
        totals.add(&account.counts());
        let losses = self.chunks.losses;
        let dropped = losses.dropped_bytes + self.recorder.file().dropped();
        totals.add(&[
            ("chunk_bytes_dropped", dropped),
            ("chunks_deleted", losses.deleted),
            ("marks_given_up", losses.given_up + self.book.replaced()),
            ("messages_dropped", self.channel.dropped() + self.malformed),
        ]);
        totals.add(&self.watch.counts());
        totals.add(&[("deaths_left_out", self.recorder.deaths_left_out())]);
        let cost = self.recorder.cost();
        let file = self.recorder.file();
        let mut problems = self.chunks.problems(file);
        problems.extend(self.watch.problems());
        if self.book.damaged() > 0 {
            problems.push(format!(
                "{} marks or recordings cannot be read; they keep nothing",
                self.book.damaged()
            ));
        }
        RecorderStatus {
            pid: std::process::id(),
            since_us: self.since_us,
            mode: self.config.sampling.mode,
            hz: hz_of(self.recorder.period()),
            base_hz: self.config.sampling.hz,
            behind_us: microseconds(account.behind),
            cpu_us: microseconds(cost),
            rss_bytes: resident_bytes(std::process::id()).unwrap_or(0),
            chunk: file.number(),
            disk_bytes: self.chunks.bytes(file),
            problems,
            counters: totals.named(),
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Returns a rate in whole samples a second, at least 1.
fn hz_of(period: Duration) -> u32 {
    let hz = 1.0 / period.as_secs_f64();
    (hz.round() as u32).max(1)
}

fn failed(error: &RecordError) -> Failure {
    Failure {
        code: FailureCode::Failed,
        message: error.to_string(),
    }
}
