// Which rows the timeline has, in which order and how high. It refuses to draw
// them.

import type { Session } from "./session.ts";

export type SortOrder = "activity" | "name" | "pid";

export interface LayoutRow {
  kind: "process" | "track";
  /** The number of the process or track. */
  number: number;
  top: number;
  height: number;
}

export const PROCESS_HEIGHT = 26;
export const TRACK_HEIGHT = 50;
/** Height of one frame of an opened track. */
export const FRAME_HEIGHT = 15;
/** More frames than this are drawn thinner. */
export const MOST_FRAMES = 48;
export const LANE_HEIGHT = 7;
/** Above and below the bars of a track. */
export const TRACK_GAP = 4;

/** The lane of states, where there are any. */
export function laneHeight(session: Session): number {
  return session.hasStates ? LANE_HEIGHT : 0;
}

export function trackHeight(session: Session, track: number): number {
  if (!session.expanded.has(track)) return TRACK_HEIGHT;
  const frames = Math.min(MOST_FRAMES, Math.max(4, session.deepest(track)));
  return frames * FRAME_HEIGHT + laneHeight(session) + 2 * TRACK_GAP;
}

/** How active a thread was: how long it ran, or had a stack where nothing ran. */
export function activity(session: Session, track: number): number {
  const { running, busy } = session.trace.tracks[track];
  return running > 0 ? running : busy / 1e6;
}

export function layOut(session: Session): LayoutRow[] {
  const { trace, settings, manual, collapsed } = session;
  const filter = session.trackFilter.toLowerCase();
  const groups = new Map<number, number[]>();
  trace.tracks.forEach((track, number) => {
    const process = trace.processes[track.process];
    const text = `${track.name} ${process.name} ${process.pid} ${track.tid}`.toLowerCase();
    if (filter !== "" && !text.includes(filter)) return;
    const group = groups.get(track.process);
    if (group) group.push(number);
    else groups.set(track.process, [number]);
  });
  const sum = (tracks: number[]) => tracks.reduce((total, track) => total + activity(session, track), 0);
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
    sortTracks(session, tracks, manual);
    for (const track of tracks) push("track", track, trackHeight(session, track));
  }
  return rows;
}

function sortTracks(session: Session, tracks: number[], manual: number[]): void {
  const { trace, settings } = session;
  const byHand = new Map(manual.map((track, at) => [track, at]));
  tracks.sort((a, b) => {
    const [one, two] = [byHand.get(a), byHand.get(b)];
    if (one !== undefined && two !== undefined) return one - two;
    const [first, second] = [trace.tracks[a], trace.tracks[b]];
    if (settings.sort === "name") return first.name.localeCompare(second.name) || first.tid - second.tid;
    if (settings.sort === "pid") return first.tid - second.tid;
    const main = Number(second.name === "MainThread") - Number(first.name === "MainThread");
    return main || activity(session, b) - activity(session, a) || first.tid - second.tid;
  });
}
