// SPDX-License-Identifier: MIT OR Apache-2.0

// The sums over the rows of a thread, which grow with its rows: each row is read once.

import { State } from "./state.ts";
import { isGap, rowEnd, type Track } from "./trace.ts";

interface Sums {
  /** The ticks of all rows but gaps, and of those among them that wait without a sample. */
  life: number;
  unweighed: number;
  /** The samples of all rows. */
  samples: number;
  // Of rows with a stack only:
  /** Samples, those of running rows, and those in the kernel. */
  weighed: number;
  weighedRunning: number;
  systems: number;
  /** The ticks of all, of running ones, and of those that wait without a sample. */
  lasted: number;
  lastedRunning: number;
  waited: number;
  deepest: number;
}

const nothing = (): Sums => ({
  life: 0,
  unweighed: 0,
  samples: 0,
  weighed: 0,
  weighedRunning: 0,
  systems: 0,
  lasted: 0,
  lastedRunning: 0,
  waited: 0,
  deepest: 0,
});

export class TrackSums {
  /** Of the rows that another one follows: they no longer change. */
  private closed = nothing();
  private rows = 0;

  /** Computes the sums of a track, and what a tick of its waiting rows counts for. */
  measure(track: Track, depth: Uint16Array): void {
    const past = track.start.length;
    const last = Math.max(0, past - 1);
    count(track, depth, this.rows, last, this.closed);
    this.rows = last;
    const sums = { ...this.closed };
    count(track, depth, last, past, sums);
    const { weights } = track;
    const { unit } = weights;
    const isWeighed = weights.counts.length > 0;
    // Samples say how long a thread ran; waiting rows without samples share the rest of its life.
    const rest = Math.max(0, sums.life - sums.samples * unit);
    weights.waiting = isWeighed ? (sums.unweighed > 0 ? rest / sums.unweighed : 0) : 1;
    track.busy = isWeighed ? sums.weighed * unit + sums.waited * weights.waiting : sums.lasted;
    track.running = isWeighed ? sums.weighedRunning * unit : sums.lastedRunning;
    track.system = sums.systems * unit;
    track.deepest = sums.deepest;
  }
}

/** Adds the rows from `from` to `past`. */
function count(track: Track, depth: Uint16Array, from: number, past: number, sums: Sums): void {
  const { start, stack, state } = track;
  const { counts, systems } = track.weights;
  for (let row = from; row < past; row++) {
    const samples = counts.length > 0 ? counts[row] : 0;
    sums.samples += samples;
    if (isGap(track, row)) continue;
    const lasted = rowEnd(track, row) - start[row];
    const runs = state[row] === State.running;
    const waits = samples === 0 && !runs;
    sums.life += lasted;
    if (waits) sums.unweighed += lasted;
    const at = stack[row];
    if (at === 0) continue;
    sums.weighed += samples;
    sums.lasted += lasted;
    if (waits) sums.waited += lasted;
    if (runs) {
      sums.weighedRunning += samples;
      sums.lastedRunning += lasted;
    }
    if (systems.length > 0) sums.systems += systems[row];
    if (depth[at] > sums.deepest) sums.deepest = depth[at];
  }
}
