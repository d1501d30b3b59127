// SPDX-License-Identifier: MIT OR Apache-2.0

// Moves the selection from one sample to another, and the view after it.

import { rowAt, rowEnd, type Track } from "../model/trace.ts";
import type { Session } from "./session.ts";

/** The row of a track at a time; -1 if it has no stack then. */
export function rowWithStack(track: Track, time: number): number {
  const row = rowAt(track, time);
  return row >= 0 && track.stack[row] > 0 ? row : -1;
}

/** The row of a track at a time, else the first one after it, else the last one; -1 for none. */
export function rowNear(track: Track, time: number): number {
  const { start, stack } = track;
  const row = rowWithStack(track, time);
  if (row >= 0) return row;
  const after = start.findIndex((begin, at) => stack[at] > 0 && begin >= time);
  if (after >= 0) return after;
  let last = stack.length - 1;
  while (last >= 0 && stack[last] === 0) last--;
  return last;
}

/** Selects a row, and makes it visible unless it is. */
function goTo(session: Session, track: number, row: number): void {
  const { start } = session.trace.tracks[track];
  session.selection.select(track, row);
  session.viewport.reveal(start[row], rowEnd(session.trace.tracks[track], row));
}

/**
 * Selects the next row with a stack in a direction. With `differentBase`, skips rows that
 * share more than half of the selected stack. Returns whether there was one.
 */
export function step(session: Session, direction: 1 | -1, differentBase: boolean): boolean {
  const { sample } = session.selection;
  if (!sample) return false;
  const { commonOf, selectedDepth } = session.derived;
  const { stack } = session.trace.tracks[sample.track];
  for (let row = sample.row + direction; row >= 0 && row < stack.length; row += direction) {
    if (stack[row] === 0) continue;
    if (differentBase && commonOf[stack[row]] * 2 > selectedDepth) continue;
    goTo(session, sample.track, row);
    return true;
  }
  return false;
}

interface Hit {
  track: number;
  row: number;
  time: number;
}

/** Selects the next search hit in order of time over all visible tracks; wraps around. */
export function nextHit(session: Session, direction: 1 | -1): boolean {
  const { trace } = session;
  const { hitStacks } = session.search;
  if (hitStacks.length === 0) return false;
  const { sample } = session.selection;
  const { view } = session.viewport;
  const outside = direction > 0 ? view.from - 1 : view.to + 1;
  const now = sample ? trace.tracks[sample.track].start[sample.row] : outside;
  const order = session.derived.visibleTracks;
  const rank = new Map(order.map((track, at) => [track, at]));
  const own = sample ? (rank.get(sample.track) ?? -1) : -1;
  const before = (a: Hit, b: Hit | null) =>
    b === null || (a.time - b.time || (rank.get(a.track) ?? 0) - (rank.get(b.track) ?? 0)) * direction < 0;
  let best: Hit | null = null;
  let wrapped: Hit | null = null;
  for (const track of order) {
    const { start, stack } = trace.tracks[track];
    // Consecutive rows with a hit are one hit.
    const isHit = (row: number) => hitStacks[stack[row]] === 1 && (row === 0 || hitStacks[stack[row - 1]] === 0);
    const ahead = (row: number) => (start[row] - now || (rank.get(track) ?? 0) - own) * direction > 0;
    const begin = direction > 0 ? 0 : start.length - 1;
    for (let row = begin; row >= 0 && row < start.length; row += direction) {
      if (!isHit(row)) continue;
      const hit = { track, row, time: start[row] };
      if (before(hit, wrapped)) wrapped = hit;
      if (!ahead(row)) continue;
      if (before(hit, best)) best = hit;
      break;
    }
  }
  const found = best ?? wrapped;
  if (!found) return false;
  goTo(session, found.track, found.row);
  return true;
}
