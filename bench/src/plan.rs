// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long and how often each thing is measured, in a full and in a quick run.

use std::time::Duration;

use super::pyebpf::RHYTHM;

/// The durations and repetitions of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Whether this is a quick run, which leaves some measurements out.
    pub(super) is_quick: bool,
    /// Whether py-spy is also measured in its non-blocking mode.
    pub(super) has_nonblocking: bool,
    /// What a sample costs, with each Python.
    pub(super) sample: SamplePlan,
    /// How much slower the target gets.
    pub(super) pairs: PairPlan,
    /// pyebpf compared with other profilers.
    pub(super) rounds: Rounds,
    /// Curves: cost against depth, threads, processes.
    pub(super) growth: GrowthPlan,
    /// Memory, and the time to the first sample.
    pub(super) many: ManyPlan,
    /// How long each profiler records the stacks that are judged.
    pub(super) oracle: Duration,
}

/// Phases of a target that runs and is stopped in turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct SamplePlan {
    /// Of this many Pythons, one is measured; the newest always is.
    pub(super) stride: usize,
    /// Repetitions of a phase at 1000 Hz.
    pub(super) repetitions: usize,
    /// How long the target works in such a phase.
    pub(super) busy: Duration,
    /// How long it is stopped in between.
    pub(super) idle: Duration,
    /// Repetitions of a phase at 10 Hz, which has a hundredth of the samples.
    pub(super) slow_repetitions: usize,
    /// How long the target works in a phase at 10 Hz.
    pub(super) slow_busy: Duration,
}

/// Pairs of measurements, with and without sampling.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairPlan {
    /// The number of pairs for each rate.
    pub(super) pairs: usize,
    /// The CPU time for which the target works each time: long enough that even ticks
    /// at 10 Hz are certain to hit it.
    pub(super) half: Duration,
}

/// The rounds of each profiler at a target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    /// The number of rounds of each profiler.
    pub(super) repetitions: usize,
    /// How long a profiler runs before the measurement begins, by which time it knows
    /// what it looks up only once.
    pub(super) warm_up: Duration,
    /// How long a profiler is measured, and how long the target is measured without it.
    pub(super) window: Duration,
    /// The least time for which a profiler is measured is this, divided by the rate in
    /// Hz.
    pub(super) looks: Duration,
}

/// Measurements of the points of curves.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrowthPlan {
    /// Measurements of each point.
    pub(super) repetitions: usize,
    /// How long pyebpf runs before the first measurement of a point.
    pub(super) warm_up: Duration,
    /// How long one measurement takes.
    pub(super) window: Duration,
    /// Of this many points of a curve, one is measured; the first and the last always
    /// are.
    pub(super) stride: usize,
}

/// Recordings of many processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ManyPlan {
    /// How long one recording takes.
    pub(super) seconds: Duration,
    /// The number of recordings that measure memory.
    pub(super) repetitions: usize,
    /// The number of recordings that measure the time to the first sample.
    pub(super) starts: usize,
}

impl Plan {
    /// Returns the plan for a run of some fifteen minutes, or with `quick` of less than
    /// three.
    pub(super) fn new(quick: bool) -> Self {
        if quick { Self::quick() } else { Self::full() }
    }

    fn quick() -> Self {
        let ms = Duration::from_millis;
        Self {
            is_quick: true,
            has_nonblocking: false,
            sample: SamplePlan {
                stride: 2,
                repetitions: 1,
                busy: ms(500),
                idle: ms(500),
                slow_repetitions: 1,
                slow_busy: ms(2000),
            },
            pairs: PairPlan {
                pairs: 6,
                half: ms(300),
            },
            rounds: Rounds {
                repetitions: 1,
                warm_up: ms(150),
                window: ms(250),
                looks: ms(3000),
            },
            growth: GrowthPlan {
                repetitions: 1,
                warm_up: ms(150),
                window: RHYTHM,
                stride: 4,
            },
            many: ManyPlan {
                seconds: ms(1500),
                repetitions: 1,
                starts: 3,
            },
            oracle: ms(700),
        }
    }

    fn full() -> Self {
        let ms = Duration::from_millis;
        Self {
            is_quick: false,
            has_nonblocking: true,
            sample: SamplePlan {
                stride: 1,
                repetitions: 4,
                busy: ms(1000),
                idle: ms(500),
                slow_repetitions: 4,
                slow_busy: ms(6000),
            },
            pairs: PairPlan {
                pairs: 32,
                half: ms(400),
            },
            rounds: Rounds {
                repetitions: 3,
                warm_up: ms(200),
                window: ms(350),
                looks: ms(10_000),
            },
            growth: GrowthPlan {
                repetitions: 3,
                warm_up: ms(300),
                window: RHYTHM,
                stride: 1,
            },
            many: ManyPlan {
                seconds: ms(4000),
                repetitions: 2,
                starts: 10,
            },
            oracle: ms(2000),
        }
    }
}
