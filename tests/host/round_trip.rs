// SPDX-License-Identifier: MIT OR Apache-2.0

//! Conversions from one format to another and back: nothing may change.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use sampler_trace::container::info::Mode;
use sampler_trace::convert::error::{ConvertError, DestinationError};
use sampler_trace::convert::input::read_trace;
use sampler_trace::convert::selection::{Selection, Split, TimePoint};
use sampler_trace::convert::{ConvertOptions, Destination, Output, convert};
use sampler_trace::formats::format::FileFormat;
use sampler_trace::formats::sink::{RowOrder, Shape};

use crate::golden::json;
use crate::sample_trace::{container, trace};

type Files = Rc<RefCell<BTreeMap<PathBuf, Vec<u8>>>>;

/// A file that exists only once it is committed.
struct InMemory {
    path: PathBuf,
    bytes: Vec<u8>,
    files: Files,
}

impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for InMemory {
    fn commit(self: Box<Self>) -> Result<(), DestinationError> {
        self.files.borrow_mut().insert(self.path, self.bytes);
        Ok(())
    }
}

pub(crate) fn converted(
    input: impl Read,
    path: &str,
    options: &ConvertOptions,
) -> Result<BTreeMap<PathBuf, Vec<u8>>, ConvertError> {
    let files = Files::default();
    let FileFormat { format, gzip } = FileFormat::from_path(Path::new(path)).unwrap();
    convert(
        input,
        &[Output {
            path: path.into(),
            format,
            gzip,
        }],
        options,
        |path| {
            let files = Rc::clone(&files);
            Ok(Box::new(InMemory {
                path: path.to_owned(),
                bytes: Vec::new(),
                files,
            }))
        },
    )?;
    Ok(files.take())
}

fn one(input: impl Read, path: &str, order: RowOrder) -> Vec<u8> {
    let options = ConvertOptions {
        shape: Shape {
            order,
            ..Shape::default()
        },
        ..ConvertOptions::default()
    };
    converted(input, path, &options)
        .unwrap()
        .remove(Path::new(path))
        .unwrap()
}

#[test]
fn json_goes_through_the_container_and_back_unchanged() {
    for mode in [Mode::Cpu, Mode::Wall] {
        for order in [RowOrder::Thread, RowOrder::Time] {
            let first = json(&trace(mode), order);
            let again = one(first.as_slice(), "a.json", order);
            assert_eq!(text(&again), text(&first));
            let container = one(first.as_slice(), "a.pyebpf", order);
            let again = one(container.as_slice(), "a.json", order);
            assert_eq!(text(&again), text(&first));
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn either_order_holds_the_same() {
    for mode in [Mode::Cpu, Mode::Wall] {
        let by_time = json(&trace(mode), RowOrder::Time);
        let by_thread = json(&trace(mode), RowOrder::Thread);
        assert_eq!(
            text(&one(by_time.as_slice(), "a.json", RowOrder::Thread)),
            text(&by_thread)
        );
    }
}

#[test]
fn a_gzip_file_is_read() {
    let bytes = json(&trace(Mode::Cpu), RowOrder::Thread);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&bytes).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(one(packed.as_slice(), "a.json", RowOrder::Thread), bytes);
    let half = read_trace(&packed[..packed.len() / 2]).unwrap();
    assert!(half.torn.is_some() && !half.rows.is_empty());
}

#[test]
fn a_part_is_taken_by_time_thread_and_process() {
    let part = |selection| {
        let options = ConvertOptions {
            selection,
            ..ConvertOptions::default()
        };
        let files = converted(container(Mode::Cpu).as_slice(), "a.pyebpf", &options)?;
        let trace = read_trace(files[Path::new("a.pyebpf")].as_slice())?;
        let rows: Vec<_> = trace
            .rows
            .tracks()
            .into_iter()
            .flat_map(|track| trace.rows.rows(track, trace.summary.end))
            .map(|row| {
                let ends = [row.start, row.end].map(|time| trace.info.microseconds(time) / 1000);
                (
                    row.track.0,
                    ends[0],
                    ends[1],
                    trace.symbols.depth(row.stack),
                )
            })
            .collect();
        Ok::<_, ConvertError>(rows)
    };
    let from = Some(TimePoint::SinceStart(Duration::from_millis(400)));
    let to = Some(TimePoint::Unix(1_352_241_182_739_376));
    let found = part(Selection {
        from,
        to,
        ..Selection::default()
    })
    .unwrap();
    assert_eq!(
        found,
        [(0, 400, 1100, 3), (0, 1100, 1200, 0), (1, 400, 1200, 2)]
    );
    let thread = Some("sp.te".parse().unwrap());
    let found = part(Selection {
        thread,
        ..Selection::default()
    })
    .unwrap();
    assert_eq!(found, [(0, 2500, 3250, 3)]);
    let process = Some(r"\[1240\]".parse().unwrap());
    let found = part(Selection {
        process,
        ..Selection::default()
    })
    .unwrap();
    assert_eq!(found.len(), 3);
    let seconds = |seconds| Some(TimePoint::SinceStart(Duration::from_secs(seconds)));
    let (from, to) = (seconds(2), seconds(1));
    assert!(
        part(Selection {
            from,
            to,
            ..Selection::default()
        })
        .is_err()
    );
    let from = seconds(100);
    let error = part(Selection {
        from,
        ..Selection::default()
    })
    .unwrap_err();
    assert!(matches!(error, ConvertError::Nothing { threads: 3, .. }));
}

#[test]
fn a_file_for_each_process_or_thread() {
    let split_to = |path, split| {
        let options = ConvertOptions {
            split,
            ..ConvertOptions::default()
        };
        let files = converted(container(Mode::Cpu).as_slice(), path, &options).unwrap();
        files
            .keys()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    let split = |split| split_to("d/t.json", split);
    assert_eq!(split(Split::Process), ["d/t.1234.json", "d/t.1240.json"]);
    assert_eq!(
        split(Split::Thread),
        [
            "d/t.1234.1234.json",
            "d/t.1240.1240.json",
            "d/t.1240.1241.json"
        ]
    );
    assert_eq!(
        split_to("d/t.x.speedscope.json.gz", Split::Process),
        [
            "d/t.x.1234.speedscope.json.gz",
            "d/t.x.1240.speedscope.json.gz"
        ]
    );
}
