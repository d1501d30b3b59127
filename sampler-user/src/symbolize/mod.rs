//! Turns samples of addresses into stacks of names and lines. It refuses to know the timeline.
