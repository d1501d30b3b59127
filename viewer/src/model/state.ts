// SPDX-License-Identifier: MIT OR Apache-2.0

// What a thread was doing while a row lasts. The numbers are those of the container
// (sampler-trace/src/model/row.rs).

export const State = {
  none: 0,
  running: 1,
  runnable: 2,
  gil: 3,
  lock: 4,
  io: 5,
  sleeping: 6,
  stopped: 7,
  pageFault: 8,
  waiting: 9,
} as const;

export const STATE_NAMES = [
  "not sampled",
  "running",
  "runnable",
  "waiting for GIL",
  "lock",
  "I/O",
  "sleeping",
  "stopped",
  "page fault",
  "waiting",
] as const;

/** How many states there are; their numbers are below this. */
export const STATES = STATE_NAMES.length;

/** The set of all states except "not sampled", with one bit for each number. */
export const ALL_STATES = (1 << STATES) - 2;
