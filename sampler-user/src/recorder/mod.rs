//! Wires the stages of a recording, and owns its start and stop. It refuses to do a stage's work.
