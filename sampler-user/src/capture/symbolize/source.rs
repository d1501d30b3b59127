// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the text of source lines from the target's own files. A line that cannot be
//! read, or that nothing confirms to be the one that runs, is empty.
//!
//! A code object knows no more of its source than the path of a file, and that may lead
//! to another text by now: the file was rewritten, the process went to another directory
//! or root, or the code was compiled from something else, as templates are. So a line
//! counts only if
//!
//! * the file has not changed since the program began, or its `.pyc` proves that it is
//!   the text of this very code ([`pyc`]), and
//! * the definition that begins in the code's first line has its name, and the line lies
//!   in it ([`place`]). For code without a name, it is enough that other code of the file
//!   was found where it should be, or that the path cannot mean another file.

mod encoding;
mod file;
pub(super) mod place;
mod pyc;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sampler_cpython::process::files::{FileView, RootIdentity};
use tracing::debug;

use crate::capture::symbolize::source::file::{MAX_FILE, SourceFile, Stamp};
use crate::capture::symbolize::source::place::CodeLine;
use crate::capture::symbolize::source::pyc::Pyc;
use crate::platform::blocking_worker::{BlockingWorker, CallError, Timeouts};
use crate::platform::privileges::role::Role;

/// Bytes of source that are kept in memory. Lines that were asked for are kept elsewhere.
const MAX_KEPT: usize = 8 << 20;
/// How exactly the kernel dates files and the starts of processes: to one of its ticks,
/// and to a hundredth of a second.
const CLOCKS: Duration = Duration::from_millis(30);
/// How long to wait for a file: 4 MiB take some milliseconds from a disk.
const TIMEOUTS: Timeouts = Timeouts {
    first: Duration::from_millis(400),
    least: Duration::from_millis(25),
};
/// How many files of one root may give no answer before no other file of it is read:
/// somebody may do this on purpose. A single file system that hangs is given up sooner.
const MOST_LATE: u32 = 4;
/// Most roots, and most file systems, that are remembered for giving no answer.
const MAX_LATE: usize = 4096;

/// Reads source lines and keeps the files.
pub(super) struct Sources {
    reader: BlockingWorker<()>,
    files: HashMap<(RootIdentity, PathBuf), CachedSource>,
    kept: usize,
    late: HashMap<RootIdentity, u32>,
    /// Devices of file systems on which a file gave no answer.
    hanging: Arc<[u64]>,
    /// Files that gave no answer in time.
    pub(super) unanswered: u64,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            reader: BlockingWorker::new("sources", Role::Sources, TIMEOUTS),
            files: HashMap::new(),
            kept: 0,
            late: HashMap::new(),
            hanging: Arc::default(),
            unanswered: 0,
        }
    }
}

/// A file as it was when it was last looked at.
struct CachedSource {
    file: SourceFile,
    looked_at: SystemTime,
    /// Its `.pyc`, read where the age of the file proves nothing.
    pyc: Option<Pyc>,
}

