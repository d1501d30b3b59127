// SPDX-License-Identifier: MIT OR Apache-2.0

//! Follows the chain of interpreter frames from the innermost outwards and writes one
//! [`RawFrame`] for each that runs Python code. Shows nothing that it has not checked.
//!
//! For every frame it checks that what the frame executes is a code object, and that the
//! instruction lies inside it; for the chain, that it ends the way a whole chain ends, or
//! else the sample says that its end is not proven. A thread can be interrupted while it
//! pushes a frame; then one of the checks fails, and the sample says so instead of
//! showing a wrong stack.

use crate::code_cache::{CachedCode, CodeCache};
use crate::data_stack::{DataStack, FramePlace, frame_size};
use crate::fingerprint::code_key;
use crate::frame_object;
use crate::frame_window::FrameWindow;
use crate::layout::{ABSENT, EntryKind, FrameHead, InstructionKind};
use crate::life::InterpreterLife;
use crate::memory::{MemoryFault, Next, Step, UserMemory};
use crate::process::ProcessConfig;
use crate::sample::{CodeKey, LINE_NOT_STORED, MAX_FRAMES, RawFrame};
use crate::stop::StopReason;
use crate::window::Window;

/// The most code objects that one sample asks to have described.
pub const MAX_UNKNOWN: usize = 64;
/// The most frames that a walk looks at, entry frames included.
pub const MAX_STEPS: u32 = 2 * MAX_FRAMES as u32 + 16;
/// The lowest `owner` of an entry frame (`FRAME_OWNED_BY_CSTACK` of 3.12,
/// `FRAME_OWNED_BY_INTERPRETER` of 3.14).
const FIRST_ENTRY_OWNER: u8 = 3;

/// Which code objects user space already has the names of.
pub trait KnownCode {
    /// Whether user space has the names of this one, so that it needs no description.
    fn is_known(&self, key: CodeKey) -> bool;
}

/// What is known about code objects before a walk looks at them.
pub struct Codes<'a, K> {
    /// Those that user space has the names of.
    pub known: &'a K,
    /// Those that earlier walks with the same table have read.
    pub cache: &'a mut CodeCache,
}

/// Memory of a walk, which is too large for a BPF stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Walk {
    frame: FrameWindow,
    code: Window,
    /// The frame to look at next.
    next: u64,
    /// Where the chain was some frames ago; see [`Walk::is_circular`].
    landmark: u64,
    base_frame: u64,
    data_stack: DataStack,
    /// Address of the `PyInterpreterState` that the thread runs in.
    pub interpreter: u64,
    /// The life of that interpreter.
    pub life: InterpreterLife,
    /// Why the walk ended: a [`StopReason`].
    pub stop: u32,
    /// The number of frames looked at, entry frames included.
    steps: u32,
    /// The number of frames written.
    pub depth: u32,
    /// The number of frames whose code objects user space does not know yet.
    pub unknown_count: u32,
    /// The number of frames whose code objects could not be read: user space should try
    /// soon, while they are still there.
    pub unread_count: u32,
    /// The `line` of the innermost frame where it runs code of the JIT,
    /// [`LINE_NOT_STORED`]; else 0.
    innermost_mark: u32,
    /// 1 where the current frame lies in its own frame object; see [`crate::frame_object`].
    in_own_object: u32,
    /// The line that this object stores.
    own_line: u32,
    /// The address that could not be read, for [`StopReason::Fault`], and for
    /// [`StopReason::FrameNotLinked`] where the fault is why nothing showed the link; else 0.
    pub stop_address: u64,
    /// Positions of the first `unknown_count` frames whose code objects user space does
    /// not know yet, as far as there is room.
    pub unknown: [u16; MAX_UNKNOWN],
}

impl Walk {
    /// Empty memory.
    pub const fn zeroed() -> Self {
        Self {
            frame: FrameWindow::zeroed(),
            code: Window::zeroed(),
            next: 0,
            landmark: 0,
            base_frame: 0,
            data_stack: DataStack::zeroed(),
            interpreter: 0,
            life: InterpreterLife(0),
            stop: 0,
            steps: 0,
            depth: 0,
            unknown_count: 0,
            unread_count: 0,
            innermost_mark: 0,
            in_own_object: 0,
            own_line: 0,
            stop_address: 0,
            unknown: [0; MAX_UNKNOWN],
        }
    }

