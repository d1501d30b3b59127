// SPDX-License-Identifier: MIT OR Apache-2.0

//! Damages every read and every word of every frozen process, one at a time. Damage may
//! cost frames but must never show a wrong one; see [`crate::judge`].

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use sampler_common::layout::{ABSENT, EntryKind};
use sampler_common::memory::UserMemory;
use sampler_common::stop::StopReason;
use tests::frozen::memory::{Damage, FrozenMemory};
use tests::frozen::replay::Replay;

use crate::case::Case;
use crate::judge::{AllowedDiffs, Kind};
use crate::parts::Parts;

/// In the zero page, which no process maps.
const UNMAPPED: u64 = 0x10;

/// Runs `check` on every case, on all CPUs.
fn for_every_case(check: impl Fn(&Case) + Sync) {
    let waiting = Mutex::new(Case::all());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no worker panicked").pop();
                    let Some(case) = next else { return };
                    check(&case);
                }
            });
        }
    });
}

/// Tries many kinds of damage on one thread, and judges the outcomes.
struct DamageJudge<'case> {
    case: &'case Case,
    parts: Parts,
}

impl<'case> DamageJudge<'case> {
    fn new(case: &'case Case) -> Self {
        let memory = FrozenMemory::new(&case.recorded, Damage::None);
        Self {
            case,
            parts: Parts::new(&memory, &case.config, &case.anatomy),
        }
    }

    fn allowed(&self, damage: &Damage) -> AllowedDiffs {
        let (range, kind) = match damage {
            Damage::None => (0..0, Kind::Unreadable),
            Damage::Unreadable(range) => (range.clone(), Kind::Unreadable),
            Damage::Changed { address, bytes } => {
                let is_zero = bytes.iter().all(|byte| *byte == 0);
                (
                    *address..address + bytes.len() as u64,
                    Kind::Changed { is_zero },
                )
            }
        };
        let parts = self.parts.touched(&range);
        AllowedDiffs::new(&self.case.config, &self.case.anatomy, kind, &parts)
    }

    fn try_damage(&self, damage: Damage) -> Replay {
        let allowed = self.allowed(&damage);
        let replay = self.case.replay(damage.clone());
        assert!(
            allowed.allow(&self.case.truth, &replay),
            "{} with {damage:x?} ends as {:?} and shows {:#?}",
            self.case.name,
            replay.stop,
            replay.shown
        );
        replay
    }

    fn try_bytes(&self, address: u64, bytes: &[u8]) -> Replay {
        let bytes = bytes.to_vec();
        self.try_damage(Damage::Changed { address, bytes })
    }
}

#[test]
fn an_unreadable_part_never_shows_a_wrong_frame() {
    for_every_case(|case| {
        let judge = DamageJudge::new(case);
        let mut stops = BTreeSet::new();
        for read in &case.reads {
            let hole = read.address..read.address + read.size;
            stops.insert(judge.try_damage(Damage::Unreadable(hole)).stop);
        }
        // Without a name the rest is shown; without a frame only the frames inside it.
        assert!(stops.contains(&StopReason::Complete), "{}", case.name);
        assert!(stops.contains(&StopReason::Fault), "{}", case.name);
    });
}

#[test]
fn a_changed_word_never_shows_a_wrong_frame() {
    for_every_case(|case| {
        let judge = DamageJudge::new(case);
        let mut stops = BTreeSet::new();
        let frames = &case.anatomy.frames;
        let mut done = BTreeSet::new();
        for read in &case.reads {
            let place = frames.iter().position(|it| it.address == read.address);
            let inner = place.unwrap_or(0).saturating_sub(1);
            let other_code = frames[(place.unwrap_or(0) + 2) % frames.len()].code;
            let values = [
                read.address,
                frames[inner].address,
                0,
                UNMAPPED,
                case.config.code_type,
                other_code,
                0xffff,
                u64::MAX,
            ];
            for address in (read.address.next_multiple_of(8)..read.address + read.size).step_by(8) {
                if done.insert(address) {
                    for value in values {
                        stops.insert(judge.try_bytes(address, &value.to_le_bytes()).stop);
                    }
                }
            }
        }
        let expected = [
            StopReason::Complete,
            StopReason::Fault,
            StopReason::NoFrame,
            StopReason::NotCode,
            StopReason::Circular,
        ];
        for stop in expected {
            assert!(stops.contains(&stop), "{}: never {stop:?}", case.name);
        }
        let has_end_marks = case.config.layout.frame.entry_kind != EntryKind::None as u8;
        assert_eq!(
            stops.contains(&StopReason::BrokenChain),
            has_end_marks,
            "{}",
            case.name
        );
    });
}

#[test]
fn a_garbage_length_never_shows_a_wrong_frame() {
    for_every_case(|case| {
        let judge = DamageJudge::new(case);
        let object = &case.config.layout.object;
        let fields = text_fields(case);
        let mut lengths: BTreeSet<u64> = BTreeSet::new();
        lengths.extend(
            fields
                .names
                .iter()
                .map(|at| at + u64::from(object.str_length)),
        );
        lengths.extend(
            fields
                .tables
                .iter()
                .map(|at| at + u64::from(object.bytes_size)),
        );
        for address in lengths {
            for shift in [0, 1, 3, 5, 8, 12, 13, 16, 31, 32, 47, 62, 63] {
                for length in [(1 << shift) - 1, 1 << shift, u64::MAX - shift] {
                    judge.try_bytes(address, &u64::to_le_bytes(length));
                }
            }
        }
    });
}

#[test]
fn a_garbage_kind_of_text_never_shows_a_wrong_frame() {
    for_every_case(|case| {
        let judge = DamageJudge::new(case);
        let object = &case.config.layout.object;
        for name in text_fields(case).names {
            // The byte that has kind, compact and ascii; its other bits do not matter.
            let state = name + u64::from(object.str_state + u16::from(object.str_kind_shift) / 8);
            for kind in 0..32 {
                judge.try_bytes(state, &[kind << (object.str_kind_shift % 8)]);
            }
        }
    });
}

/// The addresses of the strings and line tables of a thread's code objects.
struct TextFields {
    names: BTreeSet<u64>,
    tables: BTreeSet<u64>,
}

fn text_fields(case: &Case) -> TextFields {
    let memory = FrozenMemory::new(&case.recorded, Damage::None);
    let layout = &case.config.layout.code;
    let named = match layout.qualname {
        ABSENT => layout.name,
        qualname => qualname,
    };
    let all = |offset: u16| {
        let codes = case.anatomy.codes().into_iter();
        codes.map(move |code| code + u64::from(offset))
    };
    let word = |address| memory.read_u64(address).expect("a whole process");
    TextFields {
        names: all(layout.filename).chain(all(named)).map(word).collect(),
        tables: all(layout.linetable).map(word).collect(),
    }
}

#[test]
fn a_changed_owner_never_shows_a_wrong_frame() {
    for_every_case(|case| {
        let judge = DamageJudge::new(case);
        let layout = &case.config.layout.frame;
        if layout.entry_kind == EntryKind::None as u8 {
            return;
        }
        for frame in &case.anatomy.frames {
            for owner in [0, 1, 2, 3, 4, 5, 0x7f, 0x80, u8::MAX] {
                judge.try_bytes(frame.address + u64::from(layout.owner), &[owner]);
            }
        }
    });
}
