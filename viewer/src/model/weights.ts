// SPDX-License-Identifier: MIT OR Apache-2.0

// Adds up how much time of a window each stack has.

import { STATES } from "./state.ts";
import { firstRow, partOfRow, rowSystem, type Trace, type Weights, weightOf } from "./trace.ts";

/** Sums of 0 for so many stacks and tracks. Without `hasSystem`, `systemOfStack` is empty. */
export function noWeights(stacks: number, tracks: number, hasSystem: boolean): Weights {
  return {
    ofStack: new Float64Array(stacks),
    ofTrack: new Float64Array(tracks),
    ofState: new Float64Array(STATES),
    total: 0,
    systemOfStack: new Float64Array(hasSystem ? stacks : 0),
    system: 0,
  };
}

/** Adds up the window `from` to `to` of these tracks, in ticks; `states` is a bit set. */
export function weigh(trace: Trace, tracks: Iterable<number>, from: number, to: number, states: number): Weights {
  const steps = weighing(trace, tracks, from, to, states);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Does the same in steps of one track. */
export function* weighing(
  trace: Trace,
  tracks: Iterable<number>,
  from: number,
  to: number,
  states: number,
): Generator<void, Weights> {
  const weights = noWeights(trace.stacks.parent.length, trace.tracks.length, trace.hasSystem);
  const { ofStack, ofTrack, ofState, systemOfStack } = weights;
  for (const number of tracks) {
    const track = trace.tracks[number];
    const { start, stack, state, weights: samples } = track;
    const rows = start.length;
    // Rows of no length at the end of the trace belong to a window that reaches it.
    const past = to >= track.end ? Infinity : to;
    let sum = 0;
    let row = firstRow(track, from);
    for (let begin = start[row], end = 0; row < rows && begin < past; row++, begin = end) {
      end = row + 1 < rows ? start[row + 1] : track.end;
      const at = stack[row];
      if (at === 0) continue;
      const isWanted = ((states >>> state[row]) & 1) === 1;
      let weight = weightOf(samples, row, state[row], end - begin);
      let system = samples.systems.length > 0 ? rowSystem(track, row) : 0;
      if (begin < from || end > to) {
        const part = partOfRow(track, row, from, to);
        weight *= part;
        system *= part;
      }
      ofState[state[row]] += weight;
      if (isWanted) {
        ofStack[at] += weight;
        sum += weight;
      }
      if (system === 0) continue;
      weights.system += system;
      if (isWanted) systemOfStack[at] += system;
    }
    ofTrack[number] = sum;
    weights.total += sum;
    yield;
  }
  return weights;
}
