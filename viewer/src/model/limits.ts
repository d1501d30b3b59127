// SPDX-License-Identifier: MIT OR Apache-2.0

// How much a file may make the page hold. The limits of strings, frames, stacks, tracks and
// blocks are those of sampler-trace (timeline/symbols.rs, timeline/track.rs, trace/block.rs).

export const MAXIMUM_STRINGS = 1 << 23;
export const MAXIMUM_FRAMES = 1 << 23;
export const MAXIMUM_STACKS = 1 << 24;
/** The deepest stack, in frames. */
export const MAXIMUM_DEPTH = 8192;
/** The longest string, in bytes. */
export const MAXIMUM_STRING = 8192;
/** The most processes, and the most threads. */
export const MAXIMUM_TRACKS = 1 << 20;
/** Rows of a whole trace. Each takes nine bytes, and one or two more for its samples. */
export const MAXIMUM_ROWS = 60_000_000;
/** Bytes of one block of a container, packed or unpacked. */
export const MAXIMUM_BLOCK = 64 << 20;
/** Bytes of all blocks of a container together, unpacked. */
export const MAXIMUM_INFLATED = 2 ** 31;
/**
 * Bytes of one row of a timeline JSON. 8192 frames with the longest strings would exceed it;
 * real rows do not.
 */
export const MAXIMUM_JSON_ROW = 64 << 20;

/** The error for a file that is not a trace, or that needs more than a browser has. */
export class TraceError extends Error {}

/** Throws unless `count` is below `limit`. */
export function within(count: number, limit: number, what: string): void {
  if (count >= limit) throw new TraceError(`too many ${what}: the page holds at most ${limit}`);
}

/** The error for a file that no writer could have written. */
export const damaged = (what: string) => new TraceError(`${what}; the file is damaged`);