    /// Walks the thread whose state was copied to `state`. Afterwards `self` says how the
    /// walk went.
    #[inline(always)]
    pub fn run<M: UserMemory, K: KnownCode>(
        &mut self,
        memory: &M,
        config: &ProcessConfig,
        codes: Codes<'_, K>,
        state: &Window,
        frames: &mut [RawFrame; MAX_FRAMES],
    ) {
        let Codes { known, cache } = codes;
        if self.begin(memory, config, cache, state) == Next::Stop {
            return;
        }
        memory.repeat(
            MAX_STEPS,
            &mut WalkStep {
                memory,
                config,
                codes: Codes { known, cache },
                walk: self,
                frames,
            },
        );
        self.close();
    }

    /// Does what [`Walk::run`] does before it looks at a frame. On [`Next::Continue`], at
    /// most [`MAX_STEPS`] [`WalkStep`]s and then [`Walk::close`] have to follow.
    #[inline(always)]
    pub fn begin<M: UserMemory>(
        &mut self,
        memory: &M,
        config: &ProcessConfig,
        cache: &mut CodeCache,
        state: &Window,
    ) -> Next {
        self.stop = StopReason::Truncated as u32;
        self.stop_address = 0;
        self.steps = 0;
        self.depth = 0;
        self.unknown_count = 0;
        self.unread_count = 0;
        self.landmark = 0;
        self.interpreter = 0;
        self.life = InterpreterLife(0);
        self.frame.clear();
        let thread = &config.layout.thread;
        // A pointer into the thread state's private part (3.15).
        self.base_frame = state.u64_at(thread.base_frame);
        match innermost(memory, config, state) {
            Ok((0, _)) => {
                self.end(StopReason::NoFrame);
                return Next::Stop;
            }
            Ok((frame, outer_cframe)) => {
                self.next = frame;
                let layout = &config.layout.data_stack;
                self.data_stack.begin(layout, state, outer_cframe);
            }
            Err(fault) => {
                self.fail(fault);
                return Next::Stop;
            }
        }
        let is_compiled = thread.executor != ABSENT && state.u64_at(thread.executor) != 0;
        self.innermost_mark = if is_compiled { LINE_NOT_STORED } else { 0 };
        self.interpreter = state.u64_at(thread.interp);
        self.life = InterpreterLife::read(memory, config, self.interpreter, &mut self.code);
        cache.begin(memory, config, self.interpreter, self.life);
        Next::Continue
    }

    /// Returns the address of the frame at which the walk ended.
    #[inline(always)]
    pub fn last_frame(&self) -> u64 {
        self.next
    }

    /// Does what [`Walk::run`] does after the last step.
    #[inline(always)]
    pub fn close(&mut self) {
        if self.depth == 0 && self.stop == StopReason::Complete as u32 {
            self.end(StopReason::NoFrame);
        }
    }

    #[inline(always)]
    fn end(&mut self, reason: StopReason) {
        self.stop = reason as u32;
    }

    #[inline(always)]
    fn fail(&mut self, fault: MemoryFault) {
        self.stop = StopReason::Fault as u32;
        self.stop_address = fault.address;
    }

    /// Brent's cycle detection: the landmark moves up at every power of two, so a circle
    /// is noticed within three times its length.
    #[inline(always)]
    fn is_circular(&mut self) -> bool {
        let steps = self.steps;
        self.steps = steps.wrapping_add(1);
        if self.next == self.landmark {
            return true;
        }
        if steps & steps.wrapping_sub(1) == 0 {
            self.landmark = self.next;
        }
        false
    }
}

