// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes the bytes of the ring buffer into checked records. No length or number in them
//! is trusted: every input is either a record or an error.

use bytes::Bytes;
use sampler_common::code::{CodeHeader, MAX_FILE_NAME, MAX_LINE_TABLE, MAX_NAME, Missing};
use sampler_common::life::InterpreterLife;
use sampler_common::lifecycle::{LifecycleKind, LifecycleRecord};
use sampler_common::process::ProcessKey;
use sampler_common::sample::{CodeKey, MAX_FRAMES, RawFrame, RecordKind, SampleHeader};
use sampler_common::signal::{SignalOrigin, SignalRecord, is_reported};
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;
use sampler_cpython::process::comm::comm_text;

/// Bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct DecodeError {
    /// Whether they claim to be a sample.
    pub was_sample: bool,
    /// What is wrong with them.
    pub problem: WireProblem,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireProblem {
    /// The record has fewer bytes than it says.
    #[error("the record is cut short: {have} bytes")]
    Short {
        /// The number of bytes that are there.
        have: usize,
    },
    /// A number that has no meaning, or is too large.
    #[error("the record has an unknown {what}: {number}")]
    Unknown {
        /// What the number is.
        what: &'static str,
        /// Its value.
        number: u32,
    },
}

/// A decoded record of the eBPF program.
#[derive(Clone, Debug, PartialEq)]
pub enum RawRecord {
    /// A sample of a thread.
    Sample(RawSample),
    /// The description of a code object.
    Code(RawCode),
    /// An event in the life of a process.
    Lifecycle(RawLifecycle),
    /// A signal that can end a process.
    Signal(RawSignal),
}

impl RawRecord {
    /// Returns when a sample was taken or a process did something; `None` for the
    /// description of a code object.
    pub fn time(&self) -> Option<u64> {
        match self {
            Self::Sample(sample) => Some(sample.header.time),
            Self::Lifecycle(event) => Some(event.record.time),
            Self::Signal(signal) => Some(signal.record.time),
            Self::Code(_) => None,
        }
    }
}

/// A sample: whose thread it was, and its frames.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSample {
    /// Whose sample it is, and when and on which CPU it was taken.
    pub header: SampleHeader,
    /// Why the walk ended.
    pub stop: StopReason,
    /// Whether a tick or a scan took it.
    pub origin: Origin,
    /// Its frames, innermost first.
    pub frames: Vec<RawFrame>,
}

impl RawSample {
    /// Checks the numbers in a header. `frames` are as many as it says.
    ///
    /// # Errors
    /// [`WireProblem::Unknown`] for a number without a meaning.
    pub fn new(header: SampleHeader, frames: Vec<RawFrame>) -> Result<Self, WireProblem> {
        let stop = StopReason::from_wire(header.stop).ok_or(WireProblem::Unknown {
            what: "stop reason",
            number: header.stop,
        })?;
        let origin = Origin::from_wire(header.wait.origin).ok_or(WireProblem::Unknown {
            what: "origin",
            number: header.wait.origin,
        })?;
        Ok(Self {
            header,
            stop,
            origin,
            frames,
        })
    }

    /// Returns the kernel's name of the thread.
    pub fn comm(&self) -> String {
        comm_text(&self.header.comm)
    }
}

/// The description of a code object.
#[derive(Clone, Debug, PartialEq)]
pub struct RawCode {
    /// Identifies the code object.
    pub key: CodeKey,
    /// Its process.
    pub process: ProcessKey,
    /// Thread group id of its process.
    pub tgid: u32,
    /// Its address in that process.
    pub code: u64,
    /// Address of the interpreter that ran it.
    pub interpreter: u64,
    /// Which life of that interpreter it was.
    pub life: InterpreterLife,
    /// Its first line.
    pub first_line: i32,
    /// Number of code units; 0 when not known.
    pub unit_count: u32,
    /// File name, undecoded; `None` when cut short or missing.
    pub file_name: Option<RawString>,
    /// Qualified name, undecoded; `None` when cut short or missing.
    pub name: Option<RawString>,
    /// Line table; `None` when too long or missing.
    pub line_table: Option<Bytes>,
}

