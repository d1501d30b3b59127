//! The symbolizer of Python frames: from a checked sample to one number for its
//! whole stack. It refuses to guess: what has no name is shown as unknown, and
//! counted.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{CodeKey, RawFrame};
use sampler_common::stop::StopReason;

use super::code_facts::CodeFacts;
use super::process_symbols::{ProcessSymbols, SeenCode};
use super::source::Sources;
use super::static_code::{StaticCode, StaticCodes};
use crate::bpf::events::{RawCode, RawSample};
use crate::cpython::line_table::{LineTableKind, line_at};
use crate::process::files::FileView;
use crate::process::memory::ProcessMemory;
use crate::scout::Scout;
use crate::timeline::{Frame, FrameId, KernelTime, StackId, StringId, SymbolInterner};

/// Most threads of one process whose last stack is remembered.
const MAX_THREADS: usize = 4096;

/// What symbolization needs to know of a process.
#[derive(Clone, Debug)]
pub struct ProcessContext {
    /// Thread group id.
    pub tgid: u32,
    /// The process that it was forked from and whose program it still runs, by its
    /// thread group id then.
    pub forked_from: Option<u32>,
    /// Its layout, as the kernel side has it.
    pub config: ProcessConfig,
    /// How its line tables are encoded.
    pub line_tables: LineTableKind,
    /// Where it has the code objects of its interpreter's file.
    pub static_code: StaticCode,
    /// How it sees files; `None` when that could not be found out.
    pub files: Option<Arc<FileView>>,
}

/// A sample whose stack has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedSample {
    /// When.
    pub time: KernelTime,
    /// Which process.
    pub process: ProcessKey,
    /// Which thread, by the kernel's number.
    pub tid: u32,
    /// Which thread, by `threading.get_ident()`.
    pub thread_id: u64,
    /// What it was doing.
    pub stack: StackId,
}

/// What symbolization could not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames shown without a name.
    pub unknown_frames: u64,
    /// Code objects read from the process, since the kernel side could not.
    pub read_from_process: u64,
    /// Source files that could not be read in time.
    pub sources_unanswered: u64,
    /// Code objects that only another process could tell the names of: of an
    /// interpreter's own file one of that build, of a fork the one that forked it.
    pub read_elsewhere: u64,
    /// Code objects of which only the names are known: their frames have no line.
    pub without_lines: u64,
}

/// Turns samples into stacks.
pub struct Symbolizer {
    interner: SymbolInterner,
    sources: Option<Sources>,
    scout: Scout,
    processes: FxHashMap<ProcessKey, ProcessSymbols>,
    static_codes: StaticCodes,
    newly_known: Vec<CodeKey>,
    counts: Counts,
}

impl Symbolizer {
    /// A symbolizer that reads source lines, or does not, and has `scout` read
    /// what the kernel side could not.
    pub fn new(with_source: bool, scout: Scout) -> Self {
        Self {
            interner: SymbolInterner::default(),
            sources: with_source.then(Sources::default),
            scout,
            processes: FxHashMap::default(),
            static_codes: StaticCodes::default(),
            newly_known: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The stacks so far, and what they are made of.
    pub fn interner(&self) -> &SymbolInterner {
        &self.interner
    }

    /// What could not be done so far.
    pub fn counts(&self) -> Counts {
        Counts {
            sources_unanswered: self.sources.as_ref().map_or(0, |it| it.unanswered),
            ..self.counts
        }
    }

    /// The code objects learnt since the last call: the kernel side need not
    /// describe them again.
    pub fn take_newly_known(&mut self) -> Vec<CodeKey> {
        std::mem::take(&mut self.newly_known)
    }

    /// Forgets a process that has ended.
    pub fn forget(&mut self, process: ProcessKey) {
        self.processes.remove(&process);
    }

    /// Learns a code object from the kernel side's description; where that is cut
    /// short, from the process, or from another one that has the same; and at last
    /// from what there is of the description.
    pub fn learn(&mut self, code: &RawCode, context: &ProcessContext) {
        self.newly_known.push(code.key);
        let described = CodeFacts::described(code);
        let is_whole = |facts: &&CodeFacts| facts.line_table.is_some();
        let facts = described.as_ref().filter(is_whole).cloned();
        let facts = facts.or_else(|| {
            let read = self.read(context, code.code)?;
            (read.key == code.key).then_some(read)
        });
        let facts = facts.or_else(|| self.read_from_parent(context, code.key, code.code));
        if let Some(facts) = facts {
            self.static_codes
                .remember(&context.static_code, code.code, &facts);
            return self.remember(context, facts);
        }
        if let Some(known) = self.static_codes.described(&context.static_code, code) {
            self.counts.read_elsewhere += 1;
            return self.remember(context, known);
        }
        if let Some(described) = described {
            self.counts.without_lines += 1;
            self.remember(context, described);
        }
    }

    /// The stack of a sample.
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
        let bottom = self.marker(sample.stop);
        let process = self.processes.entry(header.process).or_default();
        let mut last = process.threads.remove(&header.tid).unwrap_or_default();
        if bottom != StackId::EMPTY {
            last.clear();
        }
        let stack = self.stack(&sample.frames, bottom, &mut last, context);
        let process = self.processes.entry(header.process).or_default();
        if bottom == StackId::EMPTY && stack.is_ok() {
            // Threads that have ended leave theirs behind.
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
        })
    }

