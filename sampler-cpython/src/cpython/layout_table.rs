// SPDX-License-Identifier: MIT OR Apache-2.0

//! Maps each version to its layout. A version that is not in the table has none.

use crate::cpython::layout_row::LayoutRow;
use crate::cpython::layout_rows as rows;
use crate::cpython::version::PythonVersion;

/// The oldest minor version with a row.
pub const OLDEST_MINOR: u8 = 6;
/// The newest minor version with a row.
pub const NEWEST_MINOR: u8 = 15;

/// Returns the row of a version; `None` if the table has none for it.
///
/// From 3.13, the row is only the start: see [`crate::cpython::debug_offsets`].
pub fn row(version: PythonVersion) -> Option<&'static LayoutRow> {
    if version.major != 3 {
        return None;
    }
    match (version.minor, version.free_threaded) {
        (6, false) => Some(&rows::PYTHON_3_6),
        (7, false) if version.micro < 4 => Some(&rows::PYTHON_3_7_0),
        (7, false) => Some(&rows::PYTHON_3_7_4),
        (8, false) => Some(&rows::PYTHON_3_8),
        (9, false) => Some(&rows::PYTHON_3_9),
        (10, false) => Some(&rows::PYTHON_3_10),
        (11, false) => Some(&rows::PYTHON_3_11),
        (12, false) => Some(&rows::PYTHON_3_12),
        (13, false) => Some(&rows::PYTHON_3_13),
        (13, true) => Some(&rows::PYTHON_3_13T),
        (14, false) => Some(&rows::PYTHON_3_14),
        (14, true) => Some(&rows::PYTHON_3_14T),
        (15, false) => Some(&rows::PYTHON_3_15),
        (15, true) => Some(&rows::PYTHON_3_15T),
        _ => None,
    }
}

/// Whether builds of this version describe where their fields are, in `_Py_DebugOffsets`
/// at the start of `_PyRuntime` (from 3.13).
pub fn has_debug_offsets(version: PythonVersion) -> bool {
    version.minor >= 13
}

#[cfg(test)]
mod tests {
    use super::*;
    use sampler_common::layout::{ABSENT, MAX_WINDOW_OFFSET};

    fn all_rows() -> Vec<(PythonVersion, &'static LayoutRow)> {
        let mut all = Vec::new();
        for minor in 0..=u8::MAX {
            for free_threaded in [false, true] {
                for micro in [0, 4] {
                    let version = PythonVersion {
                        micro,
                        free_threaded,
                        ..PythonVersion::minor_only(3, minor)
                    };
                    all.extend(row(version).map(|row| (version, row)));
                }
            }
        }
        all
    }

    #[test]
    fn has_every_supported_version_and_no_other() {
        let minors: Vec<u8> = all_rows()
            .iter()
            .filter(|(version, _)| !version.free_threaded && version.micro == 0)
            .map(|(version, _)| version.minor)
            .collect();
        assert_eq!(minors, (OLDEST_MINOR..=NEWEST_MINOR).collect::<Vec<_>>());
        assert_eq!(row(PythonVersion::minor_only(2, 7)), None);
        assert_eq!(row(PythonVersion::minor_only(4, 8)), None);
    }

    #[test]
    fn windows_hold_every_field_that_is_read_from_them() {
        for (version, row) in all_rows() {
            let thread = &row.layout.thread;
            let frame = &row.layout.frame;
            let code = &row.layout.code;
            let object = &row.layout.object;
            let data_stack = &row.layout.data_stack;
            let wanted = [
                (
                    thread.read_size,
                    vec![
                        (thread.next, 8),
                        (thread.interp, 8),
                        (thread.frame_head, 8),
                        (thread.base_frame, 8),
                        (thread.executor, 8),
                        (thread.thread_id, 8),
                        (thread.status, 4),
                        (data_stack.datastack_chunk, 24),
                    ],
                ),
                (
                    frame.read_size,
                    vec![
                        (frame.previous, 8),
                        (frame.executable, 8),
                        (frame.instruction, 4),
                        (frame.owner, 1),
                        (frame.tlbc_index, 4),
                        (frame.frame_obj.into(), 8),
                    ],
                ),
                (
                    code.read_size,
                    vec![
                        (code.filename, 8),
                        (code.name, 8),
                        (code.qualname, 8),
                        (code.linetable, 8),
                        (code.firstlineno, 4),
                        (code.flags, 4),
                        (code.version, 4),
                        (code.bytecode_object, 8),
                        (code.unit_count, 4),
                        (data_stack.framesize, 4),
                        (data_stack.nlocalsplus, 4),
                        (object.ob_type, 8),
                    ],
                ),
                (
                    object.str_ascii_data,
                    vec![(object.str_length, 8), (object.str_state, 4)],
                ),
            ];
            for (read_size, fields) in wanted {
                assert!(
                    read_size % 8 == 0 && read_size <= MAX_WINDOW_OFFSET,
                    "{version}"
                );
                for (offset, size) in fields.into_iter().filter(|(offset, _)| *offset != ABSENT) {
                    assert!(
                        offset % size.min(8) == 0,
                        "{version}: {offset} is not aligned"
                    );
                    assert!(offset + size <= read_size, "{version}: {offset} is outside");
                }
            }
        }
    }
}
