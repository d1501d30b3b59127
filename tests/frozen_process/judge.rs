// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decides whether what is shown of a damaged process may be shown, by comparing it
//! with what the interpreter reported.
//!
//! The rule: whatever is shown is the truth. A whole stack is the true one; a stack
//! with a marker for missing outer frames is an inner part of it. Showing nothing is
//! always right. The exceptions are those of [`AllowedDiffs`]: if damage hits the very bytes
//! that hold some information, nothing can detect it, and exactly that information may
//! differ.

use sampler_common::layout::{EntryKind, InstructionKind};
use sampler_common::process::ProcessConfig;
use sampler_common::stop::StopReason;
use tests::frozen::file::ExpectedFrame;
use tests::frozen::replay::Replay;

use crate::anatomy::Anatomy;
use crate::parts::Part;

/// Shown in place of a frame whose code object could not be read.
const UNKNOWN: &str = "<unknown code>";

/// What the damage did to the bytes that it hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// They cannot be read.
    Unreadable,
    /// They have other values; `is_zero` if all of them are zero.
    Changed { is_zero: bool },
}

/// How one frame may differ from the truth.
#[derive(Clone, Copy, Debug, Default)]
struct AllowedDiff {
    unknown: bool,
    function: bool,
    file: bool,
    line: bool,
}

impl AllowedDiff {
    fn covers(self, truth: &ExpectedFrame, shown: &ExpectedFrame) -> bool {
        let has_no_line = truth.0 == shown.0 && truth.1 == shown.1 && shown.2 == 0;
        (self.unknown && (shown.0 == UNKNOWN || has_no_line))
            || (self.function || truth.0 == shown.0)
                && (self.file || truth.1 == shown.1)
                && (self.line || truth.2 == shown.2)
    }
}

/// How a stack may differ from the truth.
#[derive(Clone, Debug)]
pub(crate) struct AllowedDiffs {
    frames: Vec<AllowedDiff>,
    /// The shown frame that may look like an entry frame, and so be missing.
    hidden: Option<usize>,
    /// The index at which an entry frame may appear as a Python frame.
    revealed: Option<usize>,
    /// The number of frames after which the chain may end for good.
    ends_after: Option<usize>,
    /// Whether unknown frames may come before that end.
    ends_astray: bool,
}

impl AllowedDiffs {
    /// Returns what damage to `parts` excuses.
    pub(crate) fn new(
        config: &ProcessConfig,
        anatomy: &Anatomy,
        kind: Kind,
        parts: &[Part],
    ) -> Self {
        let count = anatomy
            .frames
            .iter()
            .filter_map(|frame| frame.shown)
            .count();
        let mut allowed = Self {
            frames: vec![AllowedDiff::default(); count],
            hidden: None,
            revealed: None,
            ends_after: None,
            ends_astray: false,
        };
        for part in parts {
            allowed.add(config, anatomy, kind, *part);
        }
        allowed
    }

    fn add(&mut self, config: &ProcessConfig, anatomy: &Anatomy, kind: Kind, part: Part) {
        let is_changed = kind != Kind::Unreadable;
        let layout = &config.layout.frame;
        match part {
            // A code object that cannot be described is unknown.
            Part::Function(code) => self.each_of(anatomy, code, |excuse| {
                excuse.unknown = true;
                excuse.function = is_changed;
            }),
            Part::File(code) => self.each_of(anatomy, code, |excuse| {
                excuse.unknown = true;
                excuse.file = is_changed;
            }),
            Part::Lines(code) => self.each_of(anatomy, code, |excuse| {
                excuse.unknown = true;
                excuse.line = is_changed;
            }),
            // A frame that cannot be read ends the walk.
            _ if !is_changed => {}
            Part::Executable(index) => {
                // An address without a code object might be one that is paged out. If
                // the frame's position is a bare index, any other code object that is
                // long enough fits it; a pointer into the code object fits only that
                // one.
                let fits_others = layout.instruction_kind < InstructionKind::Pointer as u8;
                if let Some(excuse) = self.of_frame(anatomy, index) {
                    excuse.unknown = true;
                    excuse.function |= fits_others;
                    excuse.file |= fits_others;
                    excuse.line |= fits_others;
                }
            }
            Part::Instruction(index) => {
                if let Some(excuse) = self.of_frame(anatomy, index) {
                    excuse.line = true;
                }
            }
            Part::Owner(index) if layout.entry_kind >= EntryKind::Owner as u8 => {
                let frames = anatomy.frames.iter();
                let inner = frames.take(index).filter_map(|frame| frame.shown).count();
                match anatomy.frames[index].shown {
                    Some(shown) => self.hidden = Some(shown),
                    None => self.revealed = Some(inner),
                }
            }
            // Only the mark identifies the outermost frame, and any frame called from C
            // has it (3.11 to 3.14). Up to 3.10 there is none: the chain may even end
            // in memory that only looks like a last frame, whose code object is
            // unknown.
            Part::Previous(index) => {
                let is_unmarked = layout.entry_kind == EntryKind::None as u8;
                let is_zero = kind == Kind::Changed { is_zero: true };
                if is_unmarked || is_zero && anatomy.frames[index].has_end_mark {
                    let frames = anatomy.frames.iter().take(index + 1);
                    self.ends_after = Some(frames.filter_map(|frame| frame.shown).count());
                    self.ends_astray = is_unmarked && !is_zero;
                }
            }
            Part::Owner(_) => {}
        }
    }

