// SPDX-License-Identifier: MIT OR Apache-2.0

//! Splits a trace into one part for each process or thread, and names the file of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::convert::selection::Split;
use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::query::view::TraceView;

/// The longest file name in bytes (`NAME_MAX`, include/uapi/linux/limits.h).
const LONGEST_NAME: usize = 255;

/// The parts of a view and the path of each: `trace.<pid>.json` by process,
/// `trace.<pid>.<tid>.json` by thread, with the ids before the ending of the format. A
/// path that would repeat, because pids are reused, gets a number.
pub(super) fn split<'a>(
    whole: &TraceView<'a>,
    path: &Path,
    ending: &str,
    split: Split,
) -> Vec<(PathBuf, TraceView<'a>)> {
    if split == Split::No {
        return vec![(path.to_owned(), whole.clone())];
    }
    let mut groups: BTreeMap<(ProcessIndex, Option<TrackId>), Vec<TrackId>> = BTreeMap::new();
    for &id in whole.tracks() {
        if let Some((track, _)) = whole.thread(id) {
            let thread = (split == Split::Thread).then_some(id);
            groups.entry((track.process, thread)).or_default().push(id);
        }
    }
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut parts = Vec::new();
    for tracks in groups.into_values() {
        let thread = tracks.first().and_then(|&id| whole.thread(id));
        let Some((track, process)) = thread else {
            continue;
        };
        let mut mark = process.pid.to_string();
        if split == Split::Thread {
            mark = format!("{mark}.{}", track.tid);
        }
        let times = taken.entry(mark.clone()).or_default();
        *times += 1;
        if *times > 1 {
            mark = format!("{mark}.{times}");
        }
        parts.push((marked(path, ending, &mark), whole.part(tracks)));
    }
    parts
}

fn marked(path: &Path, ending: &str, mark: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let at = name.len().saturating_sub(ending.len());
    let by_ending = name.split_at_checked(at).filter(|(stem, found)| {
        found.eq_ignore_ascii_case(ending) && stem.len() > 1 && stem.ends_with('.')
    });
    if let Some((stem, ending)) = by_ending {
        let stem = stem.strip_suffix('.').unwrap_or(stem);
        let stem = shortened(stem, mark.len() + ending.len() + 2);
        return path.with_file_name(format!("{stem}.{mark}.{ending}"));
    }
    match (path.file_stem(), path.extension()) {
        (Some(stem), Some(extension)) => {
            let (stem, extension) = (stem.to_string_lossy(), extension.to_string_lossy());
            let stem = shortened(&stem, mark.len() + extension.len() + 2);
            path.with_file_name(format!("{stem}.{mark}.{extension}"))
        }
        _ => {
            let name = shortened(&name, mark.len() + 1);
            path.with_file_name(format!("{name}.{mark}"))
        }
    }
}

/// The longest beginning of a name that leaves room for `others` more bytes.
fn shortened(stem: &str, others: usize) -> &str {
    let room = LONGEST_NAME.saturating_sub(others);
    &stem[..stem.floor_char_boundary(room)]
}