impl Sources {
    /// Returns the text of a line, without leading and trailing space; empty when it
    /// cannot be read or is not confirmed. `tag` is the interpreter's tag in the names of
    /// `.pyc` files, and `others` is code of the same file in the same stack.
    pub(super) fn line(
        &mut self,
        view: &Arc<FileView>,
        tag: &str,
        place: &CodeLine<'_>,
        others: &[CodeLine<'_>],
    ) -> String {
        let mut found: Option<String> = None;
        for path in view.paths(place.file) {
            let key = (view.identity(), path);
            self.look_at(view, &key);
            let Some(text) = self.confirmed(view, tag, &key, place, others) else {
                continue;
            };
            // Two different files could be meant.
            if found.as_ref().is_some_and(|before| *before != text) {
                return String::new();
            }
            found = Some(text);
        }
        found.unwrap_or_default()
    }

    /// Reads a file, unless it was looked at since the process's program began.
    fn look_at(&mut self, view: &Arc<FileView>, key: &(RootIdentity, PathBuf)) {
        let kept = self.files.get(key);
        let since = view.program_start().unwrap_or(SystemTime::UNIX_EPOCH);
        if kept.is_some_and(|it| it.looked_at >= since + CLOCKS) {
            return;
        }
        let known = kept.and_then(|it| it.file.stamp);
        let looked_at = SystemTime::now();
        let asking = move |view: &FileView, path: &Path, refuse: &dyn Fn(u64) -> bool| {
            SourceFile::read(view, path, known, refuse)
        };
        let file = match self.ask(view, &key.1, asking) {
            Some(None) => {
                if let Some(kept) = self.files.get_mut(key) {
                    kept.looked_at = looked_at;
                }
                return;
            }
            Some(Some(file)) => file,
            None => SourceFile::default(),
        };
        self.make_room(file.weight() + key.1.as_os_str().len());
        let kept = CachedSource {
            file,
            looked_at,
            pyc: None,
        };
        self.files.insert(key.clone(), kept);
    }

    fn make_room(&mut self, weight: usize) {
        if self.kept + weight > MAX_KEPT {
            self.files.clear();
            self.kept = 0;
        }
        self.kept += weight;
    }

    /// Returns the line of this file if it is proven to be what runs.
    fn confirmed(
        &mut self,
        view: &Arc<FileView>,
        tag: &str,
        key: &(RootIdentity, PathBuf),
        place: &CodeLine<'_>,
        others: &[CodeLine<'_>],
    ) -> Option<String> {
        let kept = self.files.get_mut(key)?;
        let stamp = kept.file.stamp?;
        let start = view.program_start()?;
        let is_old = stamp.last_change() <= start + CLOCKS;
        if is_old {
            for named in others.iter().chain([place]).filter(|it| it.has_a_name()) {
                if named.begins_in(&kept.file) {
                    kept.file.is_vouched_for = true;
                } else {
                    kept.file.is_doubted = true;
                }
            }
        }
        if !place.begins_in(&kept.file) || !place.holds_in(&kept.file) {
            return None;
        }
        let file = &kept.file;
        let is_likely = place.has_a_name()
            || file.is_vouched_for
            || !file.is_doubted && view.is_settled(place.file) && file.is_python(&key.1);
        if is_old && is_likely {
            return file.shown_line(place.line);
        }
        let shown = file.shown_line(place.line)?;
        self.is_compiled_as(view, tag, key, stamp, place)
            .then_some(shown)
    }

    /// Whether the `.pyc` of the file was made of the text that is there now, and has
    /// this code.
    fn is_compiled_as(
        &mut self,
        view: &Arc<FileView>,
        tag: &str,
        key: &(RootIdentity, PathBuf),
        stamp: Stamp,
        place: &CodeLine<'_>,
    ) -> bool {
        let is_known = self.files.get(key).is_some_and(|it| it.pyc.is_some());
        if !is_known {
            let paths = pyc::paths(&key.1, tag);
            let asking = move |view: &FileView, _: &Path, refuse: &dyn Fn(u64) -> bool| {
                Ok(pyc::read(view, &paths, MAX_FILE, refuse))
            };
            let pyc = self.ask(view, &key.1, asking).unwrap_or_default();
            self.kept += pyc.weight();
            if let Some(kept) = self.files.get_mut(key) {
                kept.pyc = Some(pyc);
            }
        }
        let Some(kept) = self.files.get(key) else {
            return false;
        };
        kept.pyc
            .as_ref()
            .is_some_and(|pyc| pyc.is_of(stamp, kept.file.text()) && pyc.has(place))
    }

    /// Asks the reading thread about a file; `None` when it cannot be read, or not in
    /// time.
    fn ask<R: Send + 'static>(
        &mut self,
        view: &Arc<FileView>,
        path: &Path,
        question: impl FnOnce(&FileView, &Path, &dyn Fn(u64) -> bool) -> std::io::Result<R>
        + Send
        + 'static,
    ) -> Option<R> {
        let root = view.identity();
        if self.late.get(&root).is_some_and(|late| *late >= MOST_LATE) {
            self.unanswered += 1;
            return None;
        }
        let (view, file) = (Arc::clone(view), path.to_owned());
        let hanging = Arc::clone(&self.hanging);
        // The device that the reading thread has reached; 0 before it has reached any.
        let place = Arc::new(AtomicU64::new(0));
        let reached = Arc::clone(&place);
        let asked = self.reader.ask(move |()| {
            let refuse = |device| {
                reached.store(device, Ordering::Relaxed);
                hanging.contains(&device)
            };
            question(&view, &file, &refuse)
        });
        if let Err(CallError::Late(_)) = asked {
            self.remember_late(root, place.load(Ordering::Relaxed));
        }
        match asked {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                debug!(path = %path.display(), %error, "source file is not shown");
                self.unanswered += u64::from(error.kind() == ErrorKind::TimedOut);
                None
            }
            Err(silence) => {
                debug!(path = %path.display(), error = %silence, "source file is not shown");
                self.unanswered += 1;
                None
            }
        }
    }

    fn remember_late(&mut self, root: RootIdentity, device: u64) {
        if self.late.len() >= MAX_LATE {
            self.late.clear();
        }
        *self.late.entry(root).or_default() += 1;
        if device != 0 && self.hanging.len() < MAX_LATE {
            self.hanging = self.hanging.iter().copied().chain([device]).collect();
        }
    }
}

#[cfg(test)]
mod tests;
