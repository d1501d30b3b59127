//! Code in a subinterpreter.

use std::time::Duration;

use crate::machine::machine;
use crate::recording::record;
use crate::target::Target;

#[test]
fn shows_code_in_a_subinterpreter() {
    let Some(machine) = machine() else { return };
    machine.with_each("subinterpreter", |interpreter| {
        let target = Target::start::<&str>(interpreter, "subinterpreter.py", &[]);
        if target.ready["available"] == false {
            return Ok("not run: this interpreter has no module for them".to_owned());
        }
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(700))?;
        let mut rows = 0;
        for row in timeline.stacks() {
            rows += 1;
            let names = crate::marks::names(row);
            if !names.ends_with(&["<module>", "inside", "busy_inside"]) {
                return Err(format!("a row shows {names:?}"));
            }
            let lines: Vec<u32> = row.frames.iter().rev().take(3).map(|it| it.line).collect();
            if !matches!(lines.as_slice(), [3..=5, 8, 11]) {
                return Err(format!("the lines are {lines:?}, innermost first"));
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        if shown < 50 || refused * 99 > shown {
            return Err(format!("what was counted: {:?}", timeline.counts));
        }
        Ok(format!("{rows} rows, {shown} samples, {refused} refused"))
    });
}
