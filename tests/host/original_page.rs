// SPDX-License-Identifier: MIT OR Apache-2.0

//! Loads files by the rules of the 2012 viewer page, as read from its source.

use std::collections::BTreeMap;

use sampler_trace::container::info::Mode;
use sampler_trace::formats::sink::RowOrder;
use serde_json::Value;

use crate::golden::json;
use crate::sample_trace::trace;

/// Loads a file as the page does: a row lasts until the next row of any thread,
/// the last row only gives its time, and a first row without a stack is an
/// error. Returns the seconds of visible stacks for each (ident, name).
fn load(bytes: &[u8]) -> Result<BTreeMap<(String, String), f64>, String> {
    // The page treats each byte as a character.
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let file: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let rows = file.as_array().ok_or("not an array")?;
    let mut seconds = BTreeMap::new();
    let mut previous: Option<&[Value]> = None;
    for pair in rows.windows(2) {
        let stack = pair[0][3].as_array().ok_or("a row has no stack")?;
        if stack.is_empty() && previous.is_none() {
            return Err("the first row has no stack".into());
        }
        previous = Some(stack);
        let duration = pair[1][0].as_f64().unwrap() - pair[0][0].as_f64().unwrap();
        if !stack.is_empty() {
            let key = (
                pair[0][1].to_string(),
                pair[0][2].as_str().unwrap().to_owned(),
            );
            *seconds.entry(key).or_insert(0.0) += duration;
        }
    }
    Ok(seconds)
}

#[test]
fn each_thread_has_its_true_duration() {
    for mode in [Mode::Cpu, Mode::Wall] {
        let seconds = load(&json(&trace(mode), RowOrder::Thread)).unwrap();
        let of = |name: &str| seconds[&("140007464703744".to_owned(), name.to_owned())];
        assert_eq!(seconds.len(), 3);
        assert!((of("MainThread · gunicorn[1234]") - 2.75).abs() < 1e-5);
        assert!((of("MainThread · gunicorn[1240]") - 1.85).abs() < 1e-5);
        assert!((of("späte \"Arbeit\"\n · gunicorn[1240]") - 0.75).abs() < 1e-5);
    }
}

#[test]
fn every_row_keeps_the_rules() {
    for order in [RowOrder::Thread, RowOrder::Time] {
        let bytes = json(&trace(Mode::Wall), order);
        assert!(
            bytes
                .iter()
                .all(|&byte| byte == b'\n' || (b' '..=b'~').contains(&byte))
        );
        let file: Vec<Vec<Value>> = serde_json::from_slice(&bytes).unwrap();
        let (sentinel, rows) = file.split_last().unwrap();
        assert!(rows.iter().all(|row| row.len() == 4));
        assert!(
            rows.iter()
                .flat_map(|row| row[3].as_array().unwrap())
                .all(|frame| { frame.as_array().is_some_and(|frame| frame.len() == 4) })
        );
        assert!(rows.windows(2).all(|pair| pair[0][1..] != pair[1][1..]));
        assert_eq!(
            sentinel[1..4],
            [Value::Null, Value::Null, Value::Array(Vec::new())]
        );
        let more = &sentinel[4];
        assert_eq!(more["pyebpf"], 1);
        assert_eq!(more["cols"]["state"].as_array().unwrap().len(), rows.len());
        assert!(load(&bytes).is_ok());
        if order == RowOrder::Time {
            let times: Vec<_> = rows.iter().map(|row| row[0].as_f64().unwrap()).collect();
            assert!(times.is_sorted());
            continue;
        }
        let threads = more["threads"].as_array().unwrap();
        let mut next = 0;
        for thread in threads {
            let [from, to] = [0, 1].map(|end| thread["rows"][end].as_u64().unwrap() as usize);
            assert_eq!(from, next);
            assert!(
                rows[from..to]
                    .windows(2)
                    .all(|pair| pair[0][1..3] == pair[1][1..3])
            );
            assert!(
                rows[to - 1][3].as_array().unwrap().is_empty(),
                "the group is closed"
            );
            next = to;
        }
        assert_eq!(next, rows.len());
    }
}
