//! Takes one sample of one thread: finds its thread state, walks its frames,
//! describes what is new, sends it. It refuses to know how the thread was chosen
//! and where its memory is read from.

use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_smp_processor_id, bpf_ktime_get_ns};
use sampler_common::counter::Counter;
use sampler_common::describe::{Subject, describe};
use sampler_common::known::{bucket_of, holds};
use sampler_common::memory::{Next, Step, UserMemory};
use sampler_common::process::ProcessConfig;
use sampler_common::sample::{CodeKey, MAX_FRAMES, RawFrame, RecordKind, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::thread_state;
use sampler_common::walk::{Codes, KnownCode, MAX_UNKNOWN};

use crate::maps::{
    Describing, KNOWN, Sampling, Urgency, code_cache, count, describing, sampling, send,
};

/// The thread to sample.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    pub(crate) tgid: u32,
    pub(crate) tid: u32,
    pub(crate) pointer: u64,
}

struct KnownTable;

impl KnownCode for KnownTable {
    #[inline(always)]
    fn is_known(&self, key: CodeKey) -> bool {
        KNOWN
            .get(bucket_of(key))
            .is_some_and(|bucket| holds(bucket, key))
    }
}

/// Takes a sample of `thread` and sends it.
#[inline(always)]
pub(crate) fn capture<M: UserMemory>(memory: &M, config: &ProcessConfig, thread: Thread) {
    let (Some(sampling), Some(cache)) = (sampling(), code_cache()) else {
        return count(Counter::NoScratch);
    };
    begin(sampling, config, thread);
    let found = thread_state::find(memory, config, thread.pointer, &mut sampling.search);
    let Sampling {
        sample,
        walk,
        search,
    } = sampling;
    let mut urgency = Urgency::Whenever;
    match found {
        Ok(state) => {
            sample.header.thread_state = state;
            walk.run(
                memory,
                config,
                Codes {
                    known: &KnownTable,
                    cache,
                },
                &search.state,
                &mut sample.frames,
            );
            sample.header.stop = walk.stop;
            sample.header.stop_address = walk.stop_address;
            if is_trustworthy(walk.stop) {
                sample.header.frame_count = walk.depth;
                if walk.unknown_count != 0 || walk.unread_count != 0 {
                    urgency = Urgency::Now;
                }
                if walk.unknown_count != 0 {
                    describe_unknown(memory, config, thread.tgid, sampling);
                }
            }
        }
        Err(reason) => sample.header.stop = reason as u32,
    }
    finish(sampling, urgency);
}

/// [`StopReason::is_trustworthy`], for a number.
#[inline(always)]
fn is_trustworthy(stop: u32) -> bool {
    stop <= StopReason::Fault as u32
}

#[inline(always)]
fn begin(sampling: &mut Sampling, config: &ProcessConfig, thread: Thread) {
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
        stop_address: 0,
        comm: bpf_get_current_comm().unwrap_or_default(),
        // SAFETY: as above.
        cpu: unsafe { bpf_get_smp_processor_id() },
        frame_count: 0,
    };
}

#[inline(always)]
fn finish(sampling: &Sampling, urgency: Urgency) {
    let frames = sampling.sample.header.frame_count as usize;
    let frames = if frames > MAX_FRAMES {
        MAX_FRAMES
    } else {
        frames
    };
    let size = size_of::<SampleHeader>() + frames * size_of::<RawFrame>();
    // SAFETY: header and frames are contiguous plain data, `size` is within.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const sampling.sample).cast(), size) };
    if send(bytes, urgency) {
        count(Counter::Delivered);
    } else {
        count(Counter::LostRing);
    }
}

/// Sends the names of the code objects that this sample saw first.
#[inline(always)]
fn describe_unknown<M: UserMemory>(
    memory: &M,
    config: &ProcessConfig,
    tgid: u32,
    sampling: &mut Sampling,
) {
    let Some(describing) = describing() else {
        return count(Counter::NoScratch);
    };
    if sampling.walk.unknown_count > MAX_UNKNOWN as u32 {
        count(Counter::DescriptionDeferred);
    }
    describing.position = 0;
    memory.repeat(
        MAX_UNKNOWN as u32,
        &mut DescribeStep {
            memory,
            config,
            tgid,
            sampling,
            describing,
        },
    );
}

struct DescribeStep<'a, M> {
    memory: &'a M,
    config: &'a ProcessConfig,
    tgid: u32,
    sampling: &'a Sampling,
    describing: &'a mut Describing,
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
        let subject = Subject {
            key: frame.key,
            code: frame.code,
            tgid: self.tgid,
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
