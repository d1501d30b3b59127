// SPDX-License-Identifier: MIT OR Apache-2.0

// Summarises the rows of a thread at coarser and coarser levels, so that a whole day is drawn
// without reading every row.

import { type Level, rowEnd, type Track } from "./trace.ts";

/** How many rows, or groups, make one group of the next level. */
const GROUP = 16;
/** The fewest groups for which the next level is built. */
const FEWEST = 64;

/** The levels of one thread, which grow with its rows. */
export class LevelBuilder {
  private levels: Level[] = [];
  private rows = 0;

  /** All levels of a thread, finest first. Only groups with rows that are new or were last are made. */
  of(track: Track): Level[] {
    const views: Level[] = [];
    let count = track.start.length;
    let changed = Math.max(0, this.rows - 1);
    this.rows = count;
    for (let at = 0; count / GROUP >= FEWEST; at++) {
      const groups = Math.ceil(count / GROUP);
      const first = at < this.levels.length ? Math.floor(changed / GROUP) : 0;
      const level = this.reserve(at, groups);
      if (at === 0) fromRows(track, level, first, groups);
      else fromLevel(views[at - 1], level, first, groups);
      views.push(firstOf(level, groups));
      count = groups;
      changed = first;
    }
    return views;
  }

  /** A level with memory for so many groups. */
  private reserve(at: number, groups: number): Level {
    const known = this.levels[at];
    if (known?.stack.length >= groups) return known;
    const level = empty(GROUP ** (at + 1), known ? Math.ceil(groups * 1.5) : groups);
    if (known) {
      level.stack.set(known.stack);
      level.state.set(known.state);
      level.lasted.set(known.lasted);
      level.busy.set(known.busy);
    }
    this.levels[at] = level;
    return level;
  }
}

function empty(rows: number, groups: number): Level {
  return {
    rows,
    stack: new Uint32Array(groups),
    state: new Uint8Array(groups),
    lasted: new Uint32Array(groups),
    busy: new Uint32Array(groups),
  };
}

/** The first groups of a level, in its memory. */
function firstOf({ rows, stack, state, lasted, busy }: Level, groups: number): Level {
  return {
    rows,
    stack: stack.subarray(0, groups),
    state: state.subarray(0, groups),
    lasted: lasted.subarray(0, groups),
    busy: busy.subarray(0, groups),
  };
}

/** Makes the groups from `first` to `groups` of the finest level. */
function fromRows(track: Track, level: Level, first: number, groups: number): void {
  const rows = track.start.length;
  const seen = new Uint32Array(GROUP);
  const sums = new Float64Array(GROUP);
  const rowOf = new Uint32Array(GROUP);
  for (let group = first; group < groups; group++) {
    let distinct = 0;
    let busy = 0;
    const to = Math.min(rows, (group + 1) * GROUP);
    for (let row = group * GROUP; row < to; row++) {
      const stack = track.stack[row];
      const lasted = rowEnd(track, row) - track.start[row];
      if (stack !== 0) busy += lasted;
      let slot = 0;
      while (slot < distinct && seen[slot] !== stack) slot++;
      if (slot === distinct) {
        distinct++;
        seen[slot] = stack;
        sums[slot] = 0;
        rowOf[slot] = row;
      }
      sums[slot] += lasted;
    }
    // The stack is the longest that is not empty; `busy` accounts for the time without one.
    let best = -1;
    for (let slot = 0; slot < distinct; slot++) {
      if (seen[slot] !== 0 && (best < 0 || sums[slot] > sums[best])) best = slot;
    }
    level.busy[group] = busy;
    level.stack[group] = best < 0 ? 0 : seen[best];
    level.state[group] = best < 0 ? 0 : track.state[rowOf[best]];
    level.lasted[group] = best < 0 ? 0 : sums[best];
  }
}

/** Makes the groups from `first` to `groups` of a level from the next finer one. */
function fromLevel(finer: Level, level: Level, first: number, groups: number): void {
  const count = finer.stack.length;
  for (let group = first; group < groups; group++) {
    let best = group * GROUP;
    const to = Math.min(count, best + GROUP);
    let busy = 0;
    for (let at = best; at < to; at++) {
      busy += finer.busy[at];
      if (finer.lasted[at] > finer.lasted[best] || finer.stack[best] === 0) best = at;
    }
    level.busy[group] = busy;
    level.stack[group] = finer.stack[best];
    level.state[group] = finer.state[best];
    level.lasted[group] = finer.lasted[best];
  }
}
