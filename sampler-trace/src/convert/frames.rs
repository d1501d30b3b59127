// SPDX-License-Identifier: MIT OR Apache-2.0

//! Selects stacks by the functions, files and modules of their frames.

use std::sync::Arc;

use regex::Regex;

use crate::convert::module::module_of;
use crate::model::identifiers::StackId;
use crate::model::symbols::Symbols;
use crate::query::functions::Functions;

/// Expressions that a single frame of a stack has to match, all of them at once. The
/// default selects every stack.
#[derive(Clone, Debug, Default)]
pub struct FrameSelection {
    /// Has to match somewhere in the name of the function.
    pub function: Option<Regex>,
    /// Has to match somewhere in the path of its file.
    pub file: Option<Regex>,
    /// Has to match somewhere in the dotted name of its module.
    pub module: Option<Regex>,
}

impl FrameSelection {
    /// For each stack, by its number, whether it is selected; `None` when all are.
    pub(super) fn stacks(&self, symbols: &Symbols) -> Option<Arc<[bool]>> {
        if self.function.is_none() && self.file.is_none() && self.module.is_none() {
            return None;
        }
        let functions = Functions::new(symbols);
        let by_function: Vec<_> = (0..functions.count())
            .map(|number| {
                let (file, name) = functions.file_and_name(number);
                self.wants(symbols.string(name), symbols.string(file))
            })
            .collect();
        let mut wanted = vec![false; symbols.stack_count() as usize];
        // Callers have smaller numbers, so theirs are already decided.
        for number in 1..symbols.stack_count() {
            let Some(node) = symbols.stack(StackId(number)) else {
                continue;
            };
            let by_caller = wanted.get(node.parent.index()).copied().unwrap_or(false);
            let function = functions.of_frame(node.frame) as usize;
            let by_itself = by_function.get(function).copied().unwrap_or(false);
            if let Some(slot) = wanted.get_mut(number as usize) {
                *slot = by_caller || by_itself;
            }
        }
        Some(wanted.into())
    }

    fn wants(&self, function: &str, file: &str) -> bool {
        let matches = |wanted: &Option<Regex>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.is_match(text))
        };
        matches(&self.function, function)
            && matches(&self.file, file)
            && (self.module.is_none() || matches(&self.module, &module_of(file)))
    }
}
