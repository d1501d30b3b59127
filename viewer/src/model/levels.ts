// SPDX-License-Identifier: MIT OR Apache-2.0

// Summarises the rows of a thread at coarser and coarser levels, so that a whole day is drawn
// without reading every row.

import { type Level, rowEnd, type Track } from "./trace.ts";

/** How many rows, or groups, make one group of the next level. */
const GROUP = 16;
/** The fewest groups for which the next level is built. */
const FEWEST = 64;

/** All levels of a thread, finest first. */
export function levelsOf(track: Track): Level[] {
  const levels: Level[] = [];
  if (track.start.length / GROUP < FEWEST) return levels;
  let last = fromRows(track);
  levels.push(last);
  while (last.stack.length / GROUP >= FEWEST) {
    last = fromLevel(last);
    levels.push(last);
  }
  return levels;
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

function fromRows(track: Track): Level {
  const rows = track.start.length;
  const groups = Math.ceil(rows / GROUP);
  const level = empty(GROUP, groups);
  const seen = new Uint32Array(GROUP);
  const sums = new Float64Array(GROUP);
  const rowOf = new Uint32Array(GROUP);
  for (let group = 0; group < groups; group++) {
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
    if (best < 0) continue;
    level.stack[group] = seen[best];
    level.state[group] = track.state[rowOf[best]];
    level.lasted[group] = sums[best];
  }
  return level;
}

function fromLevel(finer: Level): Level {
  const count = finer.stack.length;
  const groups = Math.ceil(count / GROUP);
  const level = empty(finer.rows * GROUP, groups);
  for (let group = 0; group < groups; group++) {
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
  return level;
}
