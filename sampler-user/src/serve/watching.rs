// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks about once a second whether there is a reason to set a mark.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sampler_common::process::ProcessKey;
use sampler_serve::protocol::command::NewMark;
use sampler_serve::protocol::message::Event;
use sampler_serve::state::entry::MarkCause;
use tracing::warn;

use crate::capture::targets::followed::FollowedProcess;
use crate::record::clock::unix_now_us;
use crate::record::last_words::Death;
use crate::serve::event_loop::ServeLoop;
use crate::serve::watch::Watch;
use crate::serve::{closer_look, last_words_text, stall_text};

/// How often there is a look.
const EVERY: Duration = Duration::from_secs(1);

/// How much of the time since a reason began is kept at most, in seconds.
const MOST_BEFORE: u32 = 3600;

/// A mark that there is a reason for.
struct Reason {
    process: ProcessKey,
    pid: u32,
    cause: MarkCause,
    name: String,
    details: String,
    /// How long ago it began.
    began: Duration,
}

impl ServeLoop<'_> {
    /// Sets the marks that there is a reason for, if it is time to look. The loop wakes up
    /// twice a second anyway.
    pub(super) fn watch(&mut self, now: Instant) {
        if now < self.watch.next {
            return;
        }
        self.watch.next = now + EVERY;
        let mut reasons = self.met_conditions();
        reasons.extend(self.stalled_processes(now));
        for reason in reasons {
            self.set_mark(now, reason);
        }
    }

    /// Sets marks for the processes that signals have ended. This is for at once, while the
    /// stacks of their threads have the numbers of this chunk.
    pub(super) fn mark_deaths(&mut self, now: Instant) {
        for reason in self.deaths() {
            self.set_mark(now, reason);
        }
    }

    /// Returns the processes that signals have ended.
    fn deaths(&mut self) -> Vec<Reason> {
        let deaths = self.recorder.take_deaths();
        let recorder = &self.recorder;
        let reason = |death: Death| {
            let mut processes = recorder.processes().map(|(process, _)| process);
            let process = processes.find(|process| process.key == death.process);
            let name = process.map_or_else(|| "a process".into(), program);
            let sentence = last_words_text::sentence(&name, &death);
            let signal = last_words_text::signal_name(death.signal);
            Reason {
                process: death.process,
                pid: death.tgid,
                cause: MarkCause::LastWords,
                name: format!("{signal} of {name}"),
                details: stall_text::with_stacks(&sentence, &death.threads, recorder.tables()),
                began: Duration::ZERO,
            }
        };
        deaths.into_iter().map(reason).collect()
    }

    /// Returns the processes that have just stalled for long enough: from the rows of their
    /// threads, and what `/proc` tells of those that seem to stall.
    fn stalled_processes(&mut self, now: Instant) -> Vec<Reason> {
        let Watch {
            stalls,
            sight,
            unanswered,
            ..
        } = &mut self.watch;
        let Some(stalls) = stalls else {
            return Vec::new();
        };
        let (recorder, until) = (&self.recorder, self.recorder.taken_until());
        let lost = self.totals.of("lost") + recorder.account().lost;
        if !sight.is_clear(now, recorder.scans(), lost) {
            stalls.blind(until);
        }
        let alive = || {
            let processes = recorder.processes().map(|(process, _)| process);
            processes.filter(|process| !process.has_ended)
        };
        let (symbols, tracks) = recorder.tables();
        let mut reasons = Vec::new();
        for process in alive() {
            let threads = recorder.standing(process.key);
            let suspicion = stalls.look(
                (process.key, until),
                &threads,
                |thread| stall_text::rests(symbols, thread),
                || stall_text::places(symbols, &threads),
            );
            let Some(suspicion) = suspicion else {
                continue;
            };
            let blocked = stall_text::blocked(symbols, &threads);
            let tids = blocked.filter_map(|thread| Some(tracks.track(thread.track)?.tid));
            let Some(evidence) =
                closer_look::look(recorder.inspector(), process.tgid, tids.collect())
            else {
                *unanswered += 1;
                continue;
            };
            let Some(length) = stalls.weigh(&suspicion, &evidence) else {
                continue;
            };
            let name = program(process);
            reasons.push(Reason {
                process: process.key,
                pid: process.tgid,
                cause: MarkCause::Stall,
                details: stall_text::details(
                    (&name, length),
                    (&threads, &evidence.blocked),
                    (symbols, tracks),
                ),
                name: format!("stall of {name}"),
                began: length,
            });
        }
        let keys: HashSet<_> = alive().map(|process| process.key).collect();
        stalls.retain(|process| keys.contains(&process));
        reasons
    }

    /// Returns the conditions that began to hold. Reads one or two small files of each
    /// process.
    fn met_conditions(&mut self) -> Vec<Reason> {
        let conditions = &mut self.watch.conditions;
        if conditions.is_empty() {
            return Vec::new();
        }
        let alive = || {
            let processes = self.recorder.processes().map(|(process, _)| process);
            processes.filter(|process| !process.has_ended)
        };
        let tgids: Vec<_> = alive().map(|process| process.tgid).collect();
        let used = self
            .recorder
            .inspector()
            .usages(tgids, conditions.need_memory());
        // Without an answer nothing is known, and nothing forgotten.
        let Some((read_at, used)) = used else {
            self.watch.unanswered += 1;
            return Vec::new();
        };
        let usages: Vec<_> = alive()
            .filter_map(|process| Some((process.key, *used.get(&process.tgid)?)))
            .collect();
        let met = conditions.look(read_at, &usages).into_iter();
        met.filter_map(|met| {
            let process = alive().find(|process| process.key == met.process)?;
            Some(Reason {
                process: met.process,
                pid: process.tgid,
                cause: MarkCause::Condition,
                details: met.details(&program(process)),
                name: met.condition.text,
                began: met.condition.time,
            })
        })
        .collect()
    }

    fn set_mark(&mut self, now: Instant, reason: Reason) {
        if !self.watch.limit.allow(now, reason.cause, reason.process) {
            return;
        }
        let usual = NewMark::default();
        let began = u32::try_from(reason.began.as_secs()).unwrap_or(u32::MAX);
        let asked = NewMark {
            name: reason.name,
            before_s: usual.before_s + began.min(MOST_BEFORE),
            pid: Some(reason.pid),
            ..usual
        };
        let cause = (reason.cause, reason.details);
        match self
            .book
            .mark(&self.chunks.state, &asked, cause, unix_now_us())
        {
            Ok(mark) => self.tell(Event::Mark(mark)),
            Err(error) => {
                self.watch.failed += 1;
                warn!(%error, pid = reason.pid, "a mark could not be set");
            }
        }
    }
}

/// Returns what to call a process.
fn program(process: &FollowedProcess) -> String {
    let identity = process.identity.as_ref();
    let name = identity.map_or("a process", |identity| &identity.program);
    name.replace(char::is_control, " ")
}