    /// The stack that stands for missing outer frames.
    fn marker(&mut self, stop: StopReason) -> StackId {
        let text = match stop {
            StopReason::Truncated => "<outer frames left out: the stack is deeper than 1024>",
            StopReason::Fault => "<outer frames unreadable>",
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

    /// Resolves the frames that `last` does not have yet.
    fn stack(
        &mut self,
        frames: &[RawFrame],
        bottom: StackId,
        last: &mut super::process_symbols::LastStack,
        context: &ProcessContext,
    ) -> Result<StackId, StopReason> {
        let (common, mut stack) = last.keep_common(frames, bottom);
        let mut unknown = 0;
        for (depth, raw) in frames.iter().rev().enumerate().skip(common) {
            let is_at_an_end = depth == 0 || depth + 1 == frames.len();
            let frame = match self.frame(raw, context)? {
                Some(frame) => frame,
                // Nothing else vouches for a first or last frame that cannot be
                // read: the one may never have been finished, the other may be
                // where the chain went astray.
                None if is_at_an_end && raw.key == CodeKey::UNREAD => {
                    return Err(StopReason::Fault);
                }
                None => {
                    unknown += 1;
                    self.nameless("<unknown code>")
                }
            };
            stack = self.interner.stack(stack, frame);
            // What is unknown now may be known next time.
            if unknown == 0 {
                last.push(*raw, stack);
            }
        }
        // Not those of a sample that is refused after all: they are not shown.
        self.counts.unknown_frames += unknown;
        Ok(stack)
    }

    fn frame(
        &mut self,
        raw: &RawFrame,
        context: &ProcessContext,
    ) -> Result<Option<FrameId>, StopReason> {
        let process = context.config.key;
        let mut key = raw.key;
        if self.seen(process, key).is_none() {
            let fits = |facts: &CodeFacts| key == CodeKey::UNREAD || key == facts.key;
            if let Some(facts) = self.read(context, raw.code) {
                if !fits(&facts) {
                    return Ok(None);
                }
                self.static_codes
                    .remember(&context.static_code, raw.code, &facts);
                key = facts.key;
                self.newly_known.push(key);
                self.remember(context, facts);
            } else if let Some(facts) = self.read_from_parent(context, key, raw.code) {
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
        let Some(code) = self
            .processes
            .get_mut(&process)
            .and_then(|it| it.codes.get_mut(&key))
        else {
            return Ok(None);
        };
        if code.unit_count != 0 && i64::from(raw.instruction) >= i64::from(code.unit_count) {
            return Err(StopReason::InstructionOutOfRange);
        }
        if let Some(frame) = code.frame(raw.instruction) {
            return Ok(Some(frame));
        }
        // An instruction that the compiler gave no line is shown at the first.
        let line = code.line_table.as_ref().map_or(0, |table| {
            line_at(context.line_tables, table, code.first_line, raw.instruction)
                .unwrap_or(code.first_line)
        });
        let line = u32::try_from(line).unwrap_or(0);
        let (file, function) = (code.file, code.function);
        let source = match (&mut self.sources, &context.files) {
            (Some(sources), Some(files)) => {
                let name = self.interner.symbols().string(file);
                let text = sources.line(files, name, line);
                self.interner.string(&text)
            }
            _ => StringId::EMPTY,
        };
        let frame = self.interner.frame(Frame {
            file,
            function,
            line,
            source,
        });
        code.remember(raw.instruction, frame);
        Ok(Some(frame))
    }

    fn seen(&self, process: ProcessKey, key: CodeKey) -> Option<&SeenCode> {
        self.processes.get(&process)?.codes.get(&key)
    }

    fn read(&mut self, context: &ProcessContext, address: u64) -> Option<CodeFacts> {
        let (tgid, config) = (context.tgid, context.config);
        let reading = move |_: &mut _| CodeFacts::read(&ProcessMemory::new(tgid), &config, address);
        let facts = self.scout.ask(tgid, reading).ok()??;
        self.counts.read_from_process += 1;
        Some(facts)
    }

    /// A child that is gone had what the process that forked it has, as far as
    /// neither has changed it: then the key, by which all of a code object's pointers
    /// go, is another one.
    fn read_from_parent(
        &mut self,
        context: &ProcessContext,
        key: CodeKey,
        address: u64,
    ) -> Option<CodeFacts> {
        let (parent, config) = (context.forked_from?, context.config);
        let reading =
            move |_: &mut _| CodeFacts::read(&ProcessMemory::new(parent), &config, address);
        let facts = self.scout.ask(parent, reading).ok()??;
        let is_same = facts.key == key;
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
