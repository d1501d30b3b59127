// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells when a process stalls: all of its threads stand where they stood for the given
//! time, and not because there is nothing to do.
//!
//! A thread stands still
//!
//! - if it waits for the same thing at the same stack for the whole time without having run,
//!   or sleeps there again and again. One that waits for the GIL wakes up every 5 ms to ask
//!   for it again, which a tick may see once;
//! - if it runs at the same stack for the whole time, while another one has been waiting for
//!   the GIL for as long: then it has not given it back.
//!
//! A process seems to stall if all its threads stand still and at least one of them waits for
//! the GIL or is blocked ([`resting`](crate::serve::resting)). It must have worked before,
//! since it was first looked at. Then it is looked at more closely, twice
//! ([`closer_look`](crate::serve::closer_look)): it does not stall if its threads only wait
//! for something to do, or if it computes, in threads that run no Python.
//!
//! How long a process has stood still at the same places before is remembered. It is marked if
//! it takes [`UNUSUAL`] times as long, so that a wait that is nothing special for it is marked
//! a few times and not again and again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sampler_common::process::ProcessKey;
use sampler_trace::model::identifiers::KernelTime;
use sampler_trace::model::row::State;

use crate::record::stillness::StandingThread;
use crate::serve::closer_look::StallEvidence;

/// How many times as long as ever before at the same places is unusual.
const UNUSUAL: u32 = 5;
/// From which length on a standstill is remembered.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a standstill at some places is remembered.
const MEMORY: Duration = Duration::from_secs(86_400);
/// The most places of a process that are remembered; then all are forgotten.
const MOST_PLACES: usize = 64;
/// How long after the first look a thread that is seen for the first time has not moved.
const FIRST_SCANS: Duration = Duration::from_secs(2);
/// The share of a CPU from which on a process computes.
const COMPUTES: f64 = 0.1;

/// The stalls of all processes.
#[derive(Debug)]
pub(super) struct Stalls {
    time: Duration,
    /// Until when threads could have moved unseen.
    unseen: KernelTime,
    processes: HashMap<ProcessKey, Process>,
    usual: u64,
}

#[derive(Debug)]
struct Process {
    first_look: KernelTime,
    has_worked: bool,
    /// Since when it stood still when it was found idle, or was marked.
    settled: Option<KernelTime>,
    current: Option<Standstill>,
    /// The longest standstill at some places, and when it was seen last.
    longest: HashMap<Places, (Duration, KernelTime)>,
}

/// All threads stand still and one of them seems to be blocked.
#[derive(Debug)]
struct Standstill {
    since: KernelTime,
    places: Places,
    length: Duration,
    /// From which length on it is a stall.
    floor: Duration,
    /// When the CPU time of the process was read, and how much that was.
    cpu: Option<(Instant, Duration)>,
    /// From which length on that is read again.
    next_look: Duration,
    /// Whether it computed meanwhile.
    has_computed: bool,
}

/// Identifies where the blocked threads stand, in every trace file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Places(pub(super) u64);

/// A process seems to stall, and is to be looked at more closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    process: ProcessKey,
    /// A thread that computes has the GIL, so CPU time tells nothing.
    is_gil_kept: bool,
}

impl Stalls {
    /// Stalls of at least this length.
    pub(super) fn new(time: Duration) -> Self {
        Self {
            time,
            unseen: KernelTime(0),
            processes: HashMap::new(),
            usual: 0,
        }
    }

    /// Takes in that threads could have moved unseen until `now`.
    pub(super) fn blind(&mut self, now: KernelTime) {
        self.unseen = now;
    }

    /// Returns how many standstills were long enough and not marked because the process had
    /// stood still at the same places before, about as long.
    pub(super) fn usual(&self) -> u64 {
        self.usual
    }

    /// Forgets the other processes.
    pub(super) fn retain(&mut self, lives: impl Fn(ProcessKey) -> bool) {
        self.processes.retain(|process, _| lives(*process));
    }

