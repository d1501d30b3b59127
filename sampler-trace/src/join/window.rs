// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wanted time on the joined clock.

use crate::container::info::TraceInfo;
use crate::join::clock::{Place, SLEW};
use crate::join::options::JoinOptions;
use crate::model::identifiers::KernelTime;
use crate::model::row::{State, Weight};

/// From when to when rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JoinWindow {
    pub(super) from: KernelTime,
    pub(super) to: KernelTime,
}

impl Default for JoinWindow {
    fn default() -> Self {
        Self {
            from: KernelTime(0),
            to: KernelTime(u64::MAX),
        }
    }
}

/// A row as it is in the chunks, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: KernelTime,
    pub(super) state: State,
    /// The sum of its weights so far.
    pub(super) total: Weight,
    /// Whether it began in a chunk that is not there.
    pub(super) is_carried: bool,
}

impl JoinWindow {
    /// The wanted time of a chunk. Clocks that were not set keep the window of the chunk
    /// before, so that it has one beginning and one end.
    pub(super) fn for_chunk(
        options: &JoinOptions,
        info: &TraceInfo,
        place: &Place,
        before: Option<Self>,
    ) -> Self {
        let at = |unix_us| place.at_unix(info, unix_us);
        let own = Self {
            from: options.from_us.map_or(KernelTime(0), at),
            to: options.to_us.map_or(KernelTime(u64::MAX), at),
        };
        match before {
            Some(before) if place.is_same_boot && before.is_near(own) => before,
            _ => own,
        }
    }

    fn is_near(self, other: Self) -> bool {
        let near = |a: KernelTime, b: KernelTime| a.since(b) <= SLEW && b.since(a) <= SLEW;
        near(self.from, other.from) && near(self.to, other.to)
    }

    /// Returns the part of a row's weight that the window has of it, if it lasts until
    /// `until`: its samples are assumed to be spread evenly over it.
    ///
    /// Samples of a wait arrive when it ends. Where it began in a chunk that is not there,
    /// they stand for no more than the time since.
    pub(super) fn share(self, span: &Span, until: KernelTime) -> Weight {
        let length = until.0.saturating_sub(span.start.0);
        let mut weight = span.total;
        let nanoseconds = weight.nanoseconds();
        if span.is_carried && span.state != State::Running && nanoseconds > length {
            weight = weight.scaled(length, nanoseconds);
        }
        if span.start >= self.from && until <= self.to {
            return weight;
        }
        let part = until
            .min(self.to)
            .0
            .saturating_sub(span.start.max(self.from).0);
        weight.scaled(part, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: JoinWindow = JoinWindow {
        from: KernelTime(1000),
        to: KernelTime(2000),
    };

    fn span(start: u64, state: State, is_carried: bool) -> Span {
        Span {
            start: KernelTime(start),
            state,
            total: Weight {
                system: 3,
                ..Weight::of_samples(10, 60)
            },
            is_carried,
        }
    }

    #[test]
    fn a_row_counts_for_what_lies_inside() {
        let share = |start, until| {
            let weight = WINDOW.share(&span(start, State::Running, false), KernelTime(until));
            (weight.nanoseconds(), weight.system_nanoseconds())
        };
        assert_eq!(share(1000, 2000), (600, 30));
        assert_eq!(share(500, 1500), (300, 15));
        assert_eq!(share(1500, 2500), (300, 15));
        assert_eq!(share(0, 3000), (200, 10));
        assert_eq!(
            share(1400, 1400),
            (600, 30),
            "a wait that became known late"
        );
        assert_eq!(share(2000, 2500), (0, 0));
    }

    #[test]
    fn a_wait_from_before_the_chunks_counts_for_no_more_than_the_time_since() {
        let share = |start, state, until| {
            let weight = WINDOW.share(&span(start, state, true), KernelTime(until));
            (weight.nanoseconds(), weight.system_nanoseconds())
        };
        assert_eq!(share(1100, State::Lock, 1400), (300, 15));
        assert_eq!(share(1100, State::Lock, 1900), (600, 30));
        assert_eq!(share(1100, State::Running, 1400), (600, 30));
        assert_eq!(share(900, State::Lock, 1200), (200, 10));
    }

    #[test]
    fn a_clock_that_was_not_set_keeps_the_window() {
        use crate::join::clock::JoinClock;

        let info = |start, unix_start_us| TraceInfo {
            boot: "a".into(),
            start: KernelTime(start),
            unix_start_us,
            ..TraceInfo::default()
        };
        let options = JoinOptions {
            from_us: Some(30_000_000),
            ..JoinOptions::default()
        };
        let first = info(10_000_000_000, 20_000_000);
        let mut clock = JoinClock::default();
        let place = clock.place(&first, KernelTime(0));
        let window = JoinWindow::for_chunk(&options, &first, &place, None);
        assert_eq!(window.from.0, 20_000_000_000);
        for (unix_us, from) in [(25_000_300, 20_000_000_000), (28_000_000, 17_000_000_000)] {
            let next = info(15_000_000_000, unix_us);
            let place = clock.place(&next, KernelTime(15_000_000_000));
            let later = JoinWindow::for_chunk(&options, &next, &place, Some(window));
            assert_eq!(later.from.0, from);
        }
    }
}
