// SPDX-License-Identifier: MIT OR Apache-2.0

// Collects the tables and rows of a trace, for the readers of all formats, and checks every
// number.

import { growing16, growing32 } from "./columns.ts";
import { levelsOf } from "./levels.ts";
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
  isGap,
  type ProcessInfo,
  rowEnd,
  rowSystem,
  type Torn,
  type Trace,
  type TraceInfo,
  type Track,
  type Weights,
  weightOf,
} from "./trace.ts";
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
  tickUs = 1;

  constructor() {
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
    return this.tracks.push({ process, tid, ident, name, ...columns, samples, cpu: null }) - 1;
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
    if (this.tickUs > 1e9) throw damaged("a time lies centuries ahead");
    this.tickUs *= COARSER;
    for (const { start, rows } of this.tracks) {
      for (let row = 0; row < rows; row++) start[row] = Math.floor(start[row] / COARSER);
    }
  }

  /** Returns the trace, with the levels of its tracks; `report` gets the progress, 0 to 1. */
  finish(info: TraceInfo, endUs: number, torn: Torn | null, report?: (part: number) => void): Trace {
    while (endUs > LARGEST * this.tickUs) this.coarsen();
    let end = Math.floor(endUs / this.tickUs);
    for (const { start, rows } of this.tracks) if (rows > 0) end = Math.max(end, start[rows - 1]);
    const depth = this.depth.take();
    const tracks: Track[] = [];
    const whole = noWeights(depth.length, 0, this.hasSystem);
    this.tracks.forEach((open, number) => {
      const track: Track = {
        process: open.process,
        tid: open.tid,
        ident: open.ident,
        name: open.name,
        start: open.start.slice(0, open.rows),
        stack: open.stack.slice(0, open.rows),
        state: open.state.slice(0, open.rows),
        end,
        weights: { ...open.samples.take(open.rows, this.tickUs * 1000), waiting: 1 },
        levels: [],
        busy: 0,
        running: 0,
        system: 0,
        cpu: open.cpu,
        deepest: 0,
      };
      // Frees the oversized columns before the next track is copied.
      grow(open, 0);
      track.weights.waiting = waitingShare(track);
      measure(track, depth, whole);
      track.levels = levelsOf(track);
      // A track without a single stack has nothing to show.
      if (track.deepest > 0) tracks.push(track);
      report?.(number / this.tracks.length);
    });
    return {
      info,
      strings: this.strings,
      frames: {
        file: this.file.take(),
        func: this.func.take(),
        line: this.line.take(),
        source: this.source.take(),
      },
      stacks: { parent: this.parent.take(), frame: this.frame.take(), depth },
      processes: this.processes,
      tracks,
      tickUs: this.tickUs,
      end: Math.max(end, 1),
      hasStates: this.hasStates,
      hasSystem: this.hasSystem,
      torn,
      counts: this.counts,
      rows: this.rows,
      whole: { ...whole, ofTrack: Float64Array.from(tracks, (track) => track.busy) },
    };
  }
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

/**
 * What a tick of waiting counts for. Samples say how long a thread ran; waiting rows without
 * samples share the rest of the thread's life.
 */
function waitingShare(track: Track): number {
  const { counts, unit } = track.weights;
  if (counts.length === 0) return 1;
  let life = 0;
  let unweighed = 0;
  let samples = 0;
  for (let row = 0; row < counts.length; row++) {
    samples += counts[row];
    if (isGap(track, row)) continue;
    const lasted = rowEnd(track, row) - track.start[row];
    life += lasted;
    if (counts[row] === 0 && track.state[row] !== State.running) unweighed += lasted;
  }
  return unweighed > 0 ? Math.max(0, life - samples * unit) / unweighed : 0;
}

/** Computes the sums of a track, and adds them to those of the whole trace. */
function measure(track: Track, depth: Uint16Array, whole: Weights): void {
  const { start, stack, state, weights } = track;
  const { ofStack, ofState, systemOfStack } = whole;
  let { busy, running, system, deepest } = track;
  for (let row = 0; row < stack.length; row++) {
    const at = stack[row];
    if (at === 0) continue;
    const weight = weightOf(weights, row, state[row], rowEnd(track, row) - start[row]);
    busy += weight;
    ofStack[at] += weight;
    ofState[state[row]] += weight;
    if (state[row] === State.running) running += weight;
    if (depth[at] > deepest) deepest = depth[at];
    const inKernel = rowSystem(track, row);
    if (inKernel === 0) continue;
    system += inKernel;
    systemOfStack[at] += inKernel;
    whole.system += inKernel;
  }
  whole.total += busy;
  Object.assign(track, { busy, running, system, deepest });
}