    /// Takes in what the threads of a process do `now`. Returns whether it is to be looked at
    /// more closely, the outcome of which is for [`Stalls::weigh`]. `rests` tells whether a
    /// thread that waits is idle, and `places` where those stand that are not.
    pub(super) fn look(
        &mut self,
        (process, now): (ProcessKey, KernelTime),
        threads: &[StandingThread],
        rests: impl Fn(&StandingThread) -> bool,
        places: impl FnOnce() -> Places,
    ) -> Option<Suspicion> {
        let (time, unseen) = (self.time, self.unseen);
        let known = self.processes.entry(process);
        let moved = last_move(threads)?;
        let known = known.or_insert_with(|| Process {
            first_look: now,
            has_worked: false,
            settled: None,
            current: None,
            longest: HashMap::new(),
        });
        known.has_worked |= moved > known.first_look && moved.since(known.first_look) > FIRST_SCANS;
        let since = threads.iter().map(|it| it.stillness.since).max()?;
        if !known.has_worked || known.settled == Some(since) {
            return None;
        }
        let length = now.since(since.max(unseen));
        let verdict = match length < SHORTEST {
            true => Verdict::Goes,
            false => judge(threads, &rests, (now, length.min(time))),
        };
        let is_gil_kept = match verdict {
            Verdict::Goes | Verdict::Idle => {
                let ended = known.current.take();
                self.usual += u64::from(ended.is_some_and(|it| it.was_usual(time)));
                known.settled = (verdict == Verdict::Idle).then_some(since);
                return None;
            }
            Verdict::Stalls { is_gil_kept } => is_gil_kept,
        };
        let current = match known.current.take() {
            Some(current) if current.since == since => current,
            ended => {
                self.usual += u64::from(ended.is_some_and(|it| it.was_usual(time)));
                known.begin((since, now), places(), time)
            }
        };
        let current = known.current.insert(Standstill { length, ..current });
        let longest = known.longest.entry(current.places);
        let longest = longest.or_insert((length, now));
        *longest = (longest.0.max(length), now);
        let is_due = length >= current.next_look;
        is_due.then_some(Suspicion {
            process,
            is_gil_kept,
        })
    }

    /// Takes in what a closer look has found. Returns how long the process has stalled, if
    /// that is to be marked.
    pub(super) fn weigh(
        &mut self,
        suspicion: &Suspicion,
        evidence: &StallEvidence,
    ) -> Option<Duration> {
        let known = self.processes.get_mut(&suspicion.process)?;
        let current = known.current.as_mut()?;
        if suspicion.is_gil_kept {
            current.next_look = current.floor;
        } else {
            if evidence.blocked.is_empty() {
                known.settled = Some(current.since);
                known.current = None;
                return None;
            }
            let Some((at, cpu)) = current.cpu else {
                current.cpu = Some((evidence.at, evidence.cpu));
                current.next_look = current.floor;
                return None;
            };
            let elapsed = evidence.at.duration_since(at);
            let used = evidence.cpu.saturating_sub(cpu);
            if used > elapsed.mul_f64(COMPUTES) {
                current.cpu = Some((evidence.at, evidence.cpu));
                current.next_look = current.floor.max(current.length + self.time / 2);
                current.has_computed = true;
                return None;
            }
        }
        if current.length < current.floor {
            return None;
        }
        let (since, length) = (current.since, current.length);
        known.settled = Some(since);
        known.current = None;
        Some(length)
    }
}

impl Standstill {
    /// Whether it was not marked, though it was long enough.
    fn was_usual(&self, time: Duration) -> bool {
        self.length >= time && !self.has_computed
    }
}

