// SPDX-License-Identifier: MIT OR Apache-2.0

// What is drawn at a place of a thread.

import { rowAt, rowEnd, type Track } from "../model/trace.ts";
import { NO_NODE, type Tree } from "../model/tree.ts";
import { makeColumns, sampleColumns } from "../paint/columns.ts";
import { rowWithStack } from "../session/navigate.ts";
import type { Span } from "../session/viewport.ts";

/**
 * The row of a track that is drawn at a pixel, or else the nearest within three pixels; -1 for
 * none. The view is `width` pixels wide.
 */
export function rowAtPixel(track: Track, view: Span, width: number, x: number): number {
  const perPixel = (view.to - view.from) / width;
  const timeAt = (pixel: number) => view.from + pixel * perPixel;
  const exact = rowWithStack(track, timeAt(x));
  if (exact >= 0 && rowEnd(track, exact) - track.start[exact] >= perPixel) return exact;
  // Many rows share the pixel: finds the one that is drawn there.
  const columns = makeColumns(1);
  for (const shift of [0, 1, -1, 2, -2, 3, -3]) {
    const from = timeAt(Math.floor(x) + shift);
    sampleColumns(track, from, perPixel, columns);
    if (columns.stack[0] === 0) continue;
    let best = -1;
    const first = Math.max(0, rowAt(track, from));
    for (let row = first; row < track.start.length && track.start[row] < from + perPixel; row++) {
      if (track.stack[row] !== columns.stack[0]) continue;
      if (best < 0 || rowEnd(track, row) - track.start[row] > rowEnd(track, best) - track.start[best]) best = row;
    }
    if (best >= 0) return best;
  }
  return exact;
}

/** The frame of a stack at a level, 0 for the outermost; -1 where the stack has none. */
export function frameAtLevel(tree: Tree, stack: number, level: number): number {
  let node = tree.nodeOf[stack];
  if (node === NO_NODE || level < 0) return -1;
  while (tree.depth[node] > level + 1) node = tree.parent[node];
  return tree.depth[node] === level + 1 ? tree.frame[node] : -1;
}

/** The time of the rows around one that share more than half of the selected stack. */
export function alikeAround(track: Track, row: number, commonOf: Uint16Array, selectedDepth: number): Span {
  const isAlike = (at: number) => track.stack[at] > 0 && commonOf[track.stack[at]] * 2 > selectedDepth;
  let first = row;
  let last = row;
  while (first > 0 && isAlike(first - 1)) first--;
  while (last + 1 < track.stack.length && isAlike(last + 1)) last++;
  return { from: track.start[first], to: rowEnd(track, last) };
}
