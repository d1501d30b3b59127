// SPDX-License-Identifier: MIT OR Apache-2.0

// A whole trace in memory, in typed arrays.

import { State } from "./state.ts";

/** How a trace was recorded. Empty or 0 where it is not known. */
export interface TraceInfo {
  hz: number;
  mode: string;
  host: string;
  kernel: string;
  program: string;
  command: string[];
  /** Unix time of tick 0, in microseconds; 0 where the times are not those of a clock. */
  unixStartUs: number;
}

/** The columns of all frames: numbers of strings, and the line, 0 when it is not known. */
export interface Frames {
  file: Uint32Array;
  func: Uint32Array;
  line: Uint32Array;
  source: Uint32Array;
}

/** A prefix tree. Stack 0 is the empty one, and a parent comes before its children. */
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
  /** Its container, or else its cgroup, with its pid in there; empty on the host itself. */
  place: string;
  /** 1 for a process of the second of two merged traces, else 0. */
  side: number;
  /** The CPU time that the kernel counted for it; null where it is not known. */
  cpu: CpuTime | null;
}

/** CPU time as the kernel counts it, in user mode and in kernel mode, in microseconds. */
export interface CpuTime {
  user: number;
  system: number;
}

export type Counts = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/**
 * What the rows of a track count for in a sum: the samples in them. A row spans ticks at which
 * its thread did not run, so its length is not CPU time.
 */
export interface RowWeights {
  /** Ticks that one sample stands for. */
  unit: number;
  /** The samples of each row; empty where none are known, and rows count for their lengths. */
  counts: Counts;
  /** How many of those found the thread in the kernel; empty where none did. */
  systems: Counts;
  /**
   * What a tick of waiting counts for: waiting rows share the part of the thread's life that its
   * samples leave.
   */
  waiting: number;
}

/** How the time of a window is spread over stacks, tracks and states. */
export interface Weights {
  /** Ticks of each stack in the wanted states. */
  ofStack: Float64Array;
  /** Ticks of each track in those states. */
  ofTrack: Float64Array;
  /** Ticks in each state, wanted or not. */
  ofState: Float64Array;
  /** The sum of `ofStack`. */
  total: number;
  /** The part of `ofStack` spent in the kernel; empty where the trace has no such times. */
  systemOfStack: Float64Array;
  /** Ticks in the kernel, in all states, wanted or not. */
  system: number;
}

/** Groups of 16 rows, or of 16 groups of a finer level: what lasted longest in each. */
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

/** A thread. Row `n` lasts from `start[n]` to `start[n + 1]`; the last row, to `end`. */
export interface Track {
  process: number;
  tid: number;
  ident: number;
  name: string;
  start: Uint32Array;
  stack: Uint32Array;
  state: Uint8Array;
  end: number;
  weights: RowWeights;
  levels: Level[];
  /**
   * What its rows with a stack count for: all of them, those in which it ran, and the part spent
   * in the kernel; in ticks.
   */
  busy: number;
  running: number;
  system: number;
  /** The CPU time that the kernel counted for it; null where it is not known. */
  cpu: CpuTime | null;
  deepest: number;
}

/** Why the end of a file could not be read. */
export interface Torn {
  /** A sentence for the user. */
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
  /** Whether any row has a state other than the implied one: running with a stack, else none. */
  hasStates: boolean;
  /** Whether any sample found its thread in the kernel. */
  hasSystem: boolean;
  torn: Torn | null;
  counts: Record<string, number>;
  /** The number of rows of all tracks. */
  rows: number;
  /** The sums over the whole trace; absent where they are not known, as in a merged trace. */
  whole?: Weights;
}

/** Where a row of a track ends, in ticks. */
export function rowEnd(track: Track, row: number): number {
  return row + 1 < track.start.length ? track.start[row + 1] : track.end;
}

/** What a row counts for in a sum, in ticks. */
export function rowWeight(track: Track, row: number): number {
  const lasts = isGap(track, row) ? 0 : rowEnd(track, row) - track.start[row];
  return weightOf(track.weights, row, track.state[row], lasts);
}

/** The same, for a row in this state that lasts so many ticks. */
export function weightOf(weights: RowWeights, row: number, state: number, lasts: number): number {
  const { counts } = weights;
  if (counts.length === 0) return lasts;
  const count = counts[row];
  if (count > 0) return count * weights.unit;
  return state === State.running ? 0 : lasts * weights.waiting;
}

/** Whether nothing is known about a thread while a row lasts. */
export function isGap(track: Track, row: number): boolean {
  return track.stack[row] === 0 && track.state[row] === State.none;
}

/** The part of a row's weight spent in the kernel, in ticks. */
export function rowSystem(track: Track, row: number): number {
  const { systems, unit } = track.weights;
  return systems.length > 0 ? systems[row] * unit : 0;
}

/** The fraction of a row between two times. Its samples are taken to be spread evenly over it. */
export function partOfRow(track: Track, row: number, from: number, to: number): number {
  const begin = track.start[row];
  const end = rowEnd(track, row);
  if (begin >= from && end <= to) return 1;
  const inside = Math.min(end, to) - Math.max(begin, from);
  return inside > 0 ? inside / (end - begin) : 0;
}

/** The first row of a track that can have a part at or after a time. */
export function firstRow(track: Track, from: number): number {
  let row = Math.max(0, rowAt(track, from));
  // Rows of no length can begin at the same time.
  while (row > 0 && track.start[row] >= from) row--;
  return row;
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

/** The stacks on the path to a stack, outermost first, without the empty one. */
export function pathOf(parent: Uint32Array, stack: number): number[] {
  const path = [];
  for (let at = stack; at > 0; at = parent[at]) path.push(at);
  return path.reverse();
}