impl Process {
    /// Returns a standstill that begins at some places.
    fn begin(
        &mut self,
        (since, now): (KernelTime, KernelTime),
        places: Places,
        time: Duration,
    ) -> Standstill {
        self.longest
            .retain(|_, (_, last)| now.since(*last) < MEMORY);
        if self.longest.len() >= MOST_PLACES {
            self.longest.clear();
        }
        let before = self.longest.get(&places).map(|(longest, _)| *longest);
        Standstill {
            since,
            places,
            length: Duration::ZERO,
            floor: before.map_or(time, |longest| time.max(longest * UNUSUAL)),
            cpu: None,
            next_look: time / 2,
            has_computed: false,
        }
    }
}

/// Returns when one of the threads moved last, or was seen running; a thread that waits for
/// the GIL is not seen running but by chance. `None` without a thread.
fn last_move(threads: &[StandingThread]) -> Option<KernelTime> {
    let moved = |thread: &StandingThread| match thread.stillness.waits_for {
        State::WaitingForGil => thread.stillness.since,
        _ => thread.stillness.since.max(thread.stillness.ran[0]),
    };
    threads.iter().map(moved).max()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Something moves.
    Goes,
    /// All stand still, because there is nothing to do.
    Idle,
    /// All stand still, and one of them is blocked.
    Stalls {
        /// By one that computes and does not give the GIL back.
        is_gil_kept: bool,
    },
}

/// Judges threads none of which has another place than before `time`.
fn judge(
    threads: &[StandingThread],
    rests: &impl Fn(&StandingThread) -> bool,
    (now, time): (KernelTime, Duration),
) -> Verdict {
    let is_long_ago = |at: KernelTime| at.0 == 0 || now.since(at) >= time;
    let waits_for_gil = |thread: &StandingThread| {
        thread.stillness.waits_for == State::WaitingForGil && is_long_ago(thread.stillness.ran[1])
    };
    let is_gil_kept = threads.iter().any(waits_for_gil);
    let stands = |thread: &StandingThread| match thread.state {
        _ if waits_for_gil(thread) => true,
        State::Running | State::Runnable => is_gil_kept,
        _ => is_long_ago(thread.stillness.ran[0]),
    };
    if !threads.iter().all(stands) {
        return Verdict::Goes;
    }
    if is_gil_kept || threads.iter().any(|thread| !rests(thread)) {
        Verdict::Stalls {
            is_gil_kept: is_gil_kept && threads.iter().any(StandingThread::computes),
        }
    } else {
        Verdict::Idle
    }
}

#[cfg(test)]
mod tests {
    use sampler_trace::model::identifiers::{StackId, TrackId};

    use super::*;
    use crate::record::stillness::Stillness;

    const KEY: ProcessKey = ProcessKey(7);
    const SECOND: u64 = 1_000_000_000;

    /// A thread that has waited so since that second.
    fn waits(state: State, since: u64) -> StandingThread {
        StandingThread {
            track: TrackId(0),
            state,
            stillness: Stillness {
                stack: StackId(1),
                waits_for: state,
                since: KernelTime(since * SECOND),
                ran: [KernelTime(0); 2],
            },
        }
    }

    /// A thread that has run at one place since that second, and did so at these.
    fn runs(since: u64, ran: [u64; 2]) -> StandingThread {
        let mut thread = waits(State::Running, since);
        thread.stillness.waits_for = State::None;
        thread.stillness.ran = ran.map(|at| KernelTime(at * SECOND));
        thread
    }

    /// Stalls of ten seconds, of a process that was first looked at in second 1.
    struct Watched {
        stalls: Stalls,
        start: Instant,
        /// What a closer look finds.
        cpu: Duration,
        blocked: Vec<u32>,
        /// How many there were.
        closer_looks: u32,
    }

    impl Watched {
        fn new() -> Self {
            let mut watched = Self {
                stalls: Stalls::new(Duration::from_secs(10)),
                start: Instant::now(),
                cpu: Duration::ZERO,
                blocked: vec![7],
                closer_looks: 0,
            };
            assert_eq!(watched.look(1, &[waits(State::Io, 1)]), None);
            watched
        }

