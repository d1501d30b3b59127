// Collects the tables and rows of a trace and checks every number on the way.
// It refuses to know the format they come from.

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
import { State } from "./state.ts";
import type { ProcessInfo, Torn, Trace, TraceInfo, Track } from "./trace.ts";
import { noWeights, type Weights } from "./weights.ts";

interface OpenTrack {
  process: number;
  tid: number;
  ident: number;
  name: string;
  /** Columns with room for more rows than there are. */
  start: Uint32Array;
  stack: Uint32Array;
  state: Uint8Array;
  rows: number;
}

/** What times are divided by next when they no longer fit into 32 bits. */
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
    return this.tracks.push({ process, tid, ident, name, ...columns }) - 1;
  }

  renameTrack(track: number, name: string): void {
    this.tracks[track].name = name;
  }

  /** Makes room for rows of a track that come at once. */
  reserveRows(track: number, rows: number): void {
    within(this.rows + rows, MAXIMUM_ROWS + 1, "rows");
    const open = this.tracks[track];
    const room = open.rows + rows;
    if (room > open.start.length) grow(open, Math.max(room, Math.ceil(open.start.length * 1.5)));
  }

  /** Appends a row; a time before the track's last is raised to it. */
  pushRow(track: number, timeUs: number, stack: number, state: number): void {
    const open = this.tracks[track];
    if (stack >= this.parent.length) {
      throw damaged("a row has a stack that is not there");
    }
    const at = open.rows;
    if (at === open.start.length) this.reserveRows(track, 1);
    this.rows++;
    while (timeUs > LARGEST * this.tickUs) this.coarsen();
    const { start } = open;
    const time = Math.floor(timeUs / this.tickUs);
    const last = at > 0 ? start[at - 1] : 0;
    start[at] = time > last ? time : last;
    open.stack[at] = stack;
    open.state[at] = state;
    open.rows = at + 1;
    if (state !== (stack === 0 ? State.none : State.running)) this.hasStates = true;
  }

  private coarsen(): void {
    if (this.tickUs > 1e9) throw damaged("a time lies centuries ahead");
    this.tickUs *= COARSER;
    for (const { start, rows } of this.tracks) {
      for (let row = 0; row < rows; row++) start[row] = Math.floor(start[row] / COARSER);
    }
  }

  /** The trace, its rows with their levels; `report` is told how far it is, 0 to 1. */
  finish(info: TraceInfo, endUs: number, torn: Torn | null, report?: (part: number) => void): Trace {
    while (endUs > LARGEST * this.tickUs) this.coarsen();
    let end = Math.floor(endUs / this.tickUs);
    for (const { start, rows } of this.tracks) if (rows > 0) end = Math.max(end, start[rows - 1]);
    const depth = this.depth.take();
    const tracks: Track[] = [];
    const whole = noWeights(depth.length, 0);
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
        levels: [],
        busy: 0,
        running: 0,
        deepest: 0,
      };
      // What was made larger than needed is given back at once.
      grow(open, 0);
      measure(track, depth, whole);
      track.levels = levelsOf(track);
      // Without a single stack there is nothing to show.
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
      torn,
      counts: this.counts,
      rows: this.rows,
      whole: { ...whole, ofTrack: Float64Array.from(tracks, (track) => track.busy) },
    };
  }
}

/** Gives the columns of a track another capacity. */
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

/** What is known of a track as a whole; adds it to the sums of all. */
function measure(track: Track, depth: Uint16Array, whole: Weights): void {
  const { start, stack, state, end } = track;
  const { ofStack, ofState } = whole;
  const rows = start.length;
  let { busy, running, deepest } = track;
  for (let row = 0, begin = start[0]; row < rows; row++) {
    const next = row + 1 < rows ? start[row + 1] : end;
    const at = stack[row];
    if (at !== 0) {
      const lasted = next - begin;
      busy += lasted;
      ofStack[at] += lasted;
      ofState[state[row]] += lasted;
      if (state[row] === State.running) running += lasted;
      if (depth[at] > deepest) deepest = depth[at];
    }
    begin = next;
  }
  whole.total += busy;
  Object.assign(track, { busy, running, deepest });
}
