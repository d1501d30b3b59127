// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stacks, frames and functions of one thread, numbered as its samples refer to them,
//! and the strings of all threads.

use std::io::{self, Write};

use rustc_hash::FxHashMap;

use crate::formats::firefox::meta::category_of;
use crate::formats::json_text;
use crate::formats::out::Out;
use crate::model::identifiers::{FrameId, StackId, StringId};
use crate::model::row::{State, TimelineRow};
use crate::model::symbols::Symbols;
use crate::query::functions::Functions;
use crate::query::labels;
use crate::query::used::Renumbered;

/// A stack of the file: one of the trace, or one of the trace with the state of a waiting
/// thread as its innermost frame.
type Node = (StackId, Option<State>);

/// A frame of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FrameKey {
    Code(FrameId),
    State(State),
}

/// A function of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FunctionKey {
    Code(u32),
    State(State),
}

/// Marks a stack that the thread does not have.
const UNUSED: u32 = u32::MAX;

/// The tables of one thread after the other, without duplicates. A thread costs only what
/// it has, not as much as the whole trace.
#[derive(Debug)]
pub(super) struct ThreadTables<'a> {
    symbols: &'a Symbols,
    nodes: Vec<Node>,
    /// The number in the file of each stack of the trace.
    stack_numbers: Vec<u32>,
    waiting_numbers: FxHashMap<(StackId, State), u32>,
    frames: Vec<FrameKey>,
    frame_numbers: FxHashMap<FrameKey, u32>,
    functions: Vec<FunctionKey>,
    function_numbers: FxHashMap<FunctionKey, u32>,
}

fn node_of(row: &TimelineRow) -> Option<Node> {
    let state = labels::is_waiting(row.state).then_some(row.state);
    (row.stack != StackId::EMPTY).then_some((row.stack, state))
}

impl<'a> ThreadTables<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            nodes: Vec::new(),
            stack_numbers: vec![UNUSED; symbols.stack_count() as usize],
            waiting_numbers: FxHashMap::default(),
            frames: Vec::new(),
            frame_numbers: FxHashMap::default(),
            functions: Vec::new(),
            function_numbers: FxHashMap::default(),
        }
    }

    /// Forgets the previous thread, and numbers what these rows need.
    pub(super) fn restart(
        &mut self,
        functions: &Functions,
        rows: impl Iterator<Item = TimelineRow>,
    ) {
        for (stack, _) in self.nodes.drain(..) {
            if let Some(number) = self.stack_numbers.get_mut(stack.index()) {
                *number = UNUSED;
            }
        }
        self.waiting_numbers.clear();
        for (stack, state) in rows.filter_map(|row| node_of(&row)) {
            if let Some(state) = state {
                self.waiting_numbers.insert((stack, state), 0);
            }
            let mut at = stack;
            while let Some(number) = self.stack_numbers.get_mut(at.index())
                && *number == UNUSED
                && let Some(node) = self.symbols.stack(at)
            {
                *number = 0;
                self.nodes.push((at, None));
                at = node.parent;
            }
        }
        let waiting = self.waiting_numbers.keys();
        self.nodes
            .extend(waiting.map(|&(stack, state)| (stack, Some(state))));
        // Callers have smaller numbers, so they come first.
        self.nodes.sort_unstable();
        self.number_all(functions);
    }

    /// Numbers the stacks, frames and functions.
    fn number_all(&mut self, functions: &Functions) {
        self.frames.clear();
        self.frame_numbers.clear();
        self.functions.clear();
        self.function_numbers.clear();
        for (number, &node) in (0..).zip(&self.nodes) {
            match node {
                (stack, None) => {
                    if let Some(slot) = self.stack_numbers.get_mut(stack.index()) {
                        *slot = number;
                    }
                }
                (stack, Some(state)) => {
                    self.waiting_numbers.insert((stack, state), number);
                }
            }
            let frame = frame_of(self.symbols, node);
            if !self.frame_numbers.contains_key(&frame) {
                let number = u32::try_from(self.frames.len()).unwrap_or(UNUSED);
                self.frame_numbers.insert(frame, number);
                self.frames.push(frame);
            }
        }
        for frame in &self.frames {
            let function = function_of(functions, *frame);
            if !self.function_numbers.contains_key(&function) {
                let number = u32::try_from(self.functions.len()).unwrap_or(UNUSED);
                self.function_numbers.insert(function, number);
                self.functions.push(function);
            }
        }
    }

    /// The number of a row's stack; `None` for the empty one.
    pub(super) fn number(&self, row: &TimelineRow) -> Option<u32> {
        self.node_number(node_of(row)?)
    }

    fn node_number(&self, (stack, state): Node) -> Option<u32> {
        match state {
            Some(state) => self.waiting_numbers.get(&(stack, state)).copied(),
            None => {
                let number = self.stack_numbers.get(stack.index()).copied();
                number.filter(|&number| number != UNUSED)
            }
        }
    }

    /// Appends `,"stackTable":{…},"frameTable":{…},…`.
    pub(super) fn put<W: Write>(
        &self,
        functions: &Functions,
        strings: &mut Strings<'_>,
        out: &mut Out<W>,
    ) -> io::Result<()> {
        self.put_stacks(out)?;
        self.put_frames(functions, out)?;
        self.put_functions(functions, strings, out)?;
        out.put(",\"resourceTable\":{\"lib\":[],\"name\":[],\"host\":[],\"type\":[],\"length\":0}");
        out.put(",\"nativeSymbols\":{\"libIndex\":[],\"address\":[],\"name\":[],");
        out.put("\"functionSize\":[],\"length\":0}");
        Ok(())
    }

    fn put_stacks<W: Write>(&self, out: &mut Out<W>) -> io::Result<()> {
        let symbols = self.symbols;
        out.put(",\"stackTable\":{\"frame\":[");
        column(out, &self.nodes, |out, node| {
            let frame = self.frame_numbers.get(&frame_of(symbols, *node));
            out.number(frame.copied().unwrap_or(0));
        })?;
        out.put("],\"prefix\":[");
        column(out, &self.nodes, |out, node| {
            let parent = match *node {
                (stack, Some(_)) => stack,
                (stack, None) => symbols.stack(stack).unwrap_or_default().parent,
            };
            match self.node_number((parent, None)) {
                Some(number) => out.number(number),
                None => out.put("null"),
            }
        })?;
        length(out, self.nodes.len());
        Ok(())
    }

    fn put_frames<W: Write>(&self, functions: &Functions, out: &mut Out<W>) -> io::Result<()> {
        let symbols = self.symbols;
        let all = &self.frames;
        out.put(",\"frameTable\":{\"address\":[");
        column(out, all, |out, _| out.put("-1"))?;
        out.put("],\"inlineDepth\":[");
        column(out, all, |out, _| out.put("0"))?;
        out.put("],\"category\":[");
        column(out, all, |out, frame| {
            out.number(category_of(match frame {
                FrameKey::Code(_) => State::Running,
                FrameKey::State(state) => *state,
            }));
        })?;
        out.put("],\"subcategory\":[");
        column(out, all, |out, _| out.put("0"))?;
        out.put("],\"func\":[");
        column(out, all, |out, frame| {
            let number = self.function_numbers.get(&function_of(functions, *frame));
            out.number(number.copied().unwrap_or(0));
        })?;
        for empty in ["nativeSymbol", "innerWindowID", "column"] {
            out.put("],\"");
            out.put(empty);
            out.put("\":[");
            column(out, all, |out, _| out.put("null"))?;
        }
        out.put("],\"line\":[");
        column(out, all, |out, frame| match frame {
            FrameKey::Code(id) => match symbols.frame(*id).unwrap_or_default().line {
                0 => out.put("null"),
                line => out.number(line),
            },
            FrameKey::State(_) => out.put("null"),
        })?;
        length(out, all.len());
        Ok(())
    }

    fn put_functions<W: Write>(
        &self,
        functions: &Functions,
        strings: &mut Strings<'_>,
        out: &mut Out<W>,
    ) -> io::Result<()> {
        let all = &self.functions;
        out.put(",\"funcTable\":{\"name\":[");
        column(out, all, |out, function| {
            out.number(match function {
                FunctionKey::Code(number) => strings.of(functions.file_and_name(*number).1),
                FunctionKey::State(state) => strings.of_state(*state),
            });
        })?;
        for (name, value) in [
            ("isJS", "false"),
            ("relevantForJS", "false"),
            ("resource", "-1"),
        ] {
            out.put("],\"");
            out.put(name);
            out.put("\":[");
            column(out, all, |out, _| out.put(value))?;
        }
        out.put("],\"fileName\":[");
        column(out, all, |out, function| match function {
            FunctionKey::Code(number) => {
                out.number(strings.of(functions.file_and_name(*number).0));
            }
            FunctionKey::State(_) => out.put("null"),
        })?;
        for empty in ["lineNumber", "columnNumber"] {
            out.put("],\"");
            out.put(empty);
            out.put("\":[");
            column(out, all, |out, _| out.put("null"))?;
        }
        length(out, all.len());
        Ok(())
    }
}

