//! Which stacks are wanted, by the functions, files and modules in them. It
//! refuses to know what is done with the others.

use std::sync::Arc;

use regex::Regex;

use super::module::module_of;
use crate::output::Functions;
use crate::timeline::{StackId, Symbols};

/// Expressions that one frame of a stack has to match, all of them at once.
/// The default wants every stack.
#[derive(Clone, Debug, Default)]
pub struct FrameSelection {
    /// Matches somewhere in the name of the function.
    pub function: Option<Regex>,
    /// Matches somewhere in the path of its file.
    pub file: Option<Regex>,
    /// Matches somewhere in the dotted name of its module.
    pub module: Option<Regex>,
}

impl FrameSelection {
    /// By the number of a stack, whether it is wanted; `None` when all are.
    pub(super) fn stacks(&self, symbols: &Symbols) -> Option<Arc<[bool]>> {
        if self.function.is_none() && self.file.is_none() && self.module.is_none() {
            return None;
        }
        let functions = Functions::of(symbols);
        let by_function: Vec<_> = (0..functions.count())
            .map(|number| {
                let (file, name) = functions.file_and_name(number);
                self.wants(symbols.string(name), symbols.string(file))
            })
            .collect();
        let mut wanted = vec![false; symbols.stack_count() as usize];
        // Callers have smaller numbers: theirs is decided before.
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
