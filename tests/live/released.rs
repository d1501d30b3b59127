//! Work in C code with the global lock released: the interpreter then has no
//! current thread state, and the Python stack is still there.

use std::time::Duration;

use crate::machine::machine;
use crate::marks::Marks;
use crate::recording::record;
use crate::target::Target;

#[test]
fn shows_the_stack_of_a_thread_that_hashes() {
    let Some(machine) = machine() else { return };
    let marks = Marks::of("hashing.py");
    machine.with_each_build("hashing", |interpreter| {
        let target = Target::start::<&str>(interpreter, "hashing.py", &[]);
        let timeline = record(machine, target.pid(), 500, Duration::from_millis(1000))?;
        let hasher = timeline.threads.iter().find(|it| it.name == "hasher");
        let hasher = hasher.ok_or("there is no thread of that name")?;
        // It is the only one that takes CPU time.
        timeline.uncut_stacks()?;
        for row in hasher.stacks().filter(|row| !row.is_cut()) {
            marks.check(row, |frame| frame.file.ends_with("/threading.py"))?;
            let names = crate::marks::names(row);
            if !names.ends_with(&["work", "hash_it"]) {
                return Err(format!("a row shows {names:?}"));
            }
        }
        let (shown, refused) = (timeline.count("shown"), timeline.count("refused"));
        if shown < 300 || refused * 99 > shown {
            let counts = &timeline.counts;
            return Err(format!(
                "{shown} samples with a stack, {refused} without: {counts:?}"
            ));
        }
        Ok(format!("{shown} samples with a stack, {refused} without"))
    });
}
