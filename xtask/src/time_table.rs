// SPDX-License-Identifier: MIT OR Apache-2.0

//! Shows where the time went in a JSON timeline, as a small table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// How many functions are shown for each thread.
const FUNCTIONS: usize = 5;

/// Functions with a smaller share of their thread's time are left out.
const SMALLEST_SHARE: f64 = 0.02;

/// A thread as a timeline identifies it: by number and name.
type ThreadKey = (u64, String);

/// The seconds in which a thread was seen running, in all and by function.
#[derive(Debug, Default, PartialEq)]
struct ThreadTime {
    running: f64,
    functions: HashMap<String, FunctionTime>,
}

/// The seconds in a function itself, and in it and all that it called.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct FunctionTime {
    own: f64,
    total: f64,
}

/// Returns the table for the text of a timeline.
pub(crate) fn table(timeline: &str) -> anyhow::Result<String> {
    let rows: Vec<Value> = serde_json::from_str(timeline).context("the timeline is no JSON")?;
    let mut threads: Vec<(ThreadKey, ThreadTime)> = sum(&rows)?.into_iter().collect();
    threads.retain(|(_, time)| time.running > 0.0);
    if threads.is_empty() {
        bail!("the timeline has no time in it: nothing was seen running");
    }
    threads.sort_by(|left, right| right.1.running.total_cmp(&left.1.running));
    let mut text = String::new();
    for ((_, name), time) in &threads {
        write_thread(&mut text, name, time)?;
    }
    Ok(text)
}

/// Sums up the time of each thread. A row lasts until the next row of its thread.
fn sum(rows: &[Value]) -> anyhow::Result<BTreeMap<ThreadKey, ThreadTime>> {
    let mut threads: BTreeMap<ThreadKey, ThreadTime> = BTreeMap::new();
    let mut open: HashMap<ThreadKey, (f64, Vec<String>)> = HashMap::new();
    for row in rows {
        let start = row[0].as_f64().context("a row has no time")?;
        let (Some(ident), Some(name)) = (row[1].as_u64(), row[2].as_str()) else {
            continue;
        };
        let stack = row[3].as_array().context("a row has no stack")?;
        let stack = stack
            .iter()
            .map(function)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let key = (ident, name.to_owned());
        if let Some((since, previous)) = open.insert(key.clone(), (start, stack)) {
            threads
                .entry(key)
                .or_default()
                .add(&previous, start - since);
        }
    }
    let end = rows
        .last()
        .and_then(|row| row[0].as_f64())
        .unwrap_or_default();
    for (key, (since, stack)) in open {
        threads
            .entry(key)
            .or_default()
            .add(&stack, (end - since).max(0.0));
    }
    Ok(threads)
}

impl ThreadTime {
    fn add(&mut self, stack: &[String], seconds: f64) {
        let Some(innermost) = stack.last() else {
            return;
        };
        self.running += seconds;
        self.functions.entry(innermost.clone()).or_default().own += seconds;
        // A recursive function is counted once.
        for function in stack.iter().collect::<HashSet<_>>() {
            self.functions.entry(function.clone()).or_default().total += seconds;
        }
    }
}

fn function(frame: &Value) -> anyhow::Result<String> {
    let (Some(file), Some(name)) = (frame[0].as_str(), frame[2].as_str()) else {
        bail!("a frame is not a file, a line, a function and a source line");
    };
    let file = file.rsplit('/').next().unwrap_or(file);
    Ok(format!("{name} ({file})"))
}

fn write_thread(text: &mut String, name: &str, time: &ThreadTime) -> std::fmt::Result {
    writeln!(text, "{name:?} ran {:.1} s", time.running)?;
    writeln!(text, "   own  total")?;
    let mut functions: Vec<_> = time.functions.iter().collect();
    functions.sort_by(|left, right| {
        right
            .1
            .own
            .total_cmp(&left.1.own)
            .then(right.1.total.total_cmp(&left.1.total))
    });
    let shares = functions.into_iter().map(|(name, function)| {
        (
            name,
            function.own / time.running,
            function.total / time.running,
        )
    });
    for (name, own, total) in shares
        .filter(|share| share.2 >= SMALLEST_SHARE)
        .take(FUNCTIONS)
    {
        writeln!(
            text,
            "  {:3.0}%   {:3.0}%  {}",
            own * 100.0,
            total * 100.0,
            name.escape_debug()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FunctionTime, sum, table};

    #[test]
    fn a_row_lasts_until_the_next_of_its_thread() {
        let outer = json!(["/a.py", 1, "outer", "inner()"]);
        let inner = json!(["/a.py", 2, "inner", "work()"]);
        let rows = [
            json!([10.0, 1, "main", [outer, inner]]),
            json!([11.0, 2, "other", [outer]]),
            json!([13.0, 1, "main", [outer]]),
            json!([14.0, 1, "main", []]),
            json!([15.0, null, null, []]),
        ];
        let threads = sum(&rows).expect("the rows are well formed");
        let main = &threads[&(1, "main".to_owned())];
        assert_eq!(main.running, 4.0);
        assert_eq!(
            main.functions["outer (a.py)"],
            FunctionTime {
                own: 1.0,
                total: 4.0
            }
        );
        assert_eq!(
            main.functions["inner (a.py)"],
            FunctionTime {
                own: 3.0,
                total: 3.0
            }
        );
        assert_eq!(threads[&(2, "other".to_owned())].running, 4.0);
    }

    #[test]
    fn a_timeline_without_time_is_an_error() {
        assert!(table("[[15.0, null, null, []]]").is_err());
        assert!(table("[[15.0, 1").is_err());
    }
}
