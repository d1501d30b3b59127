// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parses the JSON timeline, and checks it against every rule of the format.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::machine::when_emulated;

/// A whole timeline file.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) threads: Vec<Thread>,
    /// What was counted, by name.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The counts of each process, by pid.
    pub(crate) processes: BTreeMap<u32, BTreeMap<String, u64>>,
    /// Changes of the rate: seconds after the start, and samples a second from then on.
    pub(crate) rates: Vec<(f64, f64)>,
}

/// One thread of a timeline.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) name: String,
    /// `threading.get_ident()`.
    pub(crate) ident: u64,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    /// The pid in the process's own pid namespace, if it has one.
    pub(crate) namespace_pid: Option<u64>,
    /// Empty outside a container.
    pub(crate) container: String,
    pub(crate) rows: Vec<Row>,
}

/// A thread's stack from a certain time on.
#[derive(Debug)]
pub(crate) struct Row {
    /// Unix time in seconds.
    pub(crate) time: f64,
    /// Outermost first; empty where the thread has no stack.
    pub(crate) frames: Vec<Frame>,
    /// Its element in the column of states.
    pub(crate) state: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) function: String,
    pub(crate) source: String,
}

impl Row {
    /// Whether outer frames are missing because their memory was not there at that
    /// moment: no tick can read what the kernel has moved or paged out.
    pub(crate) fn is_cut(&self) -> bool {
        let outermost = self.frames.first();
        outermost.is_some_and(|frame| frame.function == "<outer frames unreadable>")
    }
}

impl Frame {
    /// Returns the name without what encloses the function, which 3.11 and later put in
    /// front of it.
    pub(crate) fn short_name(&self) -> &str {
        let name = self.function.as_str();
        name.rsplit_once('.').map_or(name, |(_, last)| last)
    }

    /// Whether it stands for frames outside of those that are known.
    pub(crate) fn is_open_end(&self) -> bool {
        self.function == "<outer frames not known>"
    }

    /// Whether it belongs to the standard library, or to a package that is installed beside
    /// it: some of them run code whenever an interpreter starts.
    pub(crate) fn is_library(&self) -> bool {
        let file = &self.file;
        // Debian's packages are for all versions; the last is the library's place before it
        // is installed.
        ["/lib/python3.", "/lib/python3/dist-packages/", "/Lib/"]
            .iter()
            .any(|place| file.contains(place))
            || file.starts_with("<frozen ")
    }
}

impl Timeline {
    /// Parses a file that is ordered by thread.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.is_ascii() {
            return Err("the file is not ASCII".to_owned());
        }
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rows = document.as_array().ok_or("the file is no array")?;
        let (sentinel, rows) = rows.split_last().ok_or("the file has no row")?;
        let [end, Value::Null, Value::Null, Value::Array(none), facts] = elements(sentinel)? else {
            return Err(format!("the last row is no sentinel: {sentinel}"));
        };
        let end = end.as_f64().ok_or("the sentinel has no time")?;
        if !none.is_empty() || facts["pyebpf"] != 1 || facts["order"] != "thread" {
            return Err("the sentinel does not say what the file is".to_owned());
        }
        let states = facts["cols"]["state"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if states.len() != rows.len() {
            return Err("the column of states is not as long as the file".to_owned());
        }
        let mut threads = Vec::new();
        let mut next = 0;
        for fact in facts["threads"].as_array().ok_or("no list of threads")? {
            let range = (number(&fact["rows"][0])?, number(&fact["rows"][1])?);
            if range.0 != next || range.1 <= next {
                return Err(format!("a thread has the rows {range:?} after row {next}"));
            }
            next = range.1;
            let range = range.0 as usize..range.1 as usize;
            let of_thread = rows.get(range.clone()).zip(states.get(range));
            threads.push(thread(
                fact,
                of_thread.ok_or("rows that are not there")?,
                end,
            )?);
        }
        if next != rows.len() as u64 {
            return Err(format!("{} rows, {next} of them with a thread", rows.len()));
        }
        if threads.is_empty() {
            return Err("there is no thread".to_owned());
        }
        let mut processes = BTreeMap::new();
        for process in facts["processes"]
            .as_array()
            .ok_or("no list of processes")?
        {
            let pid = number(&process["pid"])? as u32;
            processes.insert(pid, counts_of(&process["counts"])?);
        }
        let rates = facts["rates"].as_array().map_or(&[][..], Vec::as_slice);
        let rates = rates.iter().map(|rate| {
            let hz = rate[1].as_f64().ok_or("a rate without a number")?;
            Ok((number(&rate[0])? as f64 / 1e6, hz))
        });
        Ok(Self {
            threads,
            counts: counts_of(&facts["counts"])?,
            processes,
            rates: rates.collect::<Result<_, String>>()?,
        })
    }

    /// Returns a count of the sentinel, which must be there.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counts
            .get(name)
            .copied()
            .unwrap_or_else(|| panic!("no count {name}"))
    }

    /// Returns a count that is there only where it is not 0.
    pub(crate) fn count_if_any(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Returns all rows that have a stack.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Row> {
        self.threads.iter().flat_map(Thread::stacks)
    }

    /// Returns all rows that have a stack, except those that are cut.
    ///
    /// # Errors
    /// If a row is cut. On an emulated machine, where a page is often not in memory: if
    /// more than one sample in twenty is cut, or if more rows are cut than were counted
    /// as such.
    pub(crate) fn uncut_stacks(&self) -> Result<Vec<&Row>, String> {
        let (cut, uncut): (Vec<&Row>, Vec<&Row>) = self.stacks().partition(|row| row.is_cut());
        let counted = self.count_if_any("cut_by_fault");
        let most = when_emulated(self.count("shown") / 20);
        if counted > most || cut.len() as u64 > counted {
            let counts = &self.counts;
            return Err(format!("{} rows are cut: {counts:?}", cut.len()));
        }
        Ok(uncut)
    }

    /// Returns the threads of a process.
    pub(crate) fn of_process(&self, pid: u32) -> impl Iterator<Item = &Thread> {
        self.threads.iter().filter(move |thread| thread.pid == pid)
    }
}

