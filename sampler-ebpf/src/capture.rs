// SPDX-License-Identifier: MIT OR GPL-2.0-only

//! Takes one sample of one thread: finds its thread state, walks its frames, describes
//! what is new, and sends the sample. The caller chooses the thread and the way its
//! memory is read.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use sampler_common::counter::Counter;
use sampler_common::describe::{Subject, describe};
use sampler_common::fate::Fate;
use sampler_common::known_code::{bucket_of, holds};
use sampler_common::life::InterpreterLife;
use sampler_common::memory::{Next, Step, UserMemory};
use sampler_common::process::ProcessConfig;
use sampler_common::sample::{CodeKey, Comm, MAX_FRAMES, RawFrame, RecordKind, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::thread_state;
use sampler_common::wait::WaitFacts;
use sampler_common::walk::{Codes, KnownCode, MAX_UNKNOWN, Walk};

use crate::counts::{count, record_fate};
use crate::log;
use crate::maps::{Describing, KNOWN, Sampling, Scratch, Urgency, send};

/// The thread to sample.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
    pub(crate) pointer: u64,
    pub(crate) comm: Comm,
    /// The address of its thread state at its last sample, or 0.
    pub(crate) thread_state: u64,
}

/// The code objects that user space has the names of, as the map `KNOWN` holds them.
pub(crate) struct KnownTable;

impl KnownCode for KnownTable {
    #[inline(always)]
    fn is_known(&self, key: CodeKey) -> bool {
        KNOWN
            .get(bucket_of(key))
            .is_some_and(|bucket| holds(bucket, key))
    }
}

/// Begins a sample of `thread` at this moment.
#[inline(always)]
pub(crate) fn begin(
    sampling: &mut Sampling,
    config: &ProcessConfig,
    thread: &Thread,
    wait: WaitFacts,
) {
    sampling.sample.header = SampleHeader {
        kind: RecordKind::Sample as u32,
        stop: 0,
        // SAFETY: the helpers have no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        process: config.key,
        tgid: thread.tgid,
        tid: thread.tid,
        thread_id: thread.pointer,
        thread_state: 0,
        interpreter: 0,
        life: InterpreterLife(0),
        stop_address: 0,
        comm: thread.comm,
        // SAFETY: as above.
        cpu: unsafe { bpf_get_smp_processor_id() },
        frame_count: 0,
        wait,
    };
    sampling.walk.unknown_count = 0;
    sampling.walk.unread_count = 0;
}

/// Finds the thread state and walks the frames.
#[inline(always)]
pub(crate) fn walk<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    thread: &Thread,
    scratch: &mut Scratch,
) {
    let Sampling {
        sample,
        walk,
        search,
        ..
    } = &mut *scratch.sampling;
    match thread_state::find(memory, config, thread.pointer, thread.thread_state, search) {
        Ok(state) => {
            sample.header.thread_state = state;
            walk.run(
                memory,
                config,
                Codes {
                    known: &KnownTable,
                    cache: scratch.cache,
                },
                &search.state,
                &mut sample.frames,
            );
            note_walk(&mut sample.header, walk);
        }
        Err(reason) => {
            sample.header.stop = reason as u32;
            sample.header.stop_address = search.unread;
        }
    }
}

/// Writes the outcome of a walk to the header.
#[inline(always)]
pub(crate) fn note_walk(header: &mut SampleHeader, walk: &Walk) {
    header.stop = walk.stop;
    header.stop_address = walk.stop_address;
    header.interpreter = walk.interpreter;
    header.life = walk.life;
    if is_trustworthy(walk.stop) {
        header.frame_count = walk.depth;
    }
}

/// As [`StopReason::is_trustworthy`], for a number on the wire.
#[inline(always)]
fn is_trustworthy(stop: u32) -> bool {
    stop <= StopReason::Fault as u32 || stop == StopReason::OpenEnd as u32
}

/// Describes the code objects that are new in the sample, then sends the sample. Returns
/// whether user space will get it.
#[inline(always)]
pub(crate) fn finish<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    scratch: &mut Scratch,
) -> bool {
    if begin_describing(scratch) {
        memory.repeat(
            MAX_UNKNOWN as u32,
            &mut DescribeStep {
                memory,
                config,
                sampling: scratch.sampling,
                describing: scratch.describing,
            },
        );
    }
    deliver(scratch)
}

/// Whether user space lacks the names of code in the sample. If so, at most
/// [`MAX_UNKNOWN`] [`DescribeStep`]s have to follow.
#[inline(always)]
pub(crate) fn begin_describing(scratch: &mut Scratch) -> bool {
    let Sampling { sample, walk, .. } = &*scratch.sampling;
    if sample.header.frame_count == 0 || walk.unknown_count == 0 {
        return false;
    }
    if walk.unknown_count > MAX_UNKNOWN as u32 {
        count(Counter::DescriptionDeferred);
    }
    scratch.describing.position = 0;
    true
}

/// Sends the sample. Returns whether user space will get it.
#[inline(always)]
pub(crate) fn deliver(scratch: &Scratch) -> bool {
    let Sampling { sample, walk, .. } = &*scratch.sampling;
    log::outcome(&sample.header);
    let frames = sample.header.frame_count as usize;
    let urgency = if frames != 0 && (walk.unknown_count != 0 || walk.unread_count != 0) {
        Urgency::Now
    } else {
        Urgency::Whenever
    };
    let frames = if frames > MAX_FRAMES {
        MAX_FRAMES
    } else {
        frames
    };
    let size = size_of::<SampleHeader>() + frames * size_of::<RawFrame>();
    let record = &raw const *sample;
    // SAFETY: the header and the frames are contiguous plain data, and `size` is within
    // them.
    let bytes = unsafe { core::slice::from_raw_parts(record.cast(), size) };
    let is_sent = send(bytes, urgency);
    if is_sent {
        count(Counter::Sent);
    } else {
        record_fate(sample.header.process, Fate::Lost);
    }
    is_sent
}

/// Sends the names of one code object that is new in the sample. What changes from step
/// to step is in `describing`.
pub(crate) struct DescribeStep<'a, M> {
    pub(crate) memory: &'a M,
    pub(crate) config: &'a ProcessConfig,
    pub(crate) sampling: &'a Sampling,
    pub(crate) describing: &'a mut Describing,
}

impl<M: UserMemory> Step for DescribeStep<'_, M> {
    #[inline(always)]
    fn step(&mut self) -> Next {
        let Describing {
            record,
            windows,
            position,
        } = &mut *self.describing;
        let index = *position;
        *position = index + 1;
        if index >= self.sampling.walk.unknown_count {
            return Next::Stop;
        }
        let Some(depth) = self.sampling.walk.unknown.get(index as usize) else {
            return Next::Stop;
        };
        let frame = &self.sampling.sample.frames[usize::from(*depth) % MAX_FRAMES];
        let header = &self.sampling.sample.header;
        let subject = Subject {
            key: frame.key,
            code: frame.code,
            tgid: header.tgid,
            interpreter: header.interpreter,
            life: header.life,
        };
        let size = describe(self.memory, self.config, subject, windows, record);
        if size == 0 || size > size_of_val(record) {
            count(Counter::DescriptionFault);
            return Next::Continue;
        }
        // SAFETY: the record is plain data, and `size` is within it.
        let bytes = unsafe { core::slice::from_raw_parts((&raw const *record).cast(), size) };
        if send(bytes, Urgency::Whenever) {
            count(Counter::Described);
        } else {
            count(Counter::LostDescription);
        }
        Next::Continue
    }
}
