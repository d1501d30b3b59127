// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether a line of a file can belong to a code object: the `def` has to be where the
//! code says it begins. The name and the age of the file are not considered here.

use crate::capture::symbolize::source::file::SourceFile;

/// Most lines that the decorators of a function or class may span.
const MAX_DECORATORS: u32 = 500;
/// Most lines that are searched for the block that contains a line.
const MAX_BLOCK: u32 = 20_000;
/// Columns from one tab stop to the next (`TABSIZE`, Parser/lexer/state.h).
const TAB: usize = 8;

/// A line of a code object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeLine<'a> {
    /// `co_filename`.
    pub(crate) file: &'a str,
    /// `co_qualname`, or `co_name` where there is none (to 3.10).
    pub(crate) function: &'a str,
    /// `co_firstlineno`.
    pub(crate) first_line: u32,
    /// The line, from 1.
    pub(crate) line: u32,
    /// `co_linetable` or `co_lnotab`.
    pub(crate) line_table: &'a [u8],
}

/// What the source has where a code object begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<'a> {
    /// `def`, `class` or `type` with this name, after decorators.
    Named(&'a str),
    Module,
    Lambda,
    Comprehension,
    /// Code without a keyword of its own: annotations, type parameters.
    Other,
}

impl CodeLine<'_> {
    fn kind(&self) -> Kind<'_> {
        match self.function.rsplit('.').next().unwrap_or_default() {
            "<module>" => Kind::Module,
            "<lambda>" => Kind::Lambda,
            "<listcomp>" | "<setcomp>" | "<dictcomp>" | "<genexpr>" => Kind::Comprehension,
            "__annotate__" | "__annotate_func__" | "" => Kind::Other,
            name if name.starts_with('<') || name.ends_with('>') => Kind::Other,
            name => Kind::Named(name),
        }
    }

    /// Whether its first line must have its name.
    pub(crate) fn has_a_name(&self) -> bool {
        matches!(self.kind(), Kind::Named(_))
    }

    /// Whether the code can come from this file, as far as its first line shows.
    pub(super) fn begins_in(&self, file: &SourceFile) -> bool {
        match self.kind() {
            Kind::Named(name) => {
                definition(file, self.first_line).is_some_and(|line| defines(file, line, name))
            }
            Kind::Module | Kind::Other => true,
            Kind::Lambda => has_word(file, self.first_line, "lambda"),
            Kind::Comprehension => {
                let opens = |line| {
                    let line = file.raw_line(line).unwrap_or_default();
                    line.iter().any(|byte| b"([{".contains(byte))
                };
                // Up to 3.7 it begins where its element is.
                opens(self.first_line) || opens(self.first_line.saturating_sub(1))
            }
        }
    }

    /// Whether the line has code, and that of this code object and no other.
    pub(super) fn holds_in(&self, file: &SourceFile) -> bool {
        if !is_code(file, self.line) {
            return false;
        }
        match self.kind() {
            Kind::Named(_) => definition(file, self.first_line)
                .is_some_and(|line| is_within(file, self.first_line, line, self.line)),
            Kind::Module => !is_in_a_definition(file, self.line),
            Kind::Lambda | Kind::Comprehension | Kind::Other => self.line >= self.first_line,
        }
    }
}

/// Returns the line of the `def` that begins at `first`, possibly with decorators.
fn definition(file: &SourceFile, first: u32) -> Option<u32> {
    let line = file.raw_line(first)?;
    if content(line).first() != Some(&b'@') {
        return is_header(content(line)).then_some(first);
    }
    let indent = indentation(line);
    (first + 1..first.saturating_add(MAX_DECORATORS)).find(|number| {
        file.raw_line(*number)
            .is_some_and(|line| indentation(line) == indent && is_header(content(line)))
    })
}

/// Whether the `def` in a line has this name. Python keeps names in one normal form
/// (NFKC), so a name that is not ASCII may be written in another way.
fn defines(file: &SourceFile, line: u32, name: &str) -> bool {
    let Some(text) = file.line(line) else {
        return false;
    };
    let text = text.trim_start();
    let text = text.strip_prefix("async").map_or(text, str::trim_start);
    let after = ["def", "class", "type"]
        .iter()
        .find_map(|word| text.strip_prefix(word));
    let Some(after) = after.filter(|it| it.starts_with([' ', '\t', '\x0c', '\\'])) else {
        return false;
    };
    let after = after.trim_start();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || !letter.is_ascii();
    let end = after.find(|letter| !is_part(letter)).unwrap_or(after.len());
    let written = &after[..end];
    // After a backslash, the name is in the next line.
    written == name || after == "\\" || !written.is_ascii()
}

/// Whether `line` belongs to the block of the `def` at `header`, which begins with
/// its decorators at `first`.
fn is_within(file: &SourceFile, first: u32, header: u32, line: u32) -> bool {
    if line <= header {
        return line >= first;
    }
    let indent = file.raw_line(header).map_or(0, indentation);
    if line - header > MAX_BLOCK {
        return false;
    }
    (header + 1..=line).all(|number| {
        let line = file.raw_line(number).unwrap_or_default();
        let content = content(line);
        let begins_another = content.first() == Some(&b'@') || is_header(content);
        !begins_another || indentation(line) > indent
    })
}