/// Returns the innermost frame, and `cframe.previous` or 0 where there is none.
#[inline(always)]
fn innermost<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    state: &Window,
) -> Result<(u64, u64), MemoryFault> {
    let thread = &config.layout.thread;
    let head = state.u64_at(thread.frame_head);
    if thread.head_kind == FrameHead::CFrame as u8 && head != 0 {
        let mut words = [0; 16];
        let first = head.wrapping_add(u64::from(thread.cframe_current_frame));
        memory.read_bytes(first, &mut words)?;
        let [current_frame, previous]: [u64; 2] = bytemuck::cast(words);
        return Ok((current_frame, previous));
    }
    Ok((head, 0))
}

/// One step of a walk: a look at one frame. What changes from step to step is in `walk`.
pub struct WalkStep<'a, M, K> {
    /// The memory of the process.
    pub memory: &'a M,
    /// What is known about the process.
    pub config: &'a ProcessConfig,
    /// What is known about its code objects.
    pub codes: Codes<'a, K>,
    /// The state of the walk.
    pub walk: &'a mut Walk,
    /// Where the frames are written.
    pub frames: &'a mut [RawFrame; MAX_FRAMES],
}

/// What a frame runs, and who knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Python code whose names user space has.
    Known,
    /// Python code that has not been described yet.
    Unknown,
    /// Python code whose code object could not be read here.
    Unread,
    /// An entry frame, a shim, or the helper frame under `__init__`.
    Nothing,
}

impl<M: UserMemory, K: KnownCode> Step for WalkStep<'_, M, K> {
    /// Looks at one frame.
    #[inline(always)]
    fn step(&mut self) -> Next {
        let layout = &self.config.layout.frame;
        let address = self.walk.next;
        if self.is_base(address) {
            return self.end(StopReason::Complete);
        }
        if self.walk.is_circular() {
            return self.end(StopReason::Circular);
        }
        // Where instructions are pointers (from 3.11), frames are on a data stack.
        let in_blocks = layout.instruction_kind >= InstructionKind::Pointer as u8;
        let frame = &mut self.walk.frame;
        if let Err(fault) = frame.load(self.memory, address, layout.read_size, in_blocks) {
            self.walk.fail(fault);
            if self.walk.data_stack.is_open() {
                self.walk.end(StopReason::FrameNotLinked);
            }
            return Next::Stop;
        }
        let owner = self.owner();
        self.walk.in_own_object = 0;
        if !self.is_entry(owner)
            && let Err(reason) = self.take(owner)
        {
            return self.end(reason);
        }
        let previous = self.walk.frame.u64_at(layout.previous);
        if self.walk.data_stack.is_open() && self.is_entry_point(self.owner()) {
            let layout = &self.config.layout;
            let data_stack = &mut self.walk.data_stack;
            match data_stack.admits_entry(self.memory, layout, previous) {
                Ok(true) => {}
                Ok(false) => return self.end(StopReason::FrameNotLinked),
                Err(fault) => {
                    self.walk.stop_address = fault.address;
                    return self.end(StopReason::FrameNotLinked);
                }
            }
        }
        if previous != 0 {
            self.walk.next = previous;
            return Next::Continue;
        }
        let reason = self.without_previous(self.owner());
        self.end(reason)
    }
}

