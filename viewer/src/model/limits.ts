// What a file may make the page hold. It refuses to know the formats: each
// reader asks here how much it may take. The numbers are those of the Rust side
// (timeline/symbols.rs, trace/block.rs).

export const MAXIMUM_STRINGS = 1 << 23;
export const MAXIMUM_FRAMES = 1 << 23;
export const MAXIMUM_STACKS = 1 << 24;
/** The deepest stack, in frames. */
export const MAXIMUM_DEPTH = 8192;
/** The longest string, in bytes. */
export const MAXIMUM_STRING = 8192;
/** Processes and threads together. */
export const MAXIMUM_TRACKS = 1 << 20;
/** Rows of a whole trace: they take nine bytes each. */
export const MAXIMUM_ROWS = 60_000_000;
/** Bytes of one block of a container, before and after inflating. */
export const MAXIMUM_BLOCK = 64 << 20;
/** Bytes of all blocks of a container after inflating. */
export const MAXIMUM_INFLATED = 2 ** 31;
/** Bytes of one row of a timeline JSON: 8192 frames of the longest strings pass it, real rows do not. */
export const MAXIMUM_JSON_ROW = 64 << 20;

/** A file that is no trace, or one that asks for more than a browser has. */
export class TraceError extends Error {}

/** Throws unless `count` is below `limit`. */
export function within(count: number, limit: number, what: string): void {
  if (count >= limit) throw new TraceError(`too many ${what}: the page holds at most ${limit}`);
}

/** A file that no writer writes. */
export const damaged = (what: string) => new TraceError(`${what}; the file is damaged`);
