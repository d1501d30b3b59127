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
    /// CPU time that the target works in each half of a pair: enough to be hit
    /// for sure at 10 Hz.
    pub(super) half: Duration,
    /// How long the many processes are recorded.
    pub(super) memory: Duration,
    /// Recordings of the many processes.
    pub(super) memory_repetitions: usize,
    /// Wall-clock mode beside other profilers.
    pub(super) wall: WallPlan,
}

/// Durations and repetitions of one profiler at one target, beside others.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallPlan {
    /// Turns of each profiler.
    pub(super) repetitions: usize,
    /// How long a profiler runs before anything counts: what it looks up once is
    /// known then.
    pub(super) warm_up: Duration,
    /// How long it is measured, and as long the target without it.
    pub(super) window: Duration,
}

impl Plan {
    /// Some eighteen minutes, or with `quick` some four.
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
                half: ms(1000),
                memory: ms(3000),
                memory_repetitions: 1,
                wall: WallPlan {
                    repetitions: 2,
                    warm_up: ms(500),
                    window: ms(1000),
                },
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
                wall: WallPlan {
                    repetitions: 5,
                    warm_up: ms(1000),
                    window: ms(3000),
                },
            }
        }
    }
}
