// SPDX-License-Identifier: MIT OR Apache-2.0

// What a thread did in each column of pixels: the stack that lasted longest there, its state,
// and how much of the column had a stack at all. A column costs a few steps, however many rows
// it covers.

import { rowAt, rowEnd, type Track } from "../model/trace.ts";

export interface Columns {
  width: number;
  stack: Uint32Array;
  state: Uint8Array;
  /** The part of the column that had a stack, 0 to 1. */
  fill: Float32Array;
  /** Internal: how long the stack of the column lasted, in ticks. */
  lasted: Float64Array;
}

export function makeColumns(width: number): Columns {
  return {
    width,
    stack: new Uint32Array(width),
    state: new Uint8Array(width),
    fill: new Float32Array(width),
    lasted: new Float64Array(width),
  };
}

/** Fills `out` for the times from `from` on, `perColumn` ticks a column. */
export function sampleColumns(track: Track, from: number, perColumn: number, out: Columns): void {
  out.stack.fill(0);
  out.state.fill(0);
  out.fill.fill(0);
  out.lasted.fill(0);
  const to = from + perColumn * out.width;
  const first = Math.max(0, rowAt(track, from));
  const sampler = new Sampler(track, from, perColumn, to, out);
  const top = track.levels.length - 1;
  if (top < 0) {
    sampler.rows(first, track.start.length);
    return;
  }
  const level = track.levels[top];
  const groups = level.stack.length;
  for (let group = Math.floor(first / level.rows); group < groups; group++) {
    if (track.start[group * level.rows] >= to) break;
    sampler.group(top, group);
  }
}

class Sampler {
  constructor(
    private track: Track,
    private from: number,
    private perColumn: number,
    private to: number,
    private out: Columns,
  ) {}

  /** Counts a group that fits into a column as a whole, and descends into a longer one. */
  group(number: number, group: number): void {
    const { track, from, perColumn, to } = this;
    const level = track.levels[number];
    const { start } = track;
    const first = group * level.rows;
    const past = first + level.rows;
    const begin = start[first];
    const end = past < start.length ? start[past] : track.end;
    if (end <= from || begin >= to) return;
    if (end - begin <= perColumn && begin >= from) {
      const column = Math.floor((begin - from) / perColumn);
      this.count(column, level.stack[group], level.state[group], level.lasted[group], level.busy[group]);
      return;
    }
    if (number === 0) {
      this.rows(first, Math.min(past, start.length));
      return;
    }
    const finer = track.levels[number - 1];
    const children = Math.min(finer.stack.length, (group + 1) * 16);
    for (let child = group * 16; child < children; child++) this.group(number - 1, child);
  }

  rows(first: number, past: number): void {
    const { track, from, perColumn, to, out } = this;
    for (let row = first; row < past; row++) {
      const begin = track.start[row];
      if (begin >= to) return;
      const stack = track.stack[row];
      if (stack === 0) continue;
      const end = rowEnd(track, row);
      if (end <= from && begin < from) continue;
      const left = Math.max(0, (begin - from) / perColumn);
      const right = Math.min(out.width, (end - from) / perColumn);
      const state = track.state[row];
      let column = Math.floor(left);
      const last = Math.floor(right);
      if (column === last || column === out.width - 1) {
        this.count(column, stack, state, (right - left) * perColumn, (right - left) * perColumn);
        continue;
      }
      const head = (column + 1 - left) * perColumn;
      this.count(column, stack, state, head, head);
      for (column++; column < last; column++) {
        out.stack[column] = stack;
        out.state[column] = state;
        out.fill[column] = 1;
        out.lasted[column] = perColumn;
      }
      const tail = (right - last) * perColumn;
      if (tail > 0) this.count(last, stack, state, tail, tail);
    }
  }

  private count(column: number, stack: number, state: number, lasted: number, busy: number): void {
    const { out } = this;
    if (stack === 0 || column >= out.width) return;
    if (out.stack[column] === 0 || lasted > out.lasted[column]) {
      out.stack[column] = stack;
      out.state[column] = state;
      out.lasted[column] = lasted;
    }
    out.fill[column] = Math.min(1, out.fill[column] + busy / this.perColumn);
  }
}

/** The most threads whose columns are kept. */
const KEPT = 100;

/** The columns of several threads, sampled again only when something else is asked for. */
export class SampledTracks {
  private known = new Map<Track, { question: string; columns: Columns }>();

  /** Like [`sampleColumns`], but without a stack where the state is not in the set `states`. */
  of(track: Track, from: number, perColumn: number, width: number, states = -1): Columns {
    const { known } = this;
    // Of a trace that grows, what is added later changes the columns only if they reach it.
    const to = from + perColumn * width;
    const question = [from, perColumn, states, Math.min(to, track.end), rowAt(track, to)].join();
    let found = known.get(track);
    if (!found && known.size >= KEPT) {
      // Reuses the memory of the thread kept longest, rather than allocating more.
      const [[oldest, reused]] = known;
      known.delete(oldest);
      reused.question = "";
      known.set(track, reused);
      found = reused;
    }
    if (found?.columns.width !== width) {
      found = { question: "", columns: makeColumns(width) };
      known.set(track, found);
    }
    const { columns } = found;
    if (found.question === question) return columns;
    found.question = question;
    sampleColumns(track, from, perColumn, columns);
    const { state, stack } = columns;
    for (let x = 0; x < width; x++) if (((states >>> state[x]) & 1) === 0) stack[x] = 0;
    return columns;
  }
}