        /// Looks in a second; only threads in I/O or that sleep rest.
        fn look(&mut self, second: u64, threads: &[StandingThread]) -> Option<u64> {
            self.look_at(second, threads, 0)
        }

        fn look_at(&mut self, second: u64, threads: &[StandingThread], at: u64) -> Option<u64> {
            let rests = |thread: &StandingThread| {
                matches!(thread.stillness.waits_for, State::Io | State::Sleeping)
            };
            let now = KernelTime(second * SECOND);
            let suspicion = self
                .stalls
                .look((KEY, now), threads, rests, || Places(at))?;
            self.closer_looks += 1;
            let evidence = StallEvidence {
                at: self.start + Duration::from_secs(second),
                cpu: self.cpu,
                blocked: self.blocked.clone(),
            };
            let found = self.stalls.weigh(&suspicion, &evidence);
            found.map(|length| length.as_secs())
        }

        /// Looks in the second before as well.
        fn look_twice(&mut self, second: u64, threads: &[StandingThread]) -> Option<u64> {
            assert_eq!(self.look(second - 1, threads), None);
            self.look(second, threads)
        }
    }

    #[test]
    fn a_process_whose_threads_all_wait_for_locks_stalls_once() {
        let mut watched = Watched::new();
        let threads = [waits(State::Lock, 5), waits(State::Lock, 20)];
        assert_eq!(watched.look(24, &threads), None);
        assert_eq!(watched.closer_looks, 0);
        for second in 25..30 {
            assert_eq!(watched.look(second, &threads), None);
        }
        assert_eq!(watched.look(30, &threads), Some(10));
        let looks = watched.closer_looks;
        assert_eq!(watched.look(31, &threads), None);
        assert_eq!(watched.look(300, &threads), None);
        assert_eq!(watched.closer_looks, looks);
    }

    #[test]
    fn one_blocked_thread_is_enough_and_one_that_moves_too_many() {
        let mut watched = Watched::new();
        let idle = [waits(State::Io, 5), waits(State::Sleeping, 5)];
        assert_eq!(watched.look_twice(60, &idle), None);
        let moves = [waits(State::Lock, 20), waits(State::Io, 55)];
        assert_eq!(watched.look_twice(60, &moves), None);
        let ran = [waits(State::Lock, 20), runs(20, [59, 58])];
        assert_eq!(watched.look_twice(60, &ran), None, "it runs");
        let queued = [waits(State::Lock, 20), waits(State::Runnable, 20)];
        assert_eq!(watched.look_twice(60, &queued), None, "it would run");
        let mut woke = waits(State::Lock, 20);
        woke.stillness.ran[0] = KernelTime(59 * SECOND);
        assert_eq!(watched.look_twice(60, &[woke]), None, "it woke up");
        let blocked = [waits(State::Lock, 20), waits(State::Io, 20)];
        assert_eq!(watched.look_twice(60, &blocked), Some(40));
    }

    #[test]
    fn one_that_waits_for_work_by_its_system_calls_is_looked_at_once() {
        let mut watched = Watched::new();
        watched.blocked.clear();
        let threads = [waits(State::Lock, 20)];
        for second in 20..90 {
            assert_eq!(watched.look(second, &threads), None);
        }
        assert_eq!(watched.closer_looks, 1);
        watched.blocked.push(7);
        assert_eq!(watched.look_twice(120, &[waits(State::Lock, 91)]), Some(29));
    }

    #[test]
    fn one_that_computes_outside_of_python_does_not_stall_until_it_ends() {
        let mut watched = Watched::new();
        let threads = [waits(State::Lock, 20)];
        for second in 21..60 {
            watched.cpu += Duration::from_millis(200);
            assert_eq!(watched.look(second, &threads), None);
        }
        assert!(watched.closer_looks < 12, "{}", watched.closer_looks);
        let marked: Vec<_> = (60..80)
            .filter_map(|second| watched.look(second, &threads))
            .collect();
        assert!(matches!(marked[..], [45..55]), "{marked:?}");
        assert_eq!(watched.stalls.usual(), 0);
    }

