//! How long and how often each thing is measured. It refuses to know how.

use std::time::Duration;

use super::pyebpf::RHYTHM;

/// One run's durations and repetitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Whether some things are left out.
    pub(super) is_quick: bool,
    /// Whether py-spy is measured without stopping the target as well.
    pub(super) has_nonblocking: bool,
    /// What a sample costs, with each Python.
    pub(super) sample: SamplePlan,
    /// How much slower the target gets.
    pub(super) pairs: PairPlan,
    /// pyebpf beside other profilers.
    pub(super) turns: Turns,
    /// Curves: cost against depth, threads, processes.
    pub(super) growth: GrowthPlan,
    /// Memory, and the time to the first sample.
    pub(super) many: ManyPlan,
    /// How long each profiler's stacks are collected to be judged.
    pub(super) oracle: Duration,
}

/// Phases of a target that runs and stands still in turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct SamplePlan {
    /// Every how many Pythons one is measured; the newest always.
    pub(super) stride: usize,
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
}

/// Pairs of with and without.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairPlan {
    /// For each rate.
    pub(super) pairs: usize,
    /// CPU time that the target works each time: enough to be hit for sure at
    /// 10 Hz.
    pub(super) half: Duration,
}

/// Turns of one profiler at one target, beside others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    /// Of each profiler.
    pub(super) repetitions: usize,
    /// How long a profiler runs before anything counts: what it looks up once is
    /// known then.
    pub(super) warm_up: Duration,
    /// How long it is measured, and as long the target without it.
    pub(super) window: Duration,
    /// It is measured for at least this, divided by its rate.
    pub(super) looks: Duration,
}

/// Points of curves.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrowthPlan {
    /// Measurements of each point.
    pub(super) repetitions: usize,
    /// Before the first of a point.
    pub(super) warm_up: Duration,
    /// How long one takes.
    pub(super) window: Duration,
    /// Every how many points of a curve one is measured; the last one always.
    pub(super) stride: usize,
}

/// Recordings of many processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ManyPlan {
    /// How long one takes.
    pub(super) seconds: Duration,
    /// For memory.
    pub(super) repetitions: usize,
    /// For the time to the first sample.
    pub(super) starts: usize,
}

impl Plan {
    /// Some fifteen minutes, or with `quick` less than three.
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
            turns: Turns {
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
            turns: Turns {
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
