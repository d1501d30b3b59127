// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parses the rows of a timeline JSON, in the order of the file.

use std::collections::HashMap;
use std::io::Read;

use crate::formats::json_reader::error::JsonError;
use crate::formats::json_reader::lexer::{Lexer, Stop};
use crate::formats::json_reader::metadata::Metadata;
use crate::model::identifiers::{FrameId, StackId, StringId};
use crate::model::intern::SymbolInterner;
use crate::model::symbols::Frame;

/// The most rows that are read, at 16 bytes each.
const MAXIMUM_ROWS: usize = 1 << 24;
/// The most pairs of ident and name that are read.
const MAXIMUM_THREADS: usize = 1 << 20;
/// The longest fifth element of the sentinel that is read.
const MAXIMUM_METADATA: usize = 32 << 20;
/// Unix times are below this, in seconds: the year 2255.
const MAXIMUM_SECONDS: f64 = 9e9;

/// A row of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileRow {
    /// Unix time in microseconds.
    pub(super) time: u64,
    /// The number of its pair of ident and name.
    pub(super) thread: u32,
    pub(super) stack: StackId,
}

/// What a file contains.
#[derive(Debug, Default)]
pub(super) struct FileRows {
    pub(super) rows: Vec<FileRow>,
    /// Ident and name of each thread, by its number.
    pub(super) threads: Vec<(u64, StringId)>,
    pub(super) interner: SymbolInterner,
    /// The sentinel's time; `None` in a torn file.
    pub(super) end: Option<u64>,
    pub(super) metadata: Option<Metadata>,
    /// Bytes up to the end of the last complete row.
    pub(super) whole: u64,
}

pub(super) fn read(input: impl Read) -> Result<FileRows, JsonError> {
    let mut parser = Parser {
        lexer: Lexer::new(input),
        file: FileRows::default(),
        numbers: HashMap::new(),
        text: Vec::new(),
        word: String::new(),
    };
    match parser.file() {
        Ok(()) | Err(Stop::End) => Ok(parser.file),
        Err(Stop::Failed(error)) => Err(error),
    }
}

struct Parser<R> {
    lexer: Lexer<R>,
    file: FileRows,
    numbers: HashMap<(u64, StringId), u32>,
    text: Vec<u8>,
    word: String,
}

impl<R: Read> Parser<R> {
    fn file(&mut self) -> Result<(), Stop> {
        self.lexer.expect(b'[')?;
        if self.lexer.take_if(b']')? {
            return Ok(());
        }
        loop {
            self.row()?;
            self.file.whole = self.lexer.position();
            if !self.lexer.take_if(b',')? {
                return self.lexer.expect(b']');
            }
        }
    }

    fn row(&mut self) -> Result<(), Stop> {
        self.lexer.expect(b'[')?;
        let time = self.time()?;
        self.lexer.expect(b',')?;
        let ident = self.ident()?;
        self.lexer.expect(b',')?;
        let name = self.string_or_null()?;
        self.lexer.expect(b',')?;
        let stack = self.stack()?;
        let Some(ident) = ident else {
            if self.lexer.take_if(b',')? {
                self.metadata()?;
            }
            self.rest_of_list()?;
            self.file.end = Some(time);
            return Ok(());
        };
        self.rest_of_list()?;
        let thread = self.thread(ident, name)?;
        if self.file.rows.len() >= MAXIMUM_ROWS {
            return Err(JsonError::TooMany {
                what: "rows",
                limit: MAXIMUM_ROWS,
            }
            .into());
        }
        self.file.rows.push(FileRow {
            time,
            thread,
            stack,
        });
        Ok(())
    }

    /// Skips further elements, which later versions may have, and takes the end of a list.
    fn rest_of_list(&mut self) -> Result<(), Stop> {
        while self.lexer.take_if(b',')? {
            self.lexer.skip(None, 0)?;
        }
        self.lexer.expect(b']')
    }

    fn time(&mut self) -> Result<u64, Stop> {
        let word = self.lexer.word(&mut self.word)?;
        match word.parse::<f64>() {
            // A double holds microseconds exactly until the year 2255.
            Ok(seconds) if (0.0..MAXIMUM_SECONDS).contains(&seconds) => {
                Ok((seconds * 1e6).round() as u64)
            }
            _ => Err(self.lexer.unexpected()),
        }
    }

    /// Takes a number, which can be inside a string; `None` for null.
    fn ident(&mut self) -> Result<Option<u64>, Stop> {
        if self.lexer.peek()? == b'"' {
            self.lexer.string(&mut self.text)?;
            let number = std::str::from_utf8(&self.text).ok().and_then(number);
            return number.map(Some).ok_or_else(|| self.lexer.unexpected());
        }
        let word = self.lexer.word(&mut self.word)?;
        if word == "null" {
            return Ok(None);
        }
        let ident = number(word);
        ident.map(Some).ok_or_else(|| self.lexer.unexpected())
    }

    fn string_or_null(&mut self) -> Result<StringId, Stop> {
        if self.lexer.peek()? == b'"' {
            self.lexer.string(&mut self.text)?;
            let string = String::from_utf8_lossy(&self.text);
            return Ok(self.file.interner.string(&string));
        }
        match self.lexer.word(&mut self.word)? {
            "null" => Ok(StringId::EMPTY),
            _ => Err(self.lexer.unexpected()),
        }
    }

    fn stack(&mut self) -> Result<StackId, Stop> {
        self.lexer.expect(b'[')?;
        let mut stack = StackId::EMPTY;
        if self.lexer.take_if(b']')? {
            return Ok(stack);
        }
        loop {
            let frame = self.frame()?;
            stack = self.file.interner.stack(stack, frame);
            if !self.lexer.take_if(b',')? {
                self.lexer.expect(b']')?;
                return Ok(stack);
            }
        }
    }

    fn frame(&mut self) -> Result<FrameId, Stop> {
        self.lexer.expect(b'[')?;
        let file = self.string_or_null()?;
        self.lexer.expect(b',')?;
        let line = match self.lexer.word(&mut self.word)? {
            "null" => 0,
            // In CPython too, negative lines mean "not known".
            word => number(word).map_or(0, |line| u32::try_from(line).unwrap_or(0)),
        };
        self.lexer.expect(b',')?;
        let function = self.string_or_null()?;
        self.lexer.expect(b',')?;
        let source = self.string_or_null()?;
        self.rest_of_list()?;
        Ok(self.file.interner.frame(Frame {
            file,
            function,
            line,
            source,
        }))
    }

    fn metadata(&mut self) -> Result<(), Stop> {
        let mut copy = Vec::new();
        self.lexer.skip(Some(&mut copy), MAXIMUM_METADATA)?;
        // If it is not ours, or too long, the rows are read without it.
        self.file.metadata = Metadata::parse(&copy);
        Ok(())
    }

    fn thread(&mut self, ident: u64, name: StringId) -> Result<u32, Stop> {
        if let Some(&number) = self.numbers.get(&(ident, name)) {
            return Ok(number);
        }
        let number = self.file.threads.len();
        if number >= MAXIMUM_THREADS {
            return Err(JsonError::TooMany {
                what: "threads",
                limit: MAXIMUM_THREADS,
            }
            .into());
        }
        let number = number as u32;
        self.file.threads.push((ident, name));
        self.numbers.insert((ident, name), number);
        Ok(number)
    }
}

/// Parses an integer; a negative one gives its 64 bits as an unsigned number.
fn number(word: &str) -> Option<u64> {
    word.parse::<u64>()
        .ok()
        .or_else(|| word.parse::<i64>().ok().map(i64::cast_unsigned))
}
