// SPDX-License-Identifier: MIT OR Apache-2.0

// Collects the tables and rows of a trace, for the readers of all formats, and checks every
// number.

import { growing16, growing32 } from "./columns.ts";
import { LevelBuilder } from "./levels.ts";
import {
  damaged,
  MAXIMUM_DEPTH,
  MAXIMUM_FRAMES,
  MAXIMUM_ROWS,
  MAXIMUM_STACKS,
  MAXIMUM_STRINGS,
  MAXIMUM_TRACKS,
  TraceError,
  within,
} from "./limits.ts";
import { RowSamples } from "./row_weights.ts";
import { State } from "./state.ts";
import {
  type CpuTime,
  type Frames,
  type ProcessInfo,
  rowEnd,
  rowSystem,
  type Stacks,
  type Torn,
  type Trace,
  type TraceInfo,
  type Track,
  type Weights,
  weightOf,
} from "./trace.ts";
import { TrackSums } from "./track_sums.ts";
import { noWeights } from "./weights.ts";

interface OpenTrack {
  process: number;
  tid: number;
  ident: number;
  name: string;
  /** The columns have room for more than `rows` rows. */
  start: Uint32Array;
  stack: Uint32Array;
  state: Uint8Array;
  rows: number;
  samples: RowSamples;
  cpu: CpuTime | null;
  sums: TrackSums;
  levels: LevelBuilder;
  /** The track of the growing trace; null until it has a stack. */
  shown: Track | null;
}

/** The factor by which ticks become longer when times no longer fit into 32 bits. */
const COARSER = 10;
const LARGEST = 2 ** 32 - 1;

export class TraceBuilder {
  strings: string[] = [""];
  processes: ProcessInfo[] = [];
  counts: Record<string, number> = {};
  private file = growing32();
  private func = growing32();
  private line = growing32();
  private source = growing32();
  private parent = growing32();
  private frame = growing32();
  private depth = growing16();
  private tracks: OpenTrack[] = [];
  private rows = 0;
  private hasStates = false;
  private hasSystem = false;
  private growing: Trace | null = null;

  /** `tickUs` is how long a tick is at least, in microseconds. */
  constructor(public tickUs = 1) {
    this.parent.push(0);
    this.frame.push(0);
    this.depth.push(0);
  }

  pushString(text: string): number {
    within(this.strings.length, MAXIMUM_STRINGS, "strings");
    return this.strings.push(text) - 1;
  }

  pushFrame(file: number, func: number, line: number, source: number): number {
    within(this.file.length, MAXIMUM_FRAMES, "frames");
    const strings = this.strings.length;
    if (file >= strings || func >= strings || source >= strings) {
      throw damaged("a frame names a string that is not there");
    }
    this.file.push(file);
    this.func.push(func);
    this.line.push(line);
    this.source.push(source);
    return this.file.length - 1;
  }

  get stackCount(): number {
    return this.parent.length;
  }

  pushStack(parent: number, frame: number): number {
    within(this.parent.length, MAXIMUM_STACKS, "stacks");
    if (parent >= this.parent.length || frame >= this.file.length) {
      throw damaged("a stack names a caller or a frame that is not there");
    }
    const depth = this.depth.data[parent] + 1;
    if (depth > MAXIMUM_DEPTH) throw new TraceError(`a stack has more than ${MAXIMUM_DEPTH} frames`);
    this.parent.push(parent);
    this.frame.push(frame);
    this.depth.push(depth);
    return this.parent.length - 1;
  }

  get trackCount(): number {
    return this.tracks.length;
  }

  addProcess(process: ProcessInfo): number {
    within(this.processes.length, MAXIMUM_TRACKS, "processes");
    return this.processes.push(process) - 1;
  }

  addTrack(process: number, tid: number, ident: number, name: string): number {
    within(this.tracks.length, MAXIMUM_TRACKS, "threads");
    if (process >= this.processes.length) {
      throw damaged("a thread belongs to a process that is not there");
    }
    const columns = { start: new Uint32Array(16), stack: new Uint32Array(16), state: new Uint8Array(16), rows: 0 };
    const samples = new RowSamples();
    const growth = { sums: new TrackSums(), levels: new LevelBuilder(), shown: null };
    return this.tracks.push({ process, tid, ident, name, ...columns, samples, cpu: null, ...growth }) - 1;
  }

