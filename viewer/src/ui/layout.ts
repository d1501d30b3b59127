// SPDX-License-Identifier: MIT OR Apache-2.0

// Which rows the timeline has, in which order, and how high they are. Heights are in CSS
// pixels.

import type { Trace } from "../model/trace.ts";

export type SortOrder = "activity" | "name" | "pid";

/** What the rows depend on. */
export interface LayoutState {
  readonly trace: Trace;
  readonly settings: { readonly sort: SortOrder };
  /** The tracks and processes that the user opened, and closed. */
  readonly expanded: ReadonlySet<number>;
  readonly collapsed: ReadonlySet<number>;
  /** Only threads and processes that contain this text have a row. */
  readonly trackFilter: string;
  /** The order of the tracks if one was moved by hand, else empty. */
  readonly manual: readonly number[];
  readonly hasStates: boolean;
  /** The depth of the deepest stack of a track, in frames. */
  deepest(track: number): number;
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
export function laneHeight(state: LayoutState): number {
  return state.hasStates ? LANE_HEIGHT : 0;
}

export function trackHeight(state: LayoutState, track: number): number {
  if (!state.expanded.has(track)) return TRACK_HEIGHT;
  const frames = Math.min(MOST_FRAMES, Math.max(4, state.deepest(track)));
  return frames * FRAME_HEIGHT + laneHeight(state) + 2 * TRACK_GAP;
}

/**
 * How active a thread was: the ticks for which it ran. If it never ran, a millionth of the
 * ticks for which it had a stack.
 */
export function activity(state: LayoutState, track: number): number {
  const { running, busy } = state.trace.tracks[track];
  return running > 0 ? running : busy / 1e6;
}

export function layOut(state: LayoutState): LayoutRow[] {
  const { trace, settings, manual, collapsed } = state;
  const filter = state.trackFilter.toLowerCase();
  const groups = new Map<number, number[]>();
  trace.tracks.forEach((track, number) => {
    const process = trace.processes[track.process];
    const text = `${track.name} ${process.name} ${process.pid} ${track.tid}`.toLowerCase();
    if (filter !== "" && !text.includes(filter)) return;
    const group = groups.get(track.process);
    if (group) group.push(number);
    else groups.set(track.process, [number]);
  });
  const sum = (tracks: number[]) => tracks.reduce((total, track) => total + activity(state, track), 0);
  const ordered = [...groups].map(([process, tracks]) => ({ process, tracks, activity: sum(tracks) }));
  ordered.sort((a, b) => {
    const one = trace.processes[a.process];
    const two = trace.processes[b.process];
    if (one.side !== two.side) return one.side - two.side;
    if (settings.sort === "activity") return b.activity - a.activity || one.pid - two.pid;
    if (settings.sort === "name") return one.name.localeCompare(two.name) || one.pid - two.pid;
    return one.pid - two.pid;
  });
  const rows: LayoutRow[] = [];
  let top = 0;
  const push = (kind: LayoutRow["kind"], number: number, height: number) => {
    rows.push({ kind, number, top, height });
    top += height;
  };
  for (const { process, tracks } of ordered) {
    push("process", process, PROCESS_HEIGHT);
    if (collapsed.has(process)) continue;
    sortTracks(state, tracks, manual);
    for (const track of tracks) push("track", track, trackHeight(state, track));
  }
  return rows;
}

function sortTracks(state: LayoutState, tracks: number[], manual: readonly number[]): void {
  const { trace, settings } = state;
  const byHand = new Map(manual.map((track, at) => [track, at]));
  tracks.sort((a, b) => {
    const [one, two] = [byHand.get(a), byHand.get(b)];
    if (one !== undefined && two !== undefined) return one - two;
    const [first, second] = [trace.tracks[a], trace.tracks[b]];
    if (settings.sort === "name") return first.name.localeCompare(second.name) || first.tid - second.tid;
    if (settings.sort === "pid") return first.tid - second.tid;
    const main = Number(second.name === "MainThread") - Number(first.name === "MainThread");
    return main || activity(state, b) - activity(state, a) || first.tid - second.tid;
  });
}
