// SPDX-License-Identifier: MIT OR Apache-2.0

//! Formats figures as text for the cells of tables.

use anyhow::Context as _;
use serde_json::Value;

/// Returns the array `name` of a document.
pub(super) fn rows<'a>(document: &'a Value, name: &str) -> anyhow::Result<&'a Vec<Value>> {
    document[name]
        .as_array()
        .with_context(|| format!("the document has no {name}"))
}

/// Returns the median of a spread; `None` if nothing was measured.
pub(super) fn median(spread: &Value) -> Option<f64> {
    spread["median"].as_f64()
}

/// Formats the median, with the extremes in parentheses, divided by `unit`.
pub(super) fn spread(spread: &Value, unit: f64, digits: usize) -> String {
    let number = |name: &str| {
        let value = spread[name].as_f64();
        value.map(|value| format!("{:.digits$}", value / unit))
    };
    let [median, min, max] = ["median", "min", "max"].map(number);
    let (Some(median), Some(min), Some(max)) = (median, min, max) else {
        return "not measured".to_owned();
    };
    if spread["values"].as_array().is_some_and(|it| it.len() < 2) {
        return median;
    }
    format!("{median} ({min}..{max})")
}

/// Like [`spread`], but empty where the figure has no meaning or the profiler failed.
pub(super) fn optional(value: &Value, unit: f64, digits: usize) -> String {
    match median(value) {
        None => String::new(),
        Some(_) => spread(value, unit, digits),
    }
}

/// Like [`optional`], with as many digits as make three significant ones.
pub(super) fn fitting(value: &Value, unit: f64) -> String {
    let digits = match median(value).unwrap_or(0.0) / unit {
        ..0.1 => 4,
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    optional(value, unit, digits)
}

/// Formats the work that is lost, in percent, from a ratio to the work without a
/// profiler: the median, with its 95 % interval if there are enough values, otherwise
/// with the extremes.
pub(super) fn lost(ratio: &Value) -> String {
    let percent = |value: &Value| value.as_f64().map(|it| 100.0 * (1.0 - it));
    let Some(median) = percent(&ratio["median"]) else {
        return String::new();
    };
    let ends = match &ratio["interval95"] {
        Value::Array(ends) => [percent(&ends[1]), percent(&ends[0])],
        _ => [percent(&ratio["max"]), percent(&ratio["min"])],
    };
    match ends {
        [Some(low), Some(high)] if low < high => format!("{median:.1} ({low:.1}..{high:.1})"),
        _ => format!("{median:.1}"),
    }
}

/// Shortens a message of another program to one line, since a line break would end a
/// list. The JSON document has the whole message.
pub(super) fn one_line(message: &str) -> String {
    /// The longest result, in characters, before the dots.
    const LONGEST: usize = 160;
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{fitting, lost, optional, spread};

    #[test]
    fn a_spread_is_shown_with_its_extremes() {
        let value = json!({"median": 4810.0, "min": 4600.0, "max": 5904.0, "values": [1, 2, 3]});
        assert_eq!(spread(&value, 1000.0, 2), "4.81 (4.60..5.90)");
        assert_eq!(fitting(&value, 1000.0), "4.81 (4.60..5.90)");
        let once = json!({"median": 7.0, "min": 7.0, "max": 7.0, "values": [7.0]});
        assert_eq!(spread(&once, 1.0, 0), "7");
        let none = json!({"median": null});
        assert_eq!(spread(&none, 1.0, 0), "not measured");
        assert_eq!(optional(&none, 1.0, 0), "");
    }

    #[test]
    fn lost_work_is_what_is_missing_to_one() {
        let few = json!({"median": 0.98, "min": 0.97, "max": 1.01, "interval95": null});
        assert_eq!(lost(&few), "2.0 (-1.0..3.0)");
        let many = json!({"median": 0.98, "min": 0.5, "max": 2.0, "interval95": [0.975, 0.985]});
        assert_eq!(lost(&many), "2.0 (1.5..2.5)");
        assert_eq!(lost(&Value::Null), "");
    }
}