  renameTrack(track: number, name: string): void {
    this.tracks[track].name = name;
  }

  /** Sets the CPU time that the kernel counted for a track. */
  setCpu(track: number, cpu: CpuTime): void {
    if (track >= this.tracks.length) throw damaged("CPU time belongs to a thread that is not there");
    this.tracks[track].cpu = cpu;
  }

  /** Makes room for `rows` more rows of a track. */
  reserveRows(track: number, rows: number): void {
    within(this.rows + rows, MAXIMUM_ROWS + 1, "rows");
    const open = this.tracks[track];
    const room = open.rows + rows;
    if (room > open.start.length) grow(open, Math.max(room, Math.ceil(open.start.length * 1.5)));
  }

  /**
   * Appends a row. A time before that of the track's last row is raised to it. A row with the
   * stack and state of the last one extends it.
   */
  pushRow(track: number, timeUs: number, stack: number, state: number): void {
    const open = this.tracks[track];
    if (stack >= this.parent.length) {
      throw damaged("a row has a stack that is not there");
    }
    const at = open.rows;
    if (at > 0 && open.stack[at - 1] === stack && open.state[at - 1] === state) return;
    if (at === open.start.length) this.reserveRows(track, 1);
    this.rows++;
    while (timeUs > LARGEST * this.tickUs) this.coarsen();
    const { start } = open;
    const time = Math.floor(timeUs / this.tickUs);
    const last = at > 0 ? start[at - 1] : 0;
    // biome-ignore lint/complexity/useMathMinMax: what is no number counts as the last time.
    start[at] = time > last ? time : last;
    open.stack[at] = stack;
    open.state[at] = state;
    open.rows = at + 1;
    if (state !== (stack === 0 ? State.none : State.running)) this.hasStates = true;
  }

  /**
   * Adds `count` samples to the last row of a track. Each stands for `period` nanoseconds;
   * `system` of them found the thread in the kernel.
   */
  weigh(track: number, period: number, count: number, system: number): void {
    const open = this.tracks[track];
    if (system > 0) this.hasSystem = true;
    open.samples.add(open.rows - 1, period, count, system, open.start.length);
  }

  private coarsen(): void {
    if (this.growing) throw new TraceError("the trace is too long to grow further");
    if (this.tickUs > 1e9) throw damaged("a time lies centuries ahead");
    this.tickUs *= COARSER;
    for (const { start, rows } of this.tracks) {
      for (let row = 0; row < rows; row++) start[row] = Math.floor(start[row] / COARSER);
    }
  }

  /**
   * Returns the trace as it is so far, up to a moment: always the same object, whose columns are
   * views of what still grows. Its tracks are in the order in which they first had a stack.
   */
  grow(info: TraceInfo, untilUs: number): Trace {
    while (untilUs > LARGEST * this.tickUs) this.coarsen();
    const end = Math.max(1, this.growing?.end ?? 0, this.endOf(untilUs));
    this.growing ??= { ...this.tables(info), tracks: [], end, torn: null };
    const trace = this.growing;
    if (trace.frames.file.length !== this.file.length || trace.stacks.parent.length !== this.parent.length) {
      Object.assign(trace, this.tables(info));
    }
    Object.assign(trace, { end, rows: this.rows, hasStates: this.hasStates, hasSystem: this.hasSystem });
    const depth = this.depth.view();
    for (const open of this.tracks) {
      const { rows, name, cpu, start } = open;
      const track = open.shown ?? this.trackOf(open, end);
      const samples = open.samples.view(rows, start.length, this.tickUs * 1000);
      Object.assign(track, this.columnsOf(open), { end, name, cpu, weights: { ...samples, waiting: 1 } });
      open.sums.measure(track, depth);
      if (!open.shown && track.deepest > 0) {
        open.shown = track;
        trace.tracks.push(track);
      }
      if (open.shown) track.levels = open.levels.of(track);
    }
    return trace;
  }

