// SPDX-License-Identifier: MIT OR Apache-2.0

//! The symbolizer of Python frames: turns a checked sample into one number for its whole
//! stack. A frame whose name cannot be found is shown as unknown, and counted.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;
use sampler_common::memory::UserMemory;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{CodeKey, LINE_NOT_STORED, RawFrame};
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;
use sampler_cpython::cpython::line_table::{LineTableKind, line_at};
use sampler_cpython::process::files::FileView;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_trace::model::identifiers::{FrameId, KernelTime, StackId, StringId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::symbols::Frame;
use tracing::debug;

use crate::capture::bpf::events::{RawCode, RawSample};
use crate::capture::scout::Scout;
use crate::capture::symbolize::code_facts::{CodeFacts, Home};
use crate::capture::symbolize::paged_out::{PagedOut, read_frames};
use crate::capture::symbolize::process_symbols::{ProcessSymbols, SeenCode};
use crate::capture::symbolize::source::Sources;
use crate::capture::symbolize::static_code::{StaticCode, StaticCodes};

/// Shown in place of the source line where the interpreter does not store which line it
/// is.
const IN_COMPILED_CODE: &str = "<in code of the JIT, which does not store the line>";

/// Most threads of one process whose last stack is remembered.
const MAX_THREADS: usize = 4096;

/// What symbolization needs to know of a process.
#[derive(Clone, Debug)]
pub struct ProcessContext {
    /// Thread group id.
    pub tgid: u32,
    /// The process that it was forked from and whose program it still runs, by the thread
    /// group id that it had then.
    pub forked_from: Option<u32>,
    /// Its configuration, as the eBPF program has it.
    pub config: ProcessConfig,
    /// How its line tables are encoded.
    pub line_tables: LineTableKind,
    /// Where the code objects of its interpreter's file are.
    pub static_code: StaticCode,
    /// How it sees files; `None` when that is not known.
    pub files: Option<Arc<FileView>>,
    /// The tag that its interpreter puts into the names of `.pyc` files.
    pub cache_tag: String,
}

/// A sample with the number of its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedSample {
    /// When it was taken.
    pub time: KernelTime,
    /// Its process.
    pub process: ProcessKey,
    /// Its thread, by the kernel's thread id.
    pub tid: u32,
    /// Its thread, by `threading.get_ident()`.
    pub thread_id: u64,
    /// The stack of the thread.
    pub stack: StackId,
    /// Why its stack ends where it does: the sample's reason, or [`StopReason::Complete`]
    /// if the name of its only frame shows that there is no outer one.
    pub stop: StopReason,
}

/// What symbolization could not do, or only in another way than usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SymbolizeCounts {
    /// Frames shown without a name.
    pub unknown_frames: u64,
    /// Code objects read from the process, because the eBPF program could not read them.
    pub read_from_process: u64,
    /// Source files that could not be read in time.
    pub sources_unanswered: u64,
    /// Code objects whose names only another process had: for code of an interpreter's
    /// own file, a process that runs that build; for a fork, the process that forked it.
    pub read_elsewhere: u64,
    /// Code objects of which only the names are known, so that their frames have no line.
    pub without_lines: u64,
    /// How often memory was read because ticks could not read it: it was paged out.
    pub paged_in: u64,
}

/// Turns samples into stacks of names and lines.
pub struct Symbolizer {
    interner: SymbolInterner,
    sources: Option<Sources>,
    scout: Scout,
    processes: FxHashMap<ProcessKey, ProcessSymbols>,
    static_codes: StaticCodes,
    paged_out: PagedOut,
    newly_known: Vec<CodeKey>,
    counts: SymbolizeCounts,
}

impl Symbolizer {
    /// Creates a symbolizer. It reads source lines if `with_source` is set, and has
    /// `scout` read what the eBPF program could not.
    pub fn new(with_source: bool, scout: Scout) -> Self {
        Self {
            interner: SymbolInterner::default(),
            sources: with_source.then(Sources::default),
            scout,
            processes: FxHashMap::default(),
            static_codes: StaticCodes::default(),
            paged_out: PagedOut::default(),
            newly_known: Vec::new(),
            counts: SymbolizeCounts::default(),
        }
    }

