// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the parts of one frozen thread are: its frames and their code objects, found
//! by plain reads instead of the walker.

use sampler_common::layout::{EntryKind, FrameHead};
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;
use sampler_common::window::Window;

/// Owners from this value on mark entry frames.
const FIRST_ENTRY_OWNER: u8 = 3;

/// A frame of the chain, which may be an entry frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FramePlace {
    pub(crate) address: u64,
    /// The code object that it runs.
    pub(crate) code: u64,
    /// Its index among the frames that are shown; `None` for an entry frame or a helper.
    pub(crate) shown: Option<usize>,
    /// Whether the chain may end with it.
    pub(crate) has_end_mark: bool,
}

/// A thread's frames, innermost first.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    pub(crate) thread_state: u64,
    pub(crate) frames: Vec<FramePlace>,
}

impl Anatomy {
    /// Follows the frame chain of a thread state whose memory is intact.
    pub(crate) fn read(
        memory: &impl UserMemory,
        config: &ProcessConfig,
        thread_state: u64,
    ) -> Self {
        let layout = &config.layout;
        let word = |base: u64, offset: u16| {
            memory
                .read_u64(base + u64::from(offset))
                .expect("a whole process")
        };
        let mut address = word(thread_state, layout.thread.frame_head);
        if layout.thread.head_kind == FrameHead::CFrame as u8 {
            address = word(address, layout.thread.cframe_current_frame);
        }
        let mut frames = Vec::new();
        let mut shown = 0;
        while address != 0 {
            let mut frame = Window::zeroed();
            frame
                .load(memory, address, layout.frame.read_size)
                .expect("a whole process");
            let owner = frame.u8_at(layout.frame.owner);
            let kind = layout.frame.entry_kind;
            let is_entry = kind >= EntryKind::Owner as u8 && owner >= FIRST_ENTRY_OWNER;
            let code = frame.u64_at(layout.frame.executable) & !u64::from(layout.frame.tag_mask);
            let is_helper = layout.code.has_init_cleanup == 1
                && !is_entry
                && word(code, layout.code.filename) == word(code, layout.code.name);
            let is_shown = !is_entry && !is_helper;
            frames.push(FramePlace {
                address,
                code,
                shown: is_shown.then_some(shown),
                has_end_mark: kind == EntryKind::None as u8
                    || kind == EntryKind::IsEntry as u8 && owner == 1
                    || kind >= EntryKind::Owner as u8 && is_entry,
            });
            shown += usize::from(is_shown);
            address = frame.u64_at(layout.frame.previous);
        }
        Self {
            thread_state,
            frames,
        }
    }

    /// Returns the code objects of the frames that are shown, each once.
    pub(crate) fn codes(&self) -> Vec<u64> {
        let shown = self.frames.iter().filter(|frame| frame.shown.is_some());
        let mut codes: Vec<u64> = shown.map(|frame| frame.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}
