// SPDX-License-Identifier: MIT OR Apache-2.0

//! Samples a thread in any memory as the eBPF program does, and resolves the sample as
//! user space does.

use bytemuck::Zeroable;
use sampler_common::code::{CodeRecord, MAX_TEXT};
use sampler_common::code_cache::CodeCache;
use sampler_common::describe::{Subject, Windows, describe};
use sampler_common::life::InterpreterLife;
use sampler_common::memory::UserMemory;
use sampler_common::process::ProcessConfig;
use sampler_common::sample::{CodeKey, MAX_FRAMES, RawFrame, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::thread_state::{self, Search};
use sampler_common::wait::Origin;
use sampler_common::walk::{Codes, KnownCode, MAX_UNKNOWN, Walk};
use sampler_common::window::Window;
use sampler_cpython::cpython::line_table::LineTableKind;
use sampler_user::capture::bpf::events::{RawRecord, RawSample, decode};
use sampler_user::capture::symbolize::python::{ProcessContext, Symbolizer};
use sampler_user::capture::symbolize::static_code::StaticCode;

use super::file::ExpectedFrame;

/// A pid that no process has, so that the user side finds no process to read from.
const NOBODY: u32 = u32::MAX;

/// The outcome of a sample.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The address of the thread state that was found; 0 if none.
    pub thread_state: u64,
    /// Why the search or the walk ended.
    pub stop: StopReason,
    /// The life of the interpreter that the walk saw; 0 if there was no walk.
    pub life: InterpreterLife,
    /// The frames of the walk, trustworthy or not.
    pub frames: Vec<RawFrame>,
    /// The frames that the user side shows, innermost first, markers included; or why
    /// it shows nothing.
    pub shown: Result<Vec<ExpectedFrame>, StopReason>,
}

struct NothingKnown;

impl KnownCode for NothingKnown {
    fn is_known(&self, _: CodeKey) -> bool {
        false
    }
}

/// Samples the thread at `thread_pointer`, and resolves the sample.
///
/// # Panics
/// If the walker breaks a promise: it gives an unknown reason, or a description that
/// the user side cannot decode.
pub fn replay(
    memory: &impl UserMemory,
    config: &ProcessConfig,
    line_tables: LineTableKind,
    thread_pointer: u64,
) -> Replay {
    let mut search = Search::zeroed();
    let thread_state = match thread_state::find(memory, config, thread_pointer, 0, &mut search) {
        Ok(found) => found,
        Err(stop) => {
            return Replay {
                thread_state: 0,
                stop,
                life: InterpreterLife(0),
                frames: Vec::new(),
                shown: Err(stop),
            };
        }
    };
    let mut walk = Walk::zeroed();
    let mut frames = Box::new([RawFrame::zeroed(); MAX_FRAMES]);
    let codes = Codes {
        known: &NothingKnown,
        cache: &mut CodeCache::zeroed(),
    };
    walk.run(memory, config, codes, &search.state, &mut frames);
    let stop = StopReason::from_wire(walk.stop).expect("every outcome is a reason");
    let frames = frames[..walk.depth as usize].to_vec();
    let context = ProcessContext {
        process: config.key,
        tgid: NOBODY,
        forked_from: None,
        config,
        line_tables,
        static_code: &StaticCode::default(),
        files: None,
        cache_tag: "",
    };
    let mut symbolizer = Symbolizer::new(
        false,
        sampler_user::capture::process_inspector::ProcessInspector::default(),
    );
    learn(memory, &walk, &frames, &context, &mut symbolizer);
    Replay {
        thread_state,
        stop,
        life: walk.life,
        shown: resolve(&mut symbolizer, stop, &frames, &context),
        frames,
    }
}

/// Describes the code objects that the walk did not know, and hands the descriptions to
/// the user side.
fn learn(
    memory: &impl UserMemory,
    walk: &Walk,
    frames: &[RawFrame],
    context: &ProcessContext<'_>,
    symbolizer: &mut Symbolizer,
) {
    let mut windows = Windows {
        code: Window::zeroed(),
        text: Window::zeroed(),
    };
    let mut record = CodeRecord {
        header: Zeroable::zeroed(),
        text: [0; MAX_TEXT],
    };
    let mut described = Vec::new();
    let count = MAX_UNKNOWN.min(walk.unknown_count as usize);
    for position in &walk.unknown[..count] {
        let frame = &frames[usize::from(*position)];
        if described.contains(&frame.key) {
            continue;
        }
        described.push(frame.key);
        let subject = Subject {
            key: frame.key,
            code: frame.code,
            tgid: NOBODY,
            interpreter: walk.interpreter,
            life: walk.life,
        };
        let size = describe(memory, context.config, subject, &mut windows, &mut record);
        if size == 0 {
            continue;
        }
        let mut bytes = bytemuck::bytes_of(&record.header).to_vec();
        bytes.extend_from_slice(&record.text[..size - bytes.len()]);
        match decode(&bytes) {
            Ok(RawRecord::Code(code)) => symbolizer.learn(&code, context),
            other => panic!("a description is {other:?}"),
        }
    }
}

fn resolve(
    symbolizer: &mut Symbolizer,
    stop: StopReason,
    frames: &[RawFrame],
    context: &ProcessContext<'_>,
) -> Result<Vec<ExpectedFrame>, StopReason> {
    let sample = RawSample {
        origin: Origin::OnCpu,
        header: SampleHeader {
            process: context.process,
            ..Zeroable::zeroed()
        },
        stop,
        frames: frames.to_vec(),
    };
    let resolved = symbolizer.resolve(&sample, context)?;
    let symbols = symbolizer.interner().symbols();
    let mut stack = Vec::new();
    symbols.frames_of(resolved.stack, &mut stack);
    let frame = |id| {
        let frame = symbols.frame(id).expect("a stack names frames");
        let string = |id| symbols.string(id).to_owned();
        ExpectedFrame(string(frame.function), string(frame.file), frame.line)
    };
    Ok(stack.into_iter().rev().map(frame).collect())
}
