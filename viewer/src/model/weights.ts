// How much time of a window each stack has. It refuses to know trees.

import { STATES } from "./state.ts";
import { rowAt, rowEnd, type Trace } from "./trace.ts";

export interface Weights {
  /** Ticks of each stack in the states that are wanted. */
  ofStack: Float64Array;
  /** Ticks of each track in those states. */
  ofTrack: Float64Array;
  /** Ticks in each state, wanted or not. */
  ofState: Float64Array;
  /** The sum of `ofStack`. */
  total: number;
}

/** Sums of nothing, for so many stacks and tracks. */
export function noWeights(stacks: number, tracks: number): Weights {
  return {
    ofStack: new Float64Array(stacks),
    ofTrack: new Float64Array(tracks),
    ofState: new Float64Array(STATES),
    total: 0,
  };
}

/** Adds up the window `from` to `to` of these tracks, in ticks. */
export function weigh(
  trace: Trace,
  tracks: Iterable<number>,
  from: number,
  to: number,
  states: number,
): Weights {
  const weights = noWeights(trace.stacks.parent.length, trace.tracks.length);
  const { ofStack, ofTrack, ofState } = weights;
  for (const number of tracks) {
    const track = trace.tracks[number];
    const { start, stack, state } = track;
    let sum = 0;
    for (let row = Math.max(0, rowAt(track, from)); row < start.length && start[row] < to; row++) {
      const at = stack[row];
      if (at === 0) continue;
      const lasted = Math.min(rowEnd(track, row), to) - Math.max(start[row], from);
      if (lasted <= 0) continue;
      ofState[state[row]] += lasted;
      if (((states >>> state[row]) & 1) === 0) continue;
      ofStack[at] += lasted;
      sum += lasted;
    }
    ofTrack[number] = sum;
    weights.total += sum;
  }
  return weights;
}
