// SPDX-License-Identifier: MIT OR Apache-2.0

// Pseudo-random numbers, the same in every run.

/** Returns a function that gives numbers below its argument. */
export function random(seed: number): (limit: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}
