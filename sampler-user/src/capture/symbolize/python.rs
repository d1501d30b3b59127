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
use sampler_trace::model::identifiers::{FrameId, StackId, StringId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::symbols::Frame;
use tracing::debug;

use crate::capture::bpf::events::{RawCode, RawSample};
use crate::capture::process_inspector::ProcessInspector;
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
#[derive(Clone, Copy, Debug)]
pub struct ProcessContext<'a> {
    /// Identifies this life of the process.
    pub process: ProcessKey,
    /// Thread group id.
    pub tgid: u32,
    /// The process that it was forked from and whose program it still runs, by the thread
    /// group id that it had then.
    pub forked_from: Option<u32>,
    /// Its configuration, but for the key, which is `process`.
    pub config: &'a ProcessConfig,
    /// How its line tables are encoded.
    pub line_tables: LineTableKind,
    /// Where the code objects of its interpreter's file are.
    pub static_code: &'a StaticCode,
    /// How it sees files; `None` when that is not known.
    pub files: Option<&'a Arc<FileView>>,
    /// The tag that its interpreter puts into the names of `.pyc` files.
    pub cache_tag: &'a str,
}

impl ProcessContext<'_> {
    /// Returns its configuration, as the eBPF program has it. The key of the process is a
    /// part of its interpreters' lives, and so of the keys of their code objects.
    fn config_of_life(&self) -> ProcessConfig {
        ProcessConfig {
            key: self.process,
            ..*self.config
        }
    }
}

/// The stack of a sample, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedStack {
    /// Its number in the tables of the trace.
    pub stack: StackId,
    /// Why it ends where it does: the sample's reason, or [`StopReason::Complete`] if the
    /// name of its only frame shows that there is no outer one.
    pub stop: StopReason,
    /// Whether a frame of it has no name.
    pub has_unknown_frames: bool,
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
    inspector: ProcessInspector,
    processes: FxHashMap<ProcessKey, ProcessSymbols>,
    static_codes: StaticCodes,
    paged_out: PagedOut,
    newly_known: Vec<CodeKey>,
    counts: SymbolizeCounts,
}