  /** Returns the trace, with the levels of its tracks; `report` gets the progress, 0 to 1. */
  finish(info: TraceInfo, endUs: number, torn: Torn | null, report?: (part: number) => void): Trace {
    while (endUs > LARGEST * this.tickUs) this.coarsen();
    const end = this.endOf(endUs);
    const depth = this.depth.view();
    const tracks: Track[] = [];
    const ofTrack: number[] = [];
    const whole = noWeights(depth.length, 0, this.hasSystem);
    this.tracks.forEach((open, number) => {
      const { start, stack, state } = this.columnsOf(open);
      const track: Track = {
        ...this.trackOf(open, end),
        start: start.slice(),
        stack: stack.slice(),
        state: state.slice(),
        weights: { ...open.samples.take(open.rows, this.tickUs * 1000), waiting: 1 },
      };
      // Frees the oversized columns before the next track is copied.
      grow(open, 0);
      open.sums.measure(track, depth);
      const sum = weighWhole(track, whole);
      track.levels = open.levels.of(track);
      // A track without a single stack has nothing to show.
      if (track.deepest > 0) ofTrack[tracks.push(track) - 1] = sum;
      report?.(number / this.tracks.length);
    });
    const tables = this.tables(info);
    return {
      ...tables,
      frames: copied(tables.frames),
      stacks: copied(tables.stacks),
      tracks,
      end: Math.max(end, 1),
      torn,
      whole: { ...whole, ofTrack: Float64Array.from(ofTrack) },
    };
  }

  /** When the trace ends, in ticks: at a moment, or with its last row. */
  private endOf(us: number): number {
    let end = Math.floor(us / this.tickUs);
    for (const { start, rows } of this.tracks) if (rows > 0) end = Math.max(end, start[rows - 1]);
    return end;
  }

  /** Everything but the tracks. */
  private tables(info: TraceInfo) {
    return {
      info,
      strings: this.strings,
      frames: {
        file: this.file.view(),
        func: this.func.view(),
        line: this.line.view(),
        source: this.source.view(),
      },
      stacks: { parent: this.parent.view(), frame: this.frame.view(), depth: this.depth.view() },
      processes: this.processes,
      tickUs: this.tickUs,
      hasStates: this.hasStates,
      hasSystem: this.hasSystem,
      counts: this.counts,
      rows: this.rows,
    };
  }

  private columnsOf({ start, stack, state, rows }: OpenTrack) {
    return { start: start.subarray(0, rows), stack: stack.subarray(0, rows), state: state.subarray(0, rows) };
  }

  /** A track without rows. */
  private trackOf({ process, tid, ident, name, cpu }: OpenTrack, end: number): Track {
    return {
      process,
      tid,
      ident,
      name,
      start: new Uint32Array(0),
      stack: new Uint32Array(0),
      state: new Uint8Array(0),
      end,
      weights: { unit: 0, counts: new Uint8Array(0), systems: new Uint8Array(0), waiting: 1 },
      levels: [],
      busy: 0,
      running: 0,
      system: 0,
      cpu,
      deepest: 0,
    };
  }
}

/** Columns in memory of their own, as large as they are. */
function copied<T extends Frames | Stacks>(columns: T): T {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column.slice()])) as unknown as T;
}

/** Changes the capacity of a track's columns; 0 frees them. */
function grow(open: OpenTrack, capacity: number): void {
  const { start, stack, state, rows } = open;
  open.start = new Uint32Array(capacity);
  open.stack = new Uint32Array(capacity);
  open.state = new Uint8Array(capacity);
  if (capacity === 0) return;
  open.start.set(start.subarray(0, rows));
  open.stack.set(stack.subarray(0, rows));
  open.state.set(state.subarray(0, rows));
}

/** Adds the rows of a track to the sums of the whole trace, and returns their sum. */
function weighWhole(track: Track, whole: Weights): number {
  const { start, stack, state, weights } = track;
  const { ofStack, ofState, systemOfStack } = whole;
  let sum = 0;
  for (let row = 0; row < stack.length; row++) {
    const at = stack[row];
    if (at === 0) continue;
    const weight = weightOf(weights, row, state[row], rowEnd(track, row) - start[row]);
    sum += weight;
    ofStack[at] += weight;
    ofState[state[row]] += weight;
    const inKernel = rowSystem(track, row);
    if (inKernel === 0) continue;
    systemOfStack[at] += inKernel;
    whole.system += inKernel;
  }
  whole.total += sum;
  return sum;
}
