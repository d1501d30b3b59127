// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a stack as one line of text, without its time.

use crate::model::identifiers::{FrameId, StackId};
use crate::model::row::State;
use crate::model::symbols::Symbols;
use crate::query::aggregate::Group;
use crate::query::labels;
use crate::query::view::TraceView;

/// Labels of frames are kept up to this many bytes; others are rendered each time.
const KEPT: usize = 64 << 20;

/// The frames that every stack of a group begins with: its process and, unless threads
/// are merged, its thread.
pub(in crate::formats) fn base(view: &TraceView<'_>, group: &Group) -> String {
    let process = view.trace().tracks.process(group.process);
    let mut base = process.map(labels::process).unwrap_or_default();
    let thread = group.thread.and_then(|id| view.thread(id));
    if let Some((track, _)) = thread {
        base.push(';');
        base.push_str(&labels::thread(track));
    }
    base
}

/// Writes stacks, each frame rendered once.
pub(in crate::formats) struct StackLines<'a> {
    symbols: &'a Symbols,
    labels: Vec<Option<Box<str>>>,
    kept: usize,
    path: Vec<FrameId>,
}

impl<'a> StackLines<'a> {
    pub(in crate::formats) fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            labels: vec![None; symbols.frame_count() as usize],
            kept: 0,
            path: Vec::new(),
        }
    }

    /// Appends `;outermost;…;innermost`, and the state as one more frame for a
    /// thread that does not run.
    pub(in crate::formats) fn put(&mut self, stack: StackId, state: State, out: &mut Vec<u8>) {
        let mut path = std::mem::take(&mut self.path);
        self.symbols.frames_of(stack, &mut path);
        for &frame in &path {
            out.push(b';');
            self.put_label(frame, out);
        }
        self.path = path;
        if let Some(state) = labels::state(state) {
            out.push(b';');
            out.extend_from_slice(state.as_bytes());
        }
    }

    fn put_label(&mut self, frame: FrameId, out: &mut Vec<u8>) {
        let slot = self.labels.get_mut(frame.index());
        if let Some(Some(label)) = &slot {
            out.extend_from_slice(label.as_bytes());
            return;
        }
        let label = labels::frame(self.symbols, frame);
        out.extend_from_slice(label.as_bytes());
        if let Some(slot) = slot.filter(|_| self.kept < KEPT) {
            self.kept += label.len();
            *slot = Some(label.into());
        }
    }
}
