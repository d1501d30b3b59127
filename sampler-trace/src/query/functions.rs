// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds out which frames belong to the same function: they have the same name and file,
//! and differ only in their lines.

use rustc_hash::FxHashMap;

use crate::model::identifiers::{FrameId, StringId};
use crate::model::symbols::{Frame, Symbols};

/// The functions of a trace, numbered from 0.
#[derive(Debug)]
pub struct Functions {
    of_frames: Vec<u32>,
    names: Vec<(StringId, StringId)>,
}

impl Functions {
    /// All functions, in the order of their first frames.
    #[must_use]
    pub fn new(symbols: &Symbols) -> Self {
        let mut numbers: FxHashMap<(StringId, StringId), u32> = FxHashMap::default();
        let mut names = Vec::new();
        let of_frames = (0..symbols.frame_count())
            .map(|number| {
                let Frame { file, function, .. } =
                    symbols.frame(FrameId(number)).unwrap_or_default();
                let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
                *numbers.entry((file, function)).or_insert_with(|| {
                    names.push((file, function));
                    next
                })
            })
            .collect();
        Self { of_frames, names }
    }

    /// The number of a frame's function.
    #[must_use]
    pub fn of_frame(&self, frame: FrameId) -> u32 {
        self.of_frames.get(frame.index()).copied().unwrap_or(0)
    }

    /// The file and the name of a function.
    #[must_use]
    pub fn file_and_name(&self, function: u32) -> (StringId, StringId) {
        let names = self.names.get(function as usize);
        names.copied().unwrap_or_default()
    }

    /// How many functions there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }
}
