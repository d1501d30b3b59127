// A whole trace in memory, in typed arrays. It refuses to know the file it came
// from and how it is drawn.

import type { Weights } from "./weights.ts";

/** How a trace was taken. Empty or 0 where it is not known. */
export interface TraceInfo {
  hz: number;
  mode: string;
  host: string;
  kernel: string;
  program: string;
  command: string[];
  /** Unix time of tick 0, in microseconds; 0: the times are not those of a clock. */
  unixStartUs: number;
}

/** Frame `n`: numbers of strings, and the line, 0 when it is not known. */
export interface Frames {
  file: Uint32Array;
  func: Uint32Array;
  line: Uint32Array;
  source: Uint32Array;
}

/** A prefix tree: stack 0 is the empty one, and a parent comes before its children. */
export interface Stacks {
  parent: Uint32Array;
  frame: Uint32Array;
  depth: Uint16Array;
}

export interface ProcessInfo {
  pid: number;
  name: string;
  cmdline: string;
  python: string;
  /** Its container, else its cgroup, with its pid there; empty on the host itself. */
  place: string;
  /** 0, or 1 for a process of the second of two traces. */
  side: number;
}

/** Groups of sixteen rows, or of sixteen of those: what lasted longest in each. */
export interface Level {
  /** Rows of one group. */
  rows: number;
  stack: Uint32Array;
  state: Uint8Array;
  /** How long that stack lasted in the group, in ticks. */
  lasted: Uint32Array;
  /** How long the group had any stack, in ticks. */
  busy: Uint32Array;
}

/** A thread. Row `n` lasts from `start[n]` to `start[n + 1]`; the last to `end`. */
export interface Track {
  process: number;
  tid: number;
  ident: number;
  name: string;
  start: Uint32Array;
  stack: Uint32Array;
  state: Uint8Array;
  end: number;
  levels: Level[];
  /** How long it had a stack, and how long it ran, in ticks. */
  busy: number;
  running: number;
  deepest: number;
}

/** What of a file could not be read. */
export interface Torn {
  /** A sentence for people. */
  reason: string;
}

export interface Trace {
  info: TraceInfo;
  strings: string[];
  frames: Frames;
  stacks: Stacks;
  processes: ProcessInfo[];
  tracks: Track[];
  /** Microseconds of one tick. */
  tickUs: number;
  /** When it ends, in ticks. */
  end: number;
  /** Whether rows have states that their stacks do not imply. */
  hasStates: boolean;
  torn: Torn | null;
  counts: Record<string, number>;
  /** Rows in all. */
  rows: number;
  /** The sums over all of it, where they are known. */
  whole?: Weights;
}

/** Where a row of a track ends, in ticks. */
export function rowEnd(track: Track, row: number): number {
  return row + 1 < track.start.length ? track.start[row + 1] : track.end;
}

/** The row of a track at a time; -1 before its first. */
export function rowAt(track: Track, time: number): number {
  let low = 0;
  let high = track.start.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (track.start[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The stacks on the way to a stack, outermost first, without the empty one. */
export function pathOf(parent: Uint32Array, stack: number): number[] {
  const path = [];
  for (let at = stack; at > 0; at = parent[at]) path.push(at);
  return path.reverse();
}