impl Symbolizer {
    /// Creates a symbolizer. It reads source lines if `with_source` is set, and has
    /// `inspector` read what the eBPF program could not.
    pub fn new(with_source: bool, inspector: ProcessInspector) -> Self {
        Self {
            interner: SymbolInterner::default(),
            sources: with_source.then(Sources::default),
            inspector,
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

    /// Begins with empty tables, for another trace. Returns the tables so far, and resets
    /// the counts. Names of code objects stay known.
    pub fn exchange_tables(&mut self) -> SymbolInterner {
        let tables = std::mem::take(&mut self.interner);
        let mut strings = FxHashMap::default();
        for process in self.processes.values_mut() {
            process.keep_names(tables.symbols(), &mut strings);
        }
        self.counts = SymbolizeCounts::default();
        if let Some(sources) = &mut self.sources {
            sources.unanswered = 0;
        }
        tables
    }

    /// Returns the number in the current tables of a stack of other ones.
    pub fn import(&mut self, from: &SymbolInterner, stack: StackId) -> StackId {
        self.interner.import(from.symbols(), stack)
    }

    /// Returns the tables, when nothing more is symbolized.
    pub fn into_interner(self) -> SymbolInterner {
        self.interner
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
    pub fn page_in(&mut self, sample: &RawSample, context: &ProcessContext<'_>) {
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
        let answer = self.inspector.ask(tgid, reading);
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
    pub fn learn(&mut self, code: &RawCode, context: &ProcessContext<'_>) {
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
                .remember(context.static_code, code.code, &facts);
            return self.remember(context, facts);
        }
        if let Some(known) = self.static_codes.described(context.static_code, code) {
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
        context: &ProcessContext<'_>,
    ) -> Result<ResolvedStack, StopReason> {
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
        let last = process.threads.get_mut(&header.tid).map(std::mem::take);
        let mut last = last.unwrap_or_default();
        if bottom != StackId::EMPTY {
            last.clear();
        }
        let stack = self.stack(&sample.frames, bottom, &mut last, (context, home));
        let process = self.processes.entry(header.process).or_default();
        if bottom == StackId::EMPTY && stack.is_ok() {
            if let Some(slot) = process.threads.get_mut(&header.tid) {
                *slot = last;
            } else {
                // Threads that have ended leave their stacks here.
                if process.threads.len() >= MAX_THREADS {
                    process.threads.clear();
                }
                process.threads.insert(header.tid, last);
            }
        }
        let (stack, unknown) = stack?;
        Ok(ResolvedStack {
            stack,
            stop,
            has_unknown_frames: unknown > 0,
        })
    }

    /// Returns why the walk ended, in the light of names. A module runs for the code that
    /// imports it, and the outermost module for none: a single frame of a module is a
    /// complete stack.
    fn stop(
        &mut self,
        sample: &RawSample,
        (context, home): (&ProcessContext<'_>, Home),
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

    /// Resolves those frames that `last` does not have yet. Returns the stack, and how
    /// many of its frames have no name.
    fn stack(
        &mut self,
        frames: &[RawFrame],
        bottom: StackId,
        last: &mut crate::capture::symbolize::process_symbols::LastStack,
        (context, home): (&ProcessContext<'_>, Home),
    ) -> Result<(StackId, u64), StopReason> {
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
        Ok((stack, unknown))
    }

    fn frame(
        &mut self,
        raw: &RawFrame,
        stack: &[RawFrame],
        context: &ProcessContext<'_>,
        home: Home,
    ) -> Result<Option<FrameId>, StopReason> {
        let process = context.process;
        let mut key = raw.key;
        if self.seen(process, key).is_none() {
            let fits = |facts: &CodeFacts| key == CodeKey::UNREAD || key == facts.key;
            if let Some(facts) = self.read(context, home, raw.code) {
                if !fits(&facts) {
                    return Ok(None);
                }
                self.static_codes
                    .remember(context.static_code, raw.code, &facts);
                key = facts.key;
                self.newly_known.push(key);
                self.remember(context, facts);
            } else if let Some(facts) = self.read_from_parent(context, home, key, raw.code) {
                key = facts.key;
                self.remember(context, facts);
            } else if let Some(known) = self.static_codes.at(context.static_code, raw.code) {
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
        let codes = self.processes.get_mut(&process).map(|it| &mut it.codes);
        let Some(code) = codes.and_then(|codes| codes.get_mut(&key)) else {
            return Ok(None);
        };
        let (file, function) = code.intern(&mut self.interner);
        if code.unit_count != 0 && i64::from(raw.instruction) >= i64::from(code.unit_count) {
            return Err(StopReason::InstructionOutOfRange);
        }
        if raw.line == LINE_NOT_STORED {
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
        context: &ProcessContext<'_>,
    ) -> String {
        let (Some(sources), Some(files)) = (&mut self.sources, context.files) else {
            return String::new();
        };
        let Some(process) = self.processes.get(&context.process) else {
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
            let places = codes.map(|other| other.place(symbols, line));
            places.filter(|other| other.file == place.file).collect()
        };
        sources.line(files, context.cache_tag, &place, &others)
    }

    fn seen(&self, process: ProcessKey, key: CodeKey) -> Option<&SeenCode> {
        self.processes.get(&process)?.codes.get(&key)
    }

    fn read(
        &mut self,
        context: &ProcessContext<'_>,
        home: Home,
        address: u64,
    ) -> Option<CodeFacts> {
        let (tgid, config) = (context.tgid, context.config_of_life());
        let reading =
            move |_: &mut _| CodeFacts::read(&ProcessMemory::new(tgid), &config, home, address);
        let facts = self.inspector.ask(tgid, reading).ok()??;
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
        context: &ProcessContext<'_>,
        home: Home,
        key: CodeKey,
        address: u64,
    ) -> Option<CodeFacts> {
        let (parent, config) = (context.forked_from?, context.config_of_life());
        let reading = move |_: &mut _| {
            let memory = ProcessMemory::new(parent);
            if key == CodeKey::UNREAD {
                CodeFacts::read(&memory, &config, home, address)
            } else {
                CodeFacts::read_elsewhere(&memory, &config, home, address)
            }
        };
        let facts = self.inspector.ask(parent, reading).ok()??;
        let is_same = key == CodeKey::UNREAD || facts.key == key;
        self.counts.read_elsewhere += u64::from(is_same);
        is_same.then_some(facts)
    }

    fn remember(&mut self, context: &ProcessContext<'_>, facts: CodeFacts) {
        let names = (
            self.interner.string(&facts.file_name),
            self.interner.string(&facts.name),
        );
        let code = SeenCode::new(names, facts.first_line, facts.unit_count, facts.line_table);
        let process = self.processes.entry(context.process).or_default();
        process.codes.insert(facts.key, code);
    }
}
