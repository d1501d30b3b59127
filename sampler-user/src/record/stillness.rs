// SPDX-License-Identifier: MIT OR Apache-2.0

//! Since when each thread of a trace stands where it stands.

use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::row::State;

/// Since when a thread stands where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stillness {
    /// Where that is.
    pub stack: StackId,
    /// What it waited for there the last time, other than a CPU; `None` if it did not.
    pub waits_for: State,
    /// When it was first seen there, or first waiting there for that without having run
    /// since. One that sleeps or waits for the GIL may have woken up.
    pub since: KernelTime,
    /// The last two ticks that found it running, the latest first; 0 without.
    pub ran: [KernelTime; 2],
}

/// What a thread does, and since when.
#[derive(Clone, Copy, Debug)]
pub struct StandingThread {
    /// Its row in the current trace file.
    pub track: TrackId,
    /// The state of that row.
    pub state: State,
    /// Since when it stands there.
    pub stillness: Stillness,
}

impl StandingThread {
    /// Whether it computes, or would if it had a CPU. A thread that waits for the GIL is seen
    /// running once in a while, when it asks for it again.
    pub fn computes(&self) -> bool {
        let Stillness {
            waits_for,
            since,
            ran,
            ..
        } = self.stillness;
        let has_gone_on = waits_for == State::None || ran[1] > since;
        matches!(self.state, State::Running | State::Runnable) && has_gone_on
    }
}

impl Stillness {
    fn runs(&mut self, stack: StackId, time: KernelTime) {
        if self.stack != stack {
            self.stack = stack;
            self.waits_for = State::None;
            self.since = time;
        }
        self.ran = [time, self.ran[0]];
    }

    fn waits(&mut self, stack: StackId, state: State, time: KernelTime) {
        self.restates(stack, state, time);
        // It has run since it was looked at before. One that asks for the GIL wakes up every
        // 5 ms, and a sleep ends by itself: those have not moved. Any other has, though it
        // may wait for the next thing at the same place, such as a consumer of messages.
        let is_still = matches!(self.waits_for, State::WaitingForGil | State::Sleeping);
        if !is_still && state != State::Runnable {
            self.since = time;
        }
    }

    fn restates(&mut self, stack: StackId, state: State, time: KernelTime) {
        // That it waits for a CPU now and then changes nothing.
        let waits_for = match state {
            State::Runnable if self.stack == stack => self.waits_for,
            State::Runnable => State::None,
            state => state,
        };
        if (self.stack, self.waits_for) != (stack, waits_for) {
            self.stack = stack;
            self.waits_for = waits_for;
            self.since = time;
        }
    }
}

/// The threads of a trace, by the index of their tracks.
#[derive(Debug, Default)]
pub(super) struct StillThreads(Vec<Stillness>);

impl StillThreads {
    /// Takes in that a thread was seen running.
    pub(super) fn runs(&mut self, track: TrackId, stack: StackId, time: KernelTime) {
        self.of(track).runs(stack, time);
    }

    /// Takes in that a thread was seen waiting, and has run since it was looked at before.
    pub(super) fn waits(&mut self, track: TrackId, seen: (StackId, State), time: KernelTime) {
        self.of(track).waits(seen.0, seen.1, time);
    }

    /// Takes in that a thread that has not run has another state.
    pub(super) fn restates(&mut self, track: TrackId, state: State, time: KernelTime) {
        let thread = self.of(track);
        thread.restates(thread.stack, state, time);
    }

    /// Takes over a thread of another trace, in which its stack has another number.
    pub(super) fn carry_over(&mut self, track: TrackId, stack: StackId, before: Stillness) {
        *self.of(track) = Stillness { stack, ..before };
    }

    pub(super) fn get(&self, track: TrackId) -> Option<Stillness> {
        self.0.get(track.index()).copied()
    }

    fn of(&mut self, track: TrackId) -> &mut Stillness {
        let number = track.index();
        if self.0.len() <= number {
            self.0.resize(number + 1, Stillness::default());
        }
        &mut self.0[number]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: TrackId = TrackId(1);
    const HERE: StackId = StackId(5);
    const THERE: StackId = StackId(6);

    fn since(threads: &StillThreads) -> u64 {
        threads.get(TRACK).expect("it was seen").since.0
    }

    #[test]
    fn a_thread_that_wakes_up_where_it_waited_stands_still() {
        let mut threads = StillThreads::default();
        threads.waits(TRACK, (HERE, State::WaitingForGil), KernelTime(10));
        threads.runs(TRACK, HERE, KernelTime(20));
        threads.waits(TRACK, (HERE, State::Runnable), KernelTime(30));
        threads.waits(TRACK, (HERE, State::WaitingForGil), KernelTime(40));
        threads.runs(TRACK, HERE, KernelTime(50));
        assert_eq!(since(&threads), 10);
        let ran = threads.get(TRACK).map(|thread| thread.ran);
        assert_eq!(ran, Some([KernelTime(50), KernelTime(20)]));
    }

    #[test]
    fn a_thread_that_waits_again_where_it_waited_has_moved_unless_it_sleeps() {
        let mut threads = StillThreads::default();
        threads.waits(TRACK, (HERE, State::Io), KernelTime(10));
        threads.waits(TRACK, (HERE, State::Io), KernelTime(20));
        assert_eq!(since(&threads), 20);
        threads.restates(TRACK, State::Runnable, KernelTime(30));
        threads.restates(TRACK, State::Io, KernelTime(40));
        assert_eq!(since(&threads), 20);
        threads.waits(TRACK, (HERE, State::Sleeping), KernelTime(50));
        threads.waits(TRACK, (HERE, State::Sleeping), KernelTime(60));
        assert_eq!(since(&threads), 50);
    }

    #[test]
    fn another_place_or_another_wait_is_a_move() {
        let mut threads = StillThreads::default();
        threads.waits(TRACK, (HERE, State::Lock), KernelTime(10));
        threads.restates(TRACK, State::Stopped, KernelTime(20));
        assert_eq!(since(&threads), 20);
        threads.runs(TRACK, THERE, KernelTime(30));
        assert_eq!(since(&threads), 30);
        // To begin to wait is one too: it ran until then.
        threads.waits(TRACK, (THERE, State::Lock), KernelTime(40));
        assert_eq!(since(&threads), 40);
        threads.waits(TRACK, (HERE, State::Runnable), KernelTime(50));
        assert_eq!(since(&threads), 50);
    }

    #[test]
    fn another_trace_changes_nothing_but_the_number() {
        let mut threads = StillThreads::default();
        threads.waits(TRACK, (HERE, State::Lock), KernelTime(10));
        let mut next = StillThreads::default();
        let before = threads.get(TRACK).expect("it was seen");
        next.carry_over(TrackId(0), StackId(1), before);
        next.restates(TrackId(0), State::Lock, KernelTime(90));
        assert_eq!(
            next.get(TrackId(0)).map(|it| it.since),
            Some(KernelTime(10))
        );
        assert_eq!(next.get(TRACK), None);
    }
}
