// SPDX-License-Identifier: MIT OR Apache-2.0

// Scans every row of the visible threads, a little at a time, so that a deep common base or a
// search hit that lasts less than a pixel is still marked. A scan ends as soon as the picture
// changes.

import { rowAt, rowEnd } from "../model/trace.ts";
import type { Extremes } from "../paint/track_painter.ts";
import type { LayoutRow } from "../session/layout.ts";
import type { Session } from "../session/session.ts";

/** Rows between two looks at the clock, and how long one turn may take, in milliseconds. */
const STRIDE = 20_000;
const TURN_MS = 6;
/** How long the picture has to stay unchanged before a scan starts, in milliseconds. */
const REST_MS = 70;

/** Scans for one turn; returns whether nothing is left. */
function isDone(scan: Iterator<void>): boolean {
  const until = performance.now() + TURN_MS;
  while (performance.now() < until) if (scan.next().done) return true;
  return false;
}

export class ExtremeScanner {
  private found = new Map<number, Extremes>();
  private queue: number[] = [];
  private timer = 0;
  private width = 0;

  constructor(
    private session: Session,
    private onFound: () => void,
  ) {}

  stop(): void {
    clearTimeout(this.timer);
    this.queue = [];
  }

  /** What was found in a track for the current picture; null until it is scanned. */
  of(track: number, width: number): Extremes | null {
    const known = this.found.get(track);
    return known && known.common.length === width ? known : null;
  }

  /** Starts to scan. With `atOnce`, what takes one turn is done when this returns. */
  start(rows: LayoutRow[], width: number, atOnce = false): void {
    this.stop();
    this.found.clear();
    this.width = width;
    const { selection, search } = this.session;
    if (!selection.sample && search.hitStacks.length === 0) return;
    this.queue = rows.filter((row) => row.kind === "track").map((row) => row.number);
    const scan = this.scan();
    if (atOnce && isDone(scan)) return;
    this.timer = window.setTimeout(() => this.turn(scan), atOnce ? 0 : REST_MS);
  }

  private turn(scan: Iterator<void>): void {
    if (isDone(scan)) this.onFound();
    else this.timer = window.setTimeout(() => this.turn(scan), 0);
  }

  private *scan(): Generator<void> {
    const { session, width } = this;
    const { from, to } = session.viewport.view;
    const perColumn = (to - from) / width;
    for (const number of this.queue) {
      const track = session.trace.tracks[number];
      const { common } = session.derived.shares(number);
      const { hitStacks } = session.search;
      const extremes = { common: new Uint16Array(width), hit: new Uint8Array(width) };
      const { start, stack } = track;
      let seen = 0;
      for (let row = Math.max(0, rowAt(track, from)); row < start.length && start[row] < to; row++) {
        const at = stack[row];
        if (++seen % STRIDE === 0) yield;
        if (at === 0) continue;
        const shared = common.length > 0 ? common[at] : 0;
        const hit = hitStacks.length > 0 ? hitStacks[at] : 0;
        if (shared === 0 && hit === 0) continue;
        const first = Math.max(0, Math.floor((start[row] - from) / perColumn));
        // A row that ends where a column begins has no part of that column.
        const past = Math.ceil((rowEnd(track, row) - from) / perColumn);
        const last = Math.min(width - 1, Math.max(first, past - 1));
        for (let x = first; x <= last; x++) {
          if (shared > extremes.common[x]) extremes.common[x] = shared;
          if (hit === 1) extremes.hit[x] = 1;
        }
      }
      this.found.set(number, extremes);
      yield;
    }
  }
}