impl Thread {
    /// Returns the rows that have a stack.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.frames.is_empty())
    }
}

fn counts_of(value: &Value) -> Result<BTreeMap<String, u64>, String> {
    let counts = value.as_object().ok_or("no counts")?;
    let counts = counts
        .iter()
        .map(|(name, count)| Ok((name.clone(), number(count)?)));
    counts.collect()
}

fn thread(fact: &Value, (rows, states): (&[Value], &[Value]), end: f64) -> Result<Thread, String> {
    let mut thread = Thread {
        name: fact["name"]
            .as_str()
            .ok_or("a thread has no name")?
            .to_owned(),
        ident: 0,
        pid: number(&fact["pid"])? as u32,
        tid: number(&fact["tid"])? as u32,
        namespace_pid: fact["namespace_pid"].as_u64(),
        container: fact["container"].as_str().unwrap_or_default().to_owned(),
        rows: Vec::with_capacity(rows.len()),
    };
    let mut identity = None;
    for (row, state) in rows.iter().zip(states) {
        let [
            Value::Number(time),
            ident,
            Value::String(label),
            Value::Array(stack),
        ] = elements(row)?
        else {
            return Err(format!("this row is not of the format: {row}"));
        };
        thread.ident = number(ident)?;
        if *identity.get_or_insert((thread.ident, label)) != (thread.ident, label) {
            return Err(format!("a thread has two identities: {row}"));
        }
        let of_many = format!(
            "{} · {}[{}]",
            thread.name,
            text(&fact["process"])?,
            thread.pid
        );
        if *label != thread.name && *label != of_many {
            return Err(format!("a row of {of_many} is called {label}"));
        }
        let time = time.as_f64().ok_or("a row has no time")?;
        let frames = stack.iter().map(frame).collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = thread.rows.last() {
            if last.frames == frames {
                return Err(format!("a row repeats the stack before it: {row}"));
            }
            if last.time > time {
                return Err(format!("a row is earlier than the one before it: {row}"));
            }
        } else if frames.is_empty() {
            return Err(format!("a thread begins with an empty stack: {row}"));
        }
        if time > end {
            return Err(format!("a row is later than the sentinel: {row}"));
        }
        thread.rows.push(Row {
            time,
            frames,
            state: state.clone(),
        });
    }
    match thread.rows.last() {
        Some(last) if last.frames.is_empty() => Ok(thread),
        _ => Err(format!("the thread {} is not closed", thread.name)),
    }
}

fn frame(frame: &Value) -> Result<Frame, String> {
    let [file, line, function, source] = elements(frame)? else {
        return Err(format!("this frame is not of the format: {frame}"));
    };
    Ok(Frame {
        file: text(file)?.to_owned(),
        line: number(line)? as u32,
        function: text(function)?.to_owned(),
        source: text(source)?.to_owned(),
    })
}

fn elements(value: &Value) -> Result<&[Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("no array: {value}"))
}

fn number(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("no number: {value}"))
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("no text: {value}"))
}