    #[test]
    fn the_gil_that_is_not_given_back_is_a_stall_of_all() {
        let holder = runs(20, [39, 38]);
        let mut waiter = waits(State::WaitingForGil, 25);
        // A tick saw it ask for the GIL, and now it does so again.
        waiter.stillness.ran = [KernelTime(36 * SECOND), KernelTime(0)];
        waiter.state = State::Runnable;
        let mut watched = Watched::new();
        assert_eq!(watched.look_twice(34, &[holder, waiter]), None);
        watched.cpu += Duration::from_secs(6);
        assert_eq!(watched.look(40, &[holder, waiter]), Some(15));
        let mut queued = holder;
        queued.state = State::Runnable;
        assert_eq!(Watched::new().look(40, &[queued, waiter]), Some(15));
        // It waited for the GIL itself before it got it.
        let mut waited = holder;
        waited.stillness.waits_for = State::WaitingForGil;
        assert_eq!(Watched::new().look(40, &[waited, waiter]), Some(15));
        // While it computes alone, that is its work.
        assert_eq!(Watched::new().look_twice(40, &[holder]), None);
        // It gets the GIL again and again, and stands at one place by chance.
        waiter.stillness.ran = [39, 37].map(|second| KernelTime(second * SECOND));
        assert_eq!(Watched::new().look_twice(40, &[holder, waiter]), None);
        // The GIL is kept by a thread that sleeps.
        let sleeps = [waits(State::Sleeping, 20), waits(State::WaitingForGil, 20)];
        assert_eq!(Watched::new().look_twice(40, &sleeps), Some(20));
    }

    #[test]
    fn a_process_that_was_never_seen_working_does_not_stall() {
        let mut watched = Watched::new();
        // The first scan came after the first look.
        assert_eq!(watched.look_twice(60, &[waits(State::Lock, 2)]), None);
        assert_eq!(watched.look_twice(65, &[waits(State::Lock, 61)]), None);
        assert_eq!(watched.look_twice(71, &[waits(State::Lock, 61)]), Some(10));
    }

    #[test]
    fn the_same_places_again_count_only_if_it_takes_much_longer() {
        let mut watched = Watched::new();
        let stalls = |since| [waits(State::Lock, since)];
        assert_eq!(watched.look_twice(30, &stalls(20)), Some(10));
        assert_eq!(watched.look_twice(34, &stalls(20)), None);
        for second in 40..81 {
            assert_eq!(watched.look(second, &stalls(39)), None);
        }
        assert_eq!(watched.look(82, &stalls(82)), None, "it goes on");
        assert_eq!(watched.stalls.usual(), 1);
        for second in 83..82 + 5 * 41 {
            assert_eq!(watched.look(second, &stalls(82)), None);
        }
        assert_eq!(watched.look(82 + 5 * 41, &stalls(82)), Some(5 * 41));
        assert_eq!(watched.stalls.usual(), 1);
        // Another place has nothing to do with it.
        assert_eq!(watched.look_at(309, &stalls(300), 1), None);
        assert_eq!(watched.look_at(310, &stalls(300), 1), Some(10));
        // After a day it counts again.
        let later = 310 + 86_400 + 60;
        assert_eq!(watched.look_twice(later, &stalls(later - 10)), Some(10));
    }

    #[test]
    fn what_nobody_saw_is_no_stall() {
        let mut watched = Watched::new();
        let threads = [waits(State::Lock, 5)];
        watched.stalls.blind(KernelTime(55 * SECOND));
        assert_eq!(watched.look_twice(60, &threads), None);
        assert_eq!(watched.look_twice(65, &threads), Some(10));
        watched.stalls.retain(|_| false);
        assert!(watched.stalls.processes.is_empty());
        assert_eq!(watched.look(66, &[]), None);
    }
}
