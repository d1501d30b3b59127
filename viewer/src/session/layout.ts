// SPDX-License-Identifier: MIT OR Apache-2.0

// Which rows the timeline has, in which order, and how high they are. Heights are in CSS
// pixels.

import type { Trace, Track } from "../model/trace.ts";

export type SortOrder = "activity" | "name" | "pid";

/** What the user chose about the rows. */
export interface LayoutChoice {
  readonly sort: SortOrder;
  /** The tracks that show their frames, and the processes that hide their tracks. */
  readonly expanded: ReadonlySet<number>;
  readonly collapsed: ReadonlySet<number>;
  /** Only threads and processes that contain this text have a row. */
  readonly filter: string;
  /** The order of the tracks if one was moved by hand, else empty. */
  readonly manual: readonly number[];
}

export interface LayoutRow {
  kind: "process" | "track";
  /** The number of the process or track. */
  number: number;
  top: number;
  height: number;
}

export const PROCESS_HEIGHT = 26;
export const TRACK_HEIGHT = 50;
/** The height of one frame of an expanded track. */
export const FRAME_HEIGHT = 15;
/** The most frames of full height; in a deeper track, all are drawn thinner. */
export const MOST_FRAMES = 48;
export const LANE_HEIGHT = 7;
/** The space above and below the bars of a track. */
export const TRACK_GAP = 4;

/** The height of the lane of states; 0 where the trace has none. */
export function laneHeight(trace: Trace): number {
  return trace.hasStates ? LANE_HEIGHT : 0;
}

/** How many frames the height of a track stands for. A shallow track has room for four. */
export function levelsOf(deepest: number): number {
  return Math.max(4, deepest);
}

/**
 * How active a thread was: the ticks for which it ran. If it never ran, a millionth of the
 * ticks for which it had a stack.
 */
export function activity({ running, busy }: Track): number {
  return running > 0 ? running : busy / 1e6;
}

/**
 * The rows from top to bottom. `deepest` returns the depth of a track's deepest stack, `active` how
 * active it was.
 */
export function layOut(
  trace: Trace,
  choice: LayoutChoice,
  deepest: (track: number) => number,
  active: (track: number) => number,
): LayoutRow[] {
  const { sort, expanded, collapsed } = choice;
  const groups = groupsOf(trace, choice.filter.toLowerCase());
  const sum = (tracks: number[]) => tracks.reduce((total, track) => total + active(track), 0);
  const ordered = [...groups].map(([process, tracks]) => ({ process, tracks, activity: sum(tracks) }));
  ordered.sort((a, b) => {
    const one = trace.processes[a.process];
    const two = trace.processes[b.process];
    if (one.side !== two.side) return one.side - two.side;
    if (sort === "activity") return b.activity - a.activity || one.pid - two.pid;
    if (sort === "name") return one.name.localeCompare(two.name) || one.pid - two.pid;
    return one.pid - two.pid;
  });
  const rows: LayoutRow[] = [];
  let top = 0;
  const push = (kind: LayoutRow["kind"], number: number, height: number) => {
    rows.push({ kind, number, top, height });
    top += height;
  };
  const flame = (track: number) => Math.min(MOST_FRAMES, levelsOf(deepest(track))) * FRAME_HEIGHT;
  for (const { process, tracks } of ordered) {
    push("process", process, PROCESS_HEIGHT);
    if (collapsed.has(process)) continue;
    sortTracks(trace, tracks, choice, active);
    for (const track of tracks) {
      const height = expanded.has(track) ? flame(track) + laneHeight(trace) + 2 * TRACK_GAP : TRACK_HEIGHT;
      push("track", track, height);
    }
  }
  return rows;
}

/** The tracks of each process that contain a text, or whose process does. */
function groupsOf(trace: Trace, filter: string): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const [number, track] of trace.tracks.entries()) {
    const process = trace.processes[track.process];
    const text = `${track.name} ${process.name} ${process.pid} ${track.tid}`.toLowerCase();
    if (filter !== "" && !text.includes(filter)) continue;
    const group = groups.get(track.process);
    if (group) group.push(number);
    else groups.set(track.process, [number]);
  }
  return groups;
}

function sortTracks(
  trace: Trace,
  tracks: number[],
  { sort, manual }: LayoutChoice,
  active: (track: number) => number,
): void {
  const byHand = new Map(manual.map((track, at) => [track, at]));
  tracks.sort((a, b) => {
    const [one, two] = [byHand.get(a), byHand.get(b)];
    if (one !== undefined && two !== undefined) return one - two;
    const [first, second] = [trace.tracks[a], trace.tracks[b]];
    if (sort === "name") return first.name.localeCompare(second.name) || first.tid - second.tid;
    if (sort === "pid") return first.tid - second.tid;
    const main = Number(second.name === "MainThread") - Number(first.name === "MainThread");
    return main || active(b) - active(a) || first.tid - second.tid;
  });
}