fn frame_of(symbols: &Symbols, (stack, state): Node) -> FrameKey {
    match state {
        Some(state) => FrameKey::State(state),
        None => FrameKey::Code(symbols.stack(stack).unwrap_or_default().frame),
    }
}

fn function_of(functions: &Functions, frame: FrameKey) -> FunctionKey {
    match frame {
        FrameKey::Code(id) => FunctionKey::Code(functions.of_frame(id)),
        FrameKey::State(state) => FunctionKey::State(state),
    }
}

/// Appends a cell for each entry, with commas in between.
fn column<T, W: Write>(
    out: &mut Out<W>,
    entries: &[T],
    mut cell: impl FnMut(&mut Out<W>, &T),
) -> io::Result<()> {
    for (position, entry) in entries.iter().enumerate() {
        out.comma_unless(position == 0);
        cell(out, entry);
        out.drain()?;
    }
    Ok(())
}

/// Ends a table with its length.
fn length<W: Write>(out: &mut Out<W>, length: usize) {
    out.put("],\"length\":");
    out.number(length);
    out.put("}");
}

/// The strings of the file, each once; the names of the states come first.
pub(super) struct Strings<'a> {
    symbols: &'a Symbols,
    used: Renumbered,
}

impl<'a> Strings<'a> {
    pub(super) fn new(symbols: &'a Symbols) -> Self {
        Self {
            symbols,
            used: Renumbered::new(symbols.string_count()),
        }
    }

    fn of(&mut self, id: StringId) -> u32 {
        self.used.number(id.0) + State::ALL.len() as u32
    }

    pub(super) fn of_state(&self, state: State) -> u32 {
        state.number().into()
    }

    pub(super) fn put<W: Write>(&self, out: &mut Out<W>) -> io::Result<()> {
        for (position, state) in State::ALL.into_iter().enumerate() {
            out.comma_unless(position == 0);
            json_text::put(&mut out.buffer, state.name())?;
        }
        for &number in self.used.old() {
            out.put(",");
            json_text::put(&mut out.buffer, self.symbols.string(StringId(number)))?;
            out.drain()?;
        }
        Ok(())
    }
}