/// Whether the innermost block around a line, by indentation, is one that runs later than
/// the module does. The body of a class is code of its own as well.
fn is_in_a_definition(file: &SourceFile, line: u32) -> bool {
    let mut indent = file.raw_line(line).map_or(0, indentation);
    for number in (line.saturating_sub(MAX_BLOCK).max(1)..line).rev() {
        if indent == 0 {
            return false;
        }
        let line = file.raw_line(number).unwrap_or_default();
        let content = content(line);
        if content.is_empty() || content.first() == Some(&b'#') || indentation(line) >= indent {
            continue;
        }
        indent = indentation(line);
        if is_header(content) && !content.starts_with(b"type") {
            return true;
        }
    }
    indent != 0
}

/// Whether a line has more than space and a comment.
fn is_code(file: &SourceFile, line: u32) -> bool {
    let line = file.raw_line(line).map(content);
    line.is_some_and(|line| !matches!(line.first(), None | Some(b'#')))
}

/// Whether a line begins a function, a class or a type alias.
fn is_header(content: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_some_and(|it| b" \t\x0c\\".contains(it));
    let after = |word: &[u8]| {
        let rest = content.strip_prefix(word)?;
        is_space(rest.first()).then_some(rest)
    };
    if let Some(rest) = after(b"async") {
        let rest = &rest[rest.iter().take_while(|it| is_space(Some(it))).count()..];
        return rest.starts_with(b"def") && is_space(rest.get(3));
    }
    let words: [&[u8]; 3] = [b"def", b"class", b"type"];
    words.into_iter().any(|word| after(word).is_some())
}

fn has_word(file: &SourceFile, line: u32, word: &str) -> bool {
    let line = file.line(line).unwrap_or_default();
    let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.any(|it| it == word)
}

fn content(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\x0c');
    let line = &line[line.iter().take_while(is_blank).count()..];
    &line[..line.len() - line.iter().rev().take_while(is_blank).count()]
}

/// Returns the column of a line's content (`tok_get_normal_mode`, Parser/lexer/lexer.c).
fn indentation(line: &[u8]) -> usize {
    let mut column = 0;
    for byte in line {
        match byte {
            b' ' => column += 1,
            b'\t' => column = (column / TAB + 1) * TAB,
            b'\x0c' => column = 0,
            _ => break,
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
import time                       # 1
@decorator(
    with_lines)
async def first(a, b):            # 4
    # a comment
    x = [part(y)                  # 6
         for y in a]
    def inner():                  # 8
        return 1

class Second(Base):               # 11
    size = 4
    key = lambda self: self.size  # 13

if condition:
    first(1, 2)                   # 16
\tclass Third:
\t\tdef method(self): pass
";

    fn shown(function: &str, first_line: u32, line: u32) -> bool {
        let file = SourceFile::new(TEXT.as_bytes(), None);
        let place = CodeLine {
            file: "",
            function,
            first_line,
            line,
            line_table: &[],
        };
        place.begins_in(&file) && place.holds_in(&file)
    }

    #[test]
    fn a_line_belongs_to_the_code_that_begins_there() {
        for (function, first_line, line, expected) in [
            ("first", 2, 2, true),
            ("first", 2, 4, true),
            ("first", 2, 6, true),
            ("first", 2, 8, true),
            ("first", 2, 5, false),  // a comment
            ("first", 2, 10, false), // blank
            ("first", 2, 12, false), // of the class
            ("first", 2, 1, false),
            ("first", 4, 6, true),
            ("first", 5, 6, false),
            ("second", 2, 6, false),
            ("first.<locals>.inner", 8, 9, true),
            ("first.<locals>.<listcomp>", 6, 7, true),
            ("first.<locals>.<listcomp>", 15, 15, false),
            ("Second", 11, 12, true),
            ("Second.<lambda>", 13, 13, true),
            ("Second.<lambda>", 12, 12, false),
            ("<module>", 1, 1, true),
            ("<module>", 1, 2, true),
            ("<module>", 1, 16, true),
            ("<module>", 0, 6, false),
            ("<module>", 1, 12, false),
            ("<module>", 1, 14, false),
            ("<module>", 1, 400, false),
            ("Third.method", 18, 18, true),
            ("first", 400, 400, false),
            ("first", u32::MAX, u32::MAX, false),
        ] {
            let place = (function, first_line, line);
            assert_eq!(shown(function, first_line, line), expected, "{place:?}");
        }
    }

    #[test]
    fn names_and_words_are_whole() {
        let begins = |text: &str, function: &str| {
            let file = SourceFile::new(text.as_bytes(), None);
            let place = CodeLine {
                file: "",
                function,
                first_line: 1,
                line: 1,
                line_table: &[],
            };
            place.begins_in(&file)
        };
        assert!(begins("def f(): pass", "f"));
        assert!(begins("type Name[T] = list[T]", "Name"));
        assert!(begins("\x0cdef\tf(): pass", "f"));
        assert!(begins("def ﬁne(): pass", "fine"));
        assert!(!begins("def f2(): pass", "f"));
        assert!(!begins("define f", "f"));
        assert!(!begins("{% block f %}", "f"));
        assert!(!begins("lambdas = 1", "<lambda>"));
        assert!(begins("x = lambda: 1", "f.<locals>.<lambda>"));
        assert!(!begins("", "f"));
    }
}
