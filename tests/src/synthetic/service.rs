// SPDX-License-Identifier: MIT OR Apache-2.0

//! A made-up service: its functions, the stacks they form, and what each thread does
//! next.

use sampler_trace::model::identifiers::{FrameId, StackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::State;
use sampler_trace::model::symbols::{Frame, Symbols};

use crate::random::Random;

const VERBS: [&str; 12] = [
    "load", "parse", "check", "price", "render", "store", "fetch", "merge", "sort", "encode",
    "sign", "send",
];
const NOUNS: [&str; 12] = [
    "order", "invoice", "customer", "basket", "report", "session", "index", "page", "query",
    "batch", "event", "token",
];
const FILES: [&str; 10] = [
    "/srv/app/orders/views.py",
    "/srv/app/orders/pricing.py",
    "/srv/app/billing/invoices.py",
    "/srv/app/core/middleware.py",
    "/srv/app/search/index.py",
    "/srv/venv/lib/python3.12/site-packages/sqlalchemy/orm/query.py",
    "/srv/venv/lib/python3.12/site-packages/requests/sessions.py",
    "/usr/lib/python3.12/json/decoder.py",
    "/usr/lib/python3.12/socket.py",
    "/usr/lib/python3.12/threading.py",
];

pub(crate) struct Service {
    interner: SymbolInterner,
    /// The stacks in which a thread does work.
    working: Vec<StackId>,
    idle: StackId,
    reading: StackId,
    locked: StackId,
    sleeping: StackId,
}

/// What one thread is doing.
pub(crate) struct Thread {
    at: usize,
    /// How often it does something else at a tick, in percent.
    restless: u32,
    /// How much of its time it works, in percent.
    busy: u32,
    works: bool,
    last: Option<(StackId, State)>,
}

impl Service {
    pub(crate) fn new(random: &mut Random, stacks: u32) -> Self {
        let mut interner = SymbolInterner::default();
        let entry = [
            (
                "/usr/lib/python3.12/threading.py",
                "Thread._bootstrap",
                1030,
            ),
            ("/usr/lib/python3.12/threading.py", "Thread.run", 1010),
            ("/srv/app/core/worker.py", "Worker.loop", 44),
        ];
        let mut frames: Vec<_> = entry
            .iter()
            .map(|&(file, function, line)| frame(&mut interner, file, function, line))
            .collect();
        let mut waits = |file: &str, function: &str, line| {
            let inner = frame(&mut interner, file, function, line);
            let path: Vec<_> = frames.iter().copied().chain([inner]).collect();
            interner.stack_of(path)
        };
        let idle = waits("/usr/lib/python3.12/queue.py", "Queue.get", 171);
        let reading = waits("/usr/lib/python3.12/socket.py", "SocketIO.readinto", 707);
        let locked = waits("/srv/app/billing/invoices.py", "Ledger.acquire_lock", 88);
        let sleeping = waits("/srv/app/core/retry.py", "back_off", 19);
        frames.push(frame(
            &mut interner,
            "/srv/app/core/worker.py",
            "Worker.handle_request",
            61,
        ));
        let mut paths = vec![frames];
        let mut working = Vec::new();
        for _ in 0..stacks.max(1) {
            let from = random.below(u32::try_from(paths.len()).unwrap_or(u32::MAX)) as usize;
            let mut path = paths[from].clone();
            for _ in 0..=random.below(3) {
                let file = FILES[random.below(10) as usize];
                let verb = VERBS[random.below(12) as usize];
                let noun = NOUNS[random.below(12) as usize];
                let line = 10 + random.below(40) * 7;
                path.push(frame(&mut interner, file, &format!("{verb}_{noun}"), line));
            }
            working.push(interner.stack_of(path.iter().copied()));
            if path.len() < 40 {
                paths.push(path);
            }
        }
        Self {
            interner,
            working,
            idle,
            reading,
            locked,
            sleeping,
        }
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        self.interner.symbols()
    }

    pub(crate) fn thread(&mut self, random: &mut Random) -> Thread {
        let count = u32::try_from(self.working.len()).unwrap_or(u32::MAX);
        Thread {
            at: random.below(count) as usize,
            restless: [8, 35, 60, 100][random.below(4) as usize],
            busy: 15 + random.below(80),
            works: true,
            last: None,
        }
    }

    /// Returns what the thread does from this tick on; `None` if that does not change.
    pub(crate) fn step(
        &self,
        thread: &mut Thread,
        random: &mut Random,
        tick: u64,
    ) -> Option<(StackId, State)> {
        if thread.last.is_some() && !random.chance(thread.restless) {
            return None;
        }
        let count = u32::try_from(self.working.len()).unwrap_or(u32::MAX);
        // Work comes in phases of 600 ticks, so that the timeline has a visible shape.
        let phase = (tick / 600) % 5;
        if random.chance(12) {
            thread.works = random.chance(if phase == 3 {
                thread.busy / 3
            } else {
                thread.busy
            });
        }
        let next = if thread.works {
            if random.chance(6) {
                thread.at = random.below(count) as usize;
            } else {
                let step = random.below(24) as usize;
                thread.at = (thread.at + step) % self.working.len();
            }
            let state = match random.below(20) {
                0 => State::WaitingForGil,
                1 => State::Runnable,
                2 => State::PageFault,
                _ => State::Running,
            };
            (self.working[thread.at], state)
        } else {
            match random.below(10) {
                0..=4 => (self.idle, State::Lock),
                5 | 6 => (self.reading, State::Io),
                7 => (self.sleeping, State::Sleeping),
                8 => (self.locked, State::Lock),
                _ => (self.idle, State::Waiting),
            }
        };
        if thread.last == Some(next) {
            return None;
        }
        thread.last = Some(next);
        Some(next)
    }
}

fn frame(interner: &mut SymbolInterner, file: &str, function: &str, line: u32) -> FrameId {
    let short = function.rsplit('.').next().unwrap_or(function);
    let source = interner.string(&format!("result = {short}(context, {line})"));
    let file = interner.string(file);
    let function = interner.string(function);
    interner.frame(Frame {
        file,
        function,
        line,
        source,
    })
}