impl RawCode {
    /// Whether no part is missing.
    pub fn is_whole(&self) -> bool {
        self.file_name.is_some() && self.name.is_some() && self.line_table.is_some()
    }
}

/// A string, with its characters as the interpreter stores them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawString {
    /// Its bytes, not decoded.
    pub bytes: Bytes,
    /// Bytes per character: 1, 2 or 4.
    pub width: u16,
}

/// An event in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLifecycle {
    /// What happened.
    pub event: LifecycleKind,
    /// Which process it happened to, and when.
    pub record: LifecycleRecord,
}

/// A signal that was sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSignal {
    /// Where it came from.
    pub origin: SignalOrigin,
    /// Which signal, to whom and by whom.
    pub record: SignalRecord,
}

/// Decodes one record.
///
/// # Errors
/// [`DecodeError`] for anything that the eBPF program does not send.
pub fn decode(record: &[u8]) -> Result<RawRecord, DecodeError> {
    let kind: Result<u32, _> = read(record, 0);
    let was_sample = kind == Ok(RecordKind::Sample as u32);
    kind.and_then(|kind| decode_kind(kind, record))
        .map_err(|problem| DecodeError {
            was_sample,
            problem,
        })
}

fn decode_kind(kind: u32, record: &[u8]) -> Result<RawRecord, WireProblem> {
    match RecordKind::from_wire(kind) {
        Some(RecordKind::Sample) => decode_sample(record).map(RawRecord::Sample),
        Some(RecordKind::Code) => decode_code(record).map(RawRecord::Code),
        Some(RecordKind::Lifecycle) => {
            let record: LifecycleRecord = read(record, 0)?;
            let event = LifecycleKind::from_wire(record.event).ok_or(WireProblem::Unknown {
                what: "event",
                number: record.event,
            })?;
            Ok(RawRecord::Lifecycle(RawLifecycle { event, record }))
        }
        Some(RecordKind::Signal) => {
            let record: SignalRecord = read(record, 0)?;
            let origin = SignalOrigin::from_wire(record.origin).ok_or(WireProblem::Unknown {
                what: "origin of a signal",
                number: record.origin,
            })?;
            if !is_reported(record.signal) {
                return Err(WireProblem::Unknown {
                    what: "signal",
                    number: record.signal,
                });
            }
            Ok(RawRecord::Signal(RawSignal { origin, record }))
        }
        None => Err(WireProblem::Unknown {
            what: "kind",
            number: kind,
        }),
    }
}

fn decode_sample(record: &[u8]) -> Result<RawSample, WireProblem> {
    let header: SampleHeader = read(record, 0)?;
    let count = header.frame_count as usize;
    if count > MAX_FRAMES {
        return Err(WireProblem::Unknown {
            what: "frame count",
            number: header.frame_count,
        });
    }
    let start = size_of::<SampleHeader>();
    let bytes = slice(record, start, count * size_of::<RawFrame>())?;
    let frames = bytes
        .chunks_exact(size_of::<RawFrame>())
        .map(bytemuck::pod_read_unaligned);
    RawSample::new(header, frames.collect())
}

