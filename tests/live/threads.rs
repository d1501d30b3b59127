//! Threads by their Python names and identities.

use std::time::Duration;

use crate::machine::machine;
use crate::recording::record;
use crate::target::Target;

#[test]
fn shows_fifty_threads_by_name() {
    let Some(machine) = machine() else { return };
    machine.with_each("fifty threads", |interpreter| {
        let target = Target::start::<&str>(interpreter, "named_threads.py", &[]);
        let timeline = record(machine, target.pid(), 997, Duration::from_millis(1200))?;
        let known = target.ready.as_array().ok_or("no list of threads")?;
        for thread in known {
            let shown = |it: &&crate::timeline::Thread| it.name == thread[0];
            let found: Vec<_> = timeline.threads.iter().filter(shown).collect();
            let &[found] = found.as_slice() else {
                return Err(format!("{} is there {} times", thread[0], found.len()));
            };
            if thread[1] != found.ident || thread[2] != found.tid {
                return Err(format!(
                    "{thread} has ident {}, tid {}",
                    found.ident, found.tid
                ));
            }
            if let Some(other) = found.stacks().find(|row| {
                row.frames
                    .last()
                    .is_none_or(|frame| frame.short_name() != "work")
            }) {
                return Err(format!("{thread} shows {other:?}"));
            }
        }
        if timeline.threads.len() != known.len() {
            let names: Vec<_> = timeline.threads.iter().map(|it| &it.name).collect();
            return Err(format!("there are others too: {names:?}"));
        }
        Ok(format!("{} threads", known.len()))
    });
}