    fn of_frame(&mut self, anatomy: &Anatomy, index: usize) -> Option<&mut AllowedDiff> {
        self.frames.get_mut(anatomy.frames[index].shown?)
    }

    fn each_of(&mut self, anatomy: &Anatomy, code: u64, change: impl Fn(&mut AllowedDiff)) {
        for frame in anatomy.frames.iter().filter(|frame| frame.code == code) {
            if let Some(excuse) = frame.shown.and_then(|shown| self.frames.get_mut(shown)) {
                change(excuse);
            }
        }
    }

    /// Whether `replay` shows nothing wrong.
    pub(crate) fn allow(&self, truth: &[ExpectedFrame], replay: &Replay) -> bool {
        let Ok(shown) = &replay.shown else {
            return true;
        };
        match replay.stop {
            StopReason::Complete => {
                let is = |chain: &[Option<usize>], shown: &[ExpectedFrame]| {
                    chain.len() == shown.len() && self.begins(chain, truth, shown)
                };
                let inner = match self.ends_astray {
                    true => without_unknown_end(shown),
                    false => shown,
                };
                let whole = self.chains(truth.len());
                let cut = self.ends_after.map(|end| self.chains(end));
                whole.iter().any(|chain| is(chain, shown))
                    || cut.iter().flatten().any(|chain| is(chain, inner))
            }
            StopReason::Truncated | StopReason::Fault | StopReason::OpenEnd => {
                let Some((marker, shown)) = shown.split_last() else {
                    return false;
                };
                // Frames that the walk found when it was already astray, and that have
                // no name, are not wrong names.
                let shown = without_unknown_end(shown);
                marker.0.starts_with("<outer frames")
                    && self
                        .chains(truth.len())
                        .iter()
                        .any(|chain| self.begins(chain, truth, shown))
            }
            _ => false,
        }
    }

    /// Returns the chains that may be seen, as indexes of true frames; `None` for a
    /// frame that may be anything.
    fn chains(&self, end: usize) -> Vec<Vec<Option<usize>>> {
        let whole: Vec<Option<usize>> = (0..end).map(Some).collect();
        let mut chains = vec![whole.clone()];
        if let Some(hidden) = self.hidden {
            let rest = whole.iter().filter(|at| **at != Some(hidden));
            chains.push(rest.copied().collect());
        }
        if let Some(revealed) = self.revealed.filter(|at| *at <= end) {
            let mut longer = whole;
            longer.insert(revealed, None);
            chains.push(longer);
        }
        chains
    }

    fn begins(
        &self,
        chain: &[Option<usize>],
        truth: &[ExpectedFrame],
        shown: &[ExpectedFrame],
    ) -> bool {
        shown.len() <= chain.len()
            && shown.iter().zip(chain).all(|(shown, at)| match at {
                Some(at) => self.frames[*at].covers(&truth[*at], shown),
                None => true,
            })
    }
}

fn without_unknown_end(shown: &[ExpectedFrame]) -> &[ExpectedFrame] {
    let known = shown.iter().rposition(|frame| frame.0 != UNKNOWN);
    &shown[..known.map_or(0, |last| last + 1)]
}