fn decode_code(record: &[u8]) -> Result<RawCode, WireProblem> {
    let header: CodeHeader = read(record, 0)?;
    let has = |part: Missing| header.missing & part as u32 == 0;
    let mut at = size_of::<CodeHeader>();
    let mut take = |size: usize, limit: usize| {
        if size > limit {
            return Err(WireProblem::Unknown {
                what: "text size",
                number: size as u32,
            });
        }
        let bytes = slice(record, at, size)?;
        at += size.next_multiple_of(8);
        Ok(Bytes::copy_from_slice(bytes))
    };
    let file_name = take(header.file_name.size.into(), MAX_FILE_NAME)?;
    let name = take(header.name.size.into(), MAX_NAME)?;
    let line_table = take(header.line_table_size as usize, MAX_LINE_TABLE)?;
    let string = |bytes, width| {
        let known = matches!(width, 1 | 2 | 4);
        known
            .then_some(RawString { bytes, width })
            .ok_or(WireProblem::Unknown {
                what: "character width",
                number: width.into(),
            })
    };
    let file_name = string(file_name, header.file_name.width)?;
    let name = string(name, header.name.width)?;
    Ok(RawCode {
        key: header.key,
        process: header.process,
        tgid: header.tgid,
        code: header.code,
        interpreter: header.interpreter,
        life: header.life,
        first_line: header.first_line,
        unit_count: header.unit_count,
        file_name: has(Missing::FileName).then_some(file_name),
        name: has(Missing::Name).then_some(name),
        line_table: has(Missing::LineTable).then_some(line_table),
    })
}

fn read<T: bytemuck::AnyBitPattern>(record: &[u8], at: usize) -> Result<T, WireProblem> {
    slice(record, at, size_of::<T>()).map(bytemuck::pod_read_unaligned)
}

fn slice(record: &[u8], at: usize, size: usize) -> Result<&[u8], WireProblem> {
    at.checked_add(size)
        .and_then(|end| record.get(at..end))
        .ok_or(WireProblem::Short { have: record.len() })
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use sampler_common::code::RawText;

    use super::*;

    fn header(time: u64) -> SampleHeader {
        SampleHeader {
            kind: RecordKind::Sample as u32,
            time,
            ..SampleHeader::zeroed()
        }
    }

    #[test]
    fn records_of_two_kinds_have_a_time() {
        let exit = LifecycleRecord {
            kind: RecordKind::Lifecycle as u32,
            event: LifecycleKind::Exit as u32,
            time: 7,
            ..LifecycleRecord::zeroed()
        };
        let time = |record: &[u8]| decode(record).expect("it is a record").time();
        assert_eq!(time(bytemuck::bytes_of(&exit)), Some(7));
        assert_eq!(time(bytemuck::bytes_of(&header(3))), Some(3));
        let code = CodeHeader {
            kind: RecordKind::Code as u32,
            file_name: RawText { size: 0, width: 1 },
            name: RawText { size: 0, width: 1 },
            ..CodeHeader::zeroed()
        };
        assert_eq!(time(bytemuck::bytes_of(&code)), None);
    }

    #[test]
    fn a_signal_has_a_number_and_an_origin_that_are_known() {
        let signal = SignalRecord {
            kind: RecordKind::Signal as u32,
            signal: 9,
            origin: SignalOrigin::Kernel as u32,
            time: 4,
            ..SignalRecord::zeroed()
        };
        let decoded = decode(bytemuck::bytes_of(&signal));
        let expected = RawSignal {
            origin: SignalOrigin::Kernel,
            record: signal,
        };
        assert_eq!(decoded, Ok(RawRecord::Signal(expected)));
        for wrong in [
            SignalRecord {
                signal: 15,
                ..signal
            },
            SignalRecord {
                origin: 9,
                ..signal
            },
        ] {
            assert!(decode(bytemuck::bytes_of(&wrong)).is_err(), "{wrong:?}");
        }
        assert!(decode(&bytemuck::bytes_of(&signal)[..55]).is_err());
    }

    #[test]
    fn what_claims_to_be_a_sample_is_missed_as_one() {
        let was_sample = |record: &[u8]| decode(record).expect_err("no record").was_sample;
        let broken = SampleHeader {
            stop: u32::MAX,
            ..header(3)
        };
        assert!(was_sample(bytemuck::bytes_of(&broken)));
        assert!(was_sample(&(RecordKind::Sample as u32).to_ne_bytes()));
        assert!(!was_sample(&(RecordKind::Lifecycle as u32).to_ne_bytes()));
        assert!(!was_sample(&[1, 0]));
        assert!(!was_sample(&[]));
    }
}