    /// Returns the stacks so far, and what they are made of.
    pub fn interner(&self) -> &SymbolInterner {
        &self.interner
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> SymbolizeCounts {
        SymbolizeCounts {
            sources_unanswered: self.sources.as_ref().map_or(0, |it| it.unanswered),
            ..self.counts
        }
    }

    /// Returns the code objects learnt since the last call, which the eBPF program need
    /// not describe again.
    pub fn take_newly_known(&mut self) -> Vec<CodeKey> {
        std::mem::take(&mut self.newly_known)
    }

    /// Forgets a process that has ended.
    pub fn forget(&mut self, process: ProcessKey) {
        self.processes.remove(&process);
        self.paged_out.forget(process);
    }

    /// Has memory brought back that a tick could not read, if a reading is due.
    pub fn page_in(&mut self, sample: &RawSample, context: &ProcessContext) {
        let (header, now) = (&sample.header, Instant::now());
        let address = header.stop_address;
        if !matches!(sample.stop, StopReason::Fault | StopReason::FrameNotLinked)
            || sample.origin != Origin::OnCpu
            || address == 0
            || !self.paged_out.is_due(header.process, address, now)
        {
            return;
        }
        let (tgid, layout) = (context.tgid, context.config.layout.frame);
        let is_frame = header.thread_state != 0;
        let reading = move |_: &mut _| {
            let memory = ProcessMemory::new(tgid);
            if is_frame {
                read_frames(&memory, &layout, address);
            } else {
                // This leads to the thread state; nothing is known of what follows it.
                let _ = memory.read_u64(address);
            }
        };
        // A process that makes us wait is not asked again.
        let answer = self.scout.ask(tgid, reading);
        self.counts.paged_in += u64::from(answer.is_ok());
        debug!(
            pid = tgid,
            address = format_args!("{address:#x}"),
            was_read = answer.is_ok(),
            "a tick could not read this twice; read it from user space"
        );
        self.paged_out.has_read(now, Instant::now());
    }

    /// Learns a code object from the eBPF program's description. If that is cut short,
    /// reads the code object from the process or from another one that has the same, and
    /// failing that makes do with the description.
    pub fn learn(&mut self, code: &RawCode, context: &ProcessContext) {
        self.newly_known.push(code.key);
        let home = Home {
            interpreter: code.interpreter,
            life: code.life,
        };
        let described = CodeFacts::described(code);
        let is_whole = |facts: &&CodeFacts| facts.line_table.is_some();
        let facts = described.as_ref().filter(is_whole).cloned();
        let facts = facts.or_else(|| {
            let read = self.read(context, home, code.code)?;
            (read.key == code.key).then_some(read)
        });
        let facts = facts.or_else(|| self.read_from_parent(context, home, code.key, code.code));
        if let Some(facts) = facts {
            self.static_codes
                .remember(&context.static_code, code.code, &facts);
            return self.remember(context, facts);
        }
        if let Some(known) = self.static_codes.described(&context.static_code, code) {
            self.counts.read_elsewhere += 1;
            debug!(
                pid = context.tgid,
                code = format_args!("{:#x}", code.code),
                "names of a code object come from another process of this build"
            );
            return self.remember(context, known);
        }
        if let Some(described) = described {
            self.counts.without_lines += 1;
            debug!(
                pid = context.tgid,
                code = format_args!("{:#x}", code.code),
                "code object without a line table: its frames have no lines"
            );
            self.remember(context, described);
        }
    }

    /// Resolves the stack of a sample.
    ///
    /// # Errors
    /// The reason why no frame of it may be shown.
    pub fn resolve(
        &mut self,
        sample: &RawSample,
        context: &ProcessContext,
    ) -> Result<ResolvedSample, StopReason> {
        if !sample.stop.is_trustworthy() || sample.frames.is_empty() {
            let stop = sample.stop;
            return Err(if stop == StopReason::Complete {
                StopReason::NoFrame
            } else {
                stop
            });
        }
        let header = &sample.header;
        let home = Home {
            interpreter: header.interpreter,
            life: header.life,
        };
        let stop = self.stop(sample, (context, home))?;
        let bottom = self.marker(stop);
        let process = self.processes.entry(header.process).or_default();
        let mut last = process.threads.remove(&header.tid).unwrap_or_default();
        if bottom != StackId::EMPTY {
            last.clear();
        }
        let stack = self.stack(&sample.frames, bottom, &mut last, (context, home));
        let process = self.processes.entry(header.process).or_default();
        if bottom == StackId::EMPTY && stack.is_ok() {
            // Threads that have ended leave their stacks here.
            if process.threads.len() >= MAX_THREADS {
                process.threads.clear();
            }
            process.threads.insert(header.tid, last);
        }
        Ok(ResolvedSample {
            time: KernelTime(header.time),
            process: header.process,
            tid: header.tid,
            thread_id: header.thread_id,
            stack: stack?,
            stop,
        })
    }

    /// Returns why the walk ended, in the light of names. A module runs for the code that
    /// imports it, and the outermost module for none: a single frame of a module is a
    /// complete stack.
    fn stop(
        &mut self,
        sample: &RawSample,
        (context, home): (&ProcessContext, Home),
    ) -> Result<StopReason, StopReason> {
        let (StopReason::OpenEnd, [only]) = (sample.stop, sample.frames.as_slice()) else {
            return Ok(sample.stop);
        };
        let Some(frame) = self.frame(only, &sample.frames, context, home)? else {
            return Ok(sample.stop);
        };
        let symbols = self.interner.symbols();
        let name = symbols
            .frame(frame)
            .map(|frame| symbols.string(frame.function));
        Ok(match name {
            Some("<module>") => StopReason::Complete,
            _ => sample.stop,
        })
    }

    /// Returns the stack that marks missing outer frames; the empty one if none are
    /// missing.
    fn marker(&mut self, stop: StopReason) -> StackId {
        let text = match stop {
            StopReason::Truncated => "<outer frames left out: the stack is deeper than 1024>",
            StopReason::Fault => "<outer frames unreadable>",
            StopReason::OpenEnd => "<outer frames not known>",
            _ => return StackId::EMPTY,
        };
        let frame = self.nameless(text);
        self.interner.stack(StackId::EMPTY, frame)
    }

    fn nameless(&mut self, text: &str) -> FrameId {
        let function = self.interner.string(text);
        let nothing = StringId::EMPTY;
        self.interner.frame(Frame {
            file: nothing,
            function,
            line: 0,
            source: nothing,
        })
    }

    /// Resolves those frames that `last` does not have yet.
    fn stack(
        &mut self,
        frames: &[RawFrame],
        bottom: StackId,
        last: &mut crate::capture::symbolize::process_symbols::LastStack,
        (context, home): (&ProcessContext, Home),
    ) -> Result<StackId, StopReason> {
        let (common, mut stack) = last.keep_common(frames, bottom);
        let mut unknown = 0;
        for (depth, raw) in frames.iter().rev().enumerate().skip(common) {
            let is_at_an_end = depth == 0 || depth + 1 == frames.len();
            let frame = match self.frame(raw, frames, context, home)? {
                Some(frame) => frame,
                // Nothing else confirms a first or last frame that cannot be read: the
                // innermost one may never have been finished, and the outermost one may
                // be where the chain went astray.
                None if is_at_an_end && raw.key == CodeKey::UNREAD => {
                    return Err(StopReason::Fault);
                }
                None => {
                    unknown += 1;
                    self.nameless("<unknown code>")
                }
            };
            stack = self.interner.stack(stack, frame);
            // What is unknown now may be known at the next sample.
            if unknown == 0 {
                last.push(*raw, stack);
            }
        }
        // Frames of a sample that is refused after all do not count, because they are not
        // shown.
        self.counts.unknown_frames += unknown;
        Ok(stack)
    }

    fn frame(
        &mut self,
        raw: &RawFrame,
        stack: &[RawFrame],
        context: &ProcessContext,
        home: Home,
    ) -> Result<Option<FrameId>, StopReason> {
        let process = context.config.key;
        let mut key = raw.key;
        if self.seen(process, key).is_none() {
            let fits = |facts: &CodeFacts| key == CodeKey::UNREAD || key == facts.key;
            if let Some(facts) = self.read(context, home, raw.code) {
                if !fits(&facts) {
                    return Ok(None);
                }
                self.static_codes
                    .remember(&context.static_code, raw.code, &facts);
                key = facts.key;
                self.newly_known.push(key);
                self.remember(context, facts);
            } else if let Some(facts) = self.read_from_parent(context, home, key, raw.code) {
                key = facts.key;
                self.remember(context, facts);
            } else if let Some(known) = self.static_codes.at(&context.static_code, raw.code) {
                let mut known = known.clone();
                self.counts.read_elsewhere += 1;
                if key == CodeKey::UNREAD {
                    key = known.key;
                } else {
                    known.key = key;
                }
                self.remember(context, known);
            } else {
                return Ok(None);
            }
        }
        let Some(code) = self.seen(process, key) else {
            return Ok(None);
        };
        if code.unit_count != 0 && i64::from(raw.instruction) >= i64::from(code.unit_count) {
            return Err(StopReason::InstructionOutOfRange);
        }
        if raw.line == LINE_NOT_STORED {
            let (file, function) = (code.file, code.function);
            let source = self.interner.string(IN_COMPILED_CODE);
            return Ok(Some(self.interner.frame(Frame {
                file,
                function,
                line: 0,
                source,
            })));
        }
        if let Some(frame) = code.frame(raw) {
            return Ok(Some(frame));
        }
        // An instruction to which the compiler gave no line is shown at the first line.
        let line = code.line_table.as_ref().map_or(0, |table| {
            line_at(context.line_tables, table, code.first_line, raw.instruction)
                .unwrap_or(code.first_line)
        });
        let line = match raw.line {
            0 => u32::try_from(line).unwrap_or(0),
            own => own,
        };
        let (file, function) = (code.file, code.function);
        let text = self.source_text(key, line, stack, context);
        let source = self.interner.string(&text);
        let frame = self.interner.frame(Frame {
            file,
            function,
            line,
            source,
        });
        let process = self.processes.get_mut(&process);
        if let Some(code) = process.and_then(|it| it.codes.get_mut(&key)) {
            code.remember(raw, frame);
        }
        Ok(Some(frame))
    }

    /// Returns the text of a line of the code `key`, if the rest of its stack and its
    /// file confirm it; otherwise an empty text.
    fn source_text(
        &mut self,
        key: CodeKey,
        line: u32,
        stack: &[RawFrame],
        context: &ProcessContext,
    ) -> String {
        let (Some(sources), Some(files)) = (&mut self.sources, &context.files) else {
            return String::new();
        };
        let Some(process) = self.processes.get(&context.config.key) else {
            return String::new();
        };
        let Some(code) = process.codes.get(&key).filter(|_| line != 0) else {
            return String::new();
        };
        let symbols = self.interner.symbols();
        let place = code.place(symbols, line);
        let others: Vec<_> = if place.has_a_name() {
            Vec::new()
        } else {
            let codes = stack.iter().filter_map(|raw| process.codes.get(&raw.key));
            let codes = codes.filter(|other| other.file == code.file);
            codes.map(|other| other.place(symbols, line)).collect()
        };
        sources.line(files, &context.cache_tag, &place, &others)
    }

    fn seen(&self, process: ProcessKey, key: CodeKey) -> Option<&SeenCode> {
        self.processes.get(&process)?.codes.get(&key)
    }

    fn read(&mut self, context: &ProcessContext, home: Home, address: u64) -> Option<CodeFacts> {
        let (tgid, config) = (context.tgid, context.config);
        let reading =
            move |_: &mut _| CodeFacts::read(&ProcessMemory::new(tgid), &config, home, address);
        let facts = self.scout.ask(tgid, reading).ok()??;
        self.counts.read_from_process += 1;
        self.counts.without_lines += u64::from(facts.line_table.is_none());
        Some(facts)
    }

    /// Reads a code object from the process that forked this one. A child that is gone
    /// had what its parent has, unless one of them has changed it; then the key, which
    /// depends on all pointers of a code object, is another one. Without a key, both must
    /// lead the same life. A child creates its keys of the C library again at the end of
    /// the fork (`_PyGILState_Reinit`, Python/pystate.c), which looks like another life.
    fn read_from_parent(
        &mut self,
        context: &ProcessContext,
        home: Home,
        key: CodeKey,
        address: u64,
    ) -> Option<CodeFacts> {
        let (parent, config) = (context.forked_from?, context.config);
        let reading = move |_: &mut _| {
            let memory = ProcessMemory::new(parent);
            if key == CodeKey::UNREAD {
                CodeFacts::read(&memory, &config, home, address)
            } else {
                CodeFacts::read_elsewhere(&memory, &config, home, address)
            }
        };
        let facts = self.scout.ask(parent, reading).ok()??;
        let is_same = key == CodeKey::UNREAD || facts.key == key;
        self.counts.read_elsewhere += u64::from(is_same);
        is_same.then_some(facts)
    }

    fn remember(&mut self, context: &ProcessContext, facts: CodeFacts) {
        let names = (
            self.interner.string(&facts.file_name),
            self.interner.string(&facts.name),
        );
        let code = SeenCode::new(names, facts.first_line, facts.unit_count, facts.line_table);
        let process = self.processes.entry(context.config.key).or_default();
        process.codes.insert(facts.key, code);
    }
}