impl<M: UserMemory, K: KnownCode> WalkStep<'_, M, K> {
    #[inline(always)]
    fn end(&mut self, reason: StopReason) -> Next {
        self.walk.end(reason);
        Next::Stop
    }

    /// Returns the current frame's owner. It is read wherever it is needed, because a BPF
    /// stack has no room to keep it.
    #[inline(always)]
    fn owner(&self) -> u8 {
        self.walk.frame.u8_at(self.config.layout.frame.owner)
    }

    /// Whether the frame marks the transition between C and Python and runs no Python
    /// code.
    #[inline(always)]
    fn is_entry(&self, owner: u8) -> bool {
        self.config.layout.frame.entry_kind >= EntryKind::Owner as u8 && owner >= FIRST_ENTRY_OWNER
    }

    /// Whether this is the entry frame in the thread state that ends every whole chain.
    /// Nothing in it is of interest.
    #[inline(always)]
    fn is_base(&self, address: u64) -> bool {
        self.config.layout.frame.entry_kind == EntryKind::BaseFrame as u8
            && address == self.walk.base_frame
    }

    /// Whether an evaluation began with the frame.
    #[inline(always)]
    fn is_entry_point(&self, owner: u8) -> bool {
        if self.config.layout.frame.entry_kind == EntryKind::IsEntry as u8 {
            // Compiled code that pushes frames by itself need not set `is_entry`.
            owner == 1 && self.walk.in_own_object == 0
        } else {
            owner >= FIRST_ENTRY_OWNER
        }
    }

    /// Returns what a chain is that ends with the current frame.
    #[inline(always)]
    fn without_previous(&self, owner: u8) -> StopReason {
        let has_no_marks = self.config.layout.frame.entry_kind == EntryKind::None as u8;
        if has_no_marks || self.is_entry_point(owner) {
            return StopReason::Complete;
        }
        if self.walk.data_stack.is_open() {
            return StopReason::FrameNotLinked;
        }
        // The innermost frame may not have stored its link yet; every other one has made
        // a call since it was linked.
        let is_innermost = self.walk.steps <= 1;
        match (self.walk.in_own_object != 0, is_innermost) {
            (true, false) => StopReason::Complete,
            (false, true) => StopReason::BrokenChain,
            _ => StopReason::OpenEnd,
        }
    }

    /// Writes the frame, if it runs Python code.
    #[inline(always)]
    fn take(&mut self, owner: u8) -> Result<(), StopReason> {
        let layout = &self.config.layout;
        let address = self.walk.next;
        let Walk { frame, code, .. } = &mut *self.walk;
        let own_line = frame_object::line(self.memory, layout, frame, code, (address, owner));
        self.walk.in_own_object = u32::from(own_line.is_some());
        self.walk.own_line = own_line.unwrap_or(0);
        let tag = u64::from(layout.frame.tag_mask);
        let code = self.walk.frame.u64_at(layout.frame.executable) & !tag;
        let (content, cached) = match self.codes.cache.get(code) {
            Some(cached) if cached.key == CodeKey::UNREAD => return Ok(()),
            Some(cached) => (Content::Known, cached),
            None => self.read(code)?,
        };
        let key = cached.key;
        if content == Content::Nothing {
            return Ok(());
        }
        let instruction = self.instruction(code)?;
        if layout.frame.instruction_kind >= InstructionKind::Pointer as u8
            && content != Content::Unread
            && instruction >= cached.unit_count as i32
        {
            return Err(StopReason::InstructionOutOfRange);
        }
        let place = FramePlace {
            address: self.walk.next,
            size: u64::from(cached.frame_size),
            is_new: instruction < 0,
            is_innermost: self.walk.depth == 0,
        };
        if !self.walk.data_stack.admits(place) {
            return Err(StopReason::FrameNotLinked);
        }
        let line = if self.walk.in_own_object != 0 {
            self.walk.own_line
        } else if self.walk.depth == 0 && self.walk.innermost_mark != 0 {
            self.walk.innermost_mark
        } else {
            self.line_without_instruction(instruction)
        };
        self.push(
            content,
            RawFrame {
                key,
                code,
                instruction,
                line,
            },
        )
    }

    /// Reads the code object; returns what it is, and what the cache should remember of
    /// it.
    #[inline(always)]
    fn read(&mut self, code: u64) -> Result<(Content, CachedCode), StopReason> {
        const NOTHING: CachedCode = CachedCode {
            key: CodeKey::UNREAD,
            unit_count: 0,
            frame_size: 0,
        };
        let layout = &self.config.layout;
        let window = &mut self.walk.code;
        if window
            .load(self.memory, code, layout.code.read_size)
            .is_err()
        {
            // It may only be paged out: user space can read and check it.
            return Ok((Content::Unread, NOTHING));
        }
        if window.u64_at(layout.object.ob_type) != self.config.code_type {
            return Err(StopReason::NotCode);
        }
        let version = match layout.code.version {
            ABSENT => 0,
            offset => window.u32_at(offset),
        };
        if layout.code.has_init_cleanup != 0
            && window.u64_at(layout.code.filename) == window.u64_at(layout.code.name)
            && window.u32_at(layout.code.firstlineno) == 0
        {
            self.codes.cache.put(code, version, NOTHING);
            return Ok((Content::Nothing, NOTHING));
        }
        let Ok(key) = code_key(self.memory, self.walk.life, code, window, layout) else {
            return Ok((Content::Unread, NOTHING));
        };
        let cached = CachedCode {
            key,
            unit_count: match layout.code.unit_count {
                ABSENT => 0,
                offset => window.u32_at(offset),
            },
            frame_size: frame_size(&layout.data_stack, window),
        };
        if self.codes.cache.is_known(code, cached.key) {
            return Ok((Content::Known, cached));
        }
        if !self.codes.known.is_known(cached.key) {
            return Ok((Content::Unknown, cached));
        }
        self.codes.cache.put(code, version, cached);
        Ok((Content::Known, cached))
    }

    /// Returns the index of the frame's current code unit; -1 before the first.
    #[inline(always)]
    fn instruction(&mut self, code: u64) -> Result<i32, StopReason> {
        let layout = &self.config.layout;
        let kind = layout.frame.instruction_kind;
        let units = if kind == InstructionKind::LastiBytes as u8 {
            i64::from(self.walk.frame.u32_at(layout.frame.instruction) as i32) >> 1
        } else if kind == InstructionKind::LastiUnits as u8 {
            i64::from(self.walk.frame.u32_at(layout.frame.instruction) as i32)
        } else {
            let start = match self.bytecode(code, kind) {
                Ok(start) => start,
                Err(fault) => {
                    self.walk.stop_address = fault.address;
                    return Err(StopReason::Fault);
                }
            };
            let pointer = self.walk.frame.u64_at(layout.frame.instruction);
            (pointer.wrapping_sub(start) as i64) >> 1
        };
        if (-1..=i64::from(i32::MAX)).contains(&units) {
            Ok(units as i32)
        } else {
            Err(StopReason::InstructionOutOfRange)
        }
    }

    /// Returns the `f_lineno` of a frame object that has not run an instruction (up to
    /// 3.10): its first line, or the line that compiled code sets, which runs no
    /// instructions. 0 for all other frames.
    #[inline(always)]
    fn line_without_instruction(&self, instruction: i32) -> u32 {
        let layout = &self.config.layout.frame;
        if instruction >= 0 || layout.instruction_kind >= InstructionKind::Pointer as u8 {
            return 0;
        }
        // `int f_lasti, f_lineno` (Include/frameobject.h, cpython/frameobject.h).
        self.walk.frame.u32_at(layout.instruction.wrapping_add(4))
    }

    /// Returns the address of the bytecode that the frame runs.
    #[inline(always)]
    fn bytecode(&self, code: u64, kind: u8) -> Result<u64, MemoryFault> {
        let layout = &self.config.layout;
        if kind != InstructionKind::PointerToThreadLocal as u8 {
            return Ok(code.wrapping_add(u64::from(layout.code.adaptive)));
        }
        let copies = self
            .memory
            .read_u64(code.wrapping_add(u64::from(layout.code.tlbc)))?;
        let index = u64::from(self.walk.frame.u32_at(layout.frame.tlbc_index));
        // struct _PyCodeArray { Py_ssize_t size; char *entries[]; } (3.14)
        self.memory
            .read_u64(copies.wrapping_add(8).wrapping_add(index.wrapping_mul(8)))
    }

    #[inline(always)]
    fn push(&mut self, content: Content, frame: RawFrame) -> Result<(), StopReason> {
        let walk = &mut *self.walk;
        let depth = walk.depth as usize;
        let Some(place) = self.frames.get_mut(depth) else {
            return Err(StopReason::Truncated);
        };
        *place = frame;
        walk.depth = depth as u32 + 1;
        if content == Content::Unread {
            walk.unread_count = walk.unread_count.wrapping_add(1);
        } else if content == Content::Unknown {
            let count = walk.unknown_count;
            walk.unknown_count = count.wrapping_add(1);
            if let Some(place) = walk.unknown.get_mut(count as usize) {
                *place = depth as u16;
            }
        }
        Ok(())
    }
}
