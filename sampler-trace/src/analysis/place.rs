// SPDX-License-Identifier: MIT OR Apache-2.0

//! A place in the code, as text.

use crate::model::identifiers::FrameId;
use crate::model::symbols::Symbols;

/// A place in the code, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodePlace {
    /// The function.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line; 0 when not known.
    pub line: u32,
    /// The text of that line; empty when not known.
    pub source: String,
}

impl CodePlace {
    pub(super) fn new(symbols: &Symbols, frame: FrameId) -> Self {
        let frame = symbols.frame(frame).unwrap_or_default();
        Self {
            function: symbols.string(frame.function).to_owned(),
            file: symbols.string(frame.file).to_owned(),
            line: frame.line,
            source: symbols.string(frame.source).to_owned(),
        }
    }
}
