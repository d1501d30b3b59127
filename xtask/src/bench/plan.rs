//! How long and how often each thing is measured. It refuses to know how.

use std::time::Duration;

/// One run's durations and repetitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Repetitions of a phase at 1000 Hz.
    pub(super) repetitions: usize,
    /// How long the target works in one such phase.
    pub(super) busy: Duration,
    /// How long it stands still in between.
    pub(super) idle: Duration,
    /// Repetitions of a phase at 10 Hz, which has a hundredth of the samples.
    pub(super) slow_repetitions: usize,
    /// How long the target works in one of those.
    pub(super) slow_busy: Duration,
    /// Pairs of with and without, for each rate.
    pub(super) pairs: usize,
    /// CPU time that the target works in each half of a pair.
    pub(super) half: Duration,
    /// How long the many processes are recorded.
    pub(super) memory: Duration,
    /// Recordings of the many processes.
    pub(super) memory_repetitions: usize,
}

impl Plan {
    /// Some ten minutes, or with `quick` less than two.
    pub(super) fn new(quick: bool) -> Self {
        let ms = Duration::from_millis;
        if quick {
            Self {
                repetitions: 3,
                busy: ms(500),
                idle: ms(200),
                slow_repetitions: 2,
                slow_busy: ms(3000),
                pairs: 3,
                half: ms(400),
                memory: ms(3000),
                memory_repetitions: 1,
            }
        } else {
            Self {
                repetitions: 7,
                busy: ms(2000),
                idle: ms(500),
                slow_repetitions: 5,
                slow_busy: ms(10_000),
                pairs: 15,
                half: ms(2000),
                memory: ms(10_000),
                memory_repetitions: 3,
            }
        }
    }
}
