// SPDX-License-Identifier: MIT OR Apache-2.0

// Takes what the user chose over to a new session, when the same server's trace begins anew:
// threads and times have other numbers there.

import { rowAt, type Trace } from "../model/trace.ts";
import { addressOf, restore } from "../session/address.ts";
import type { Session } from "../session/session.ts";

/** How many ticks of one trace come before the start of another. */
const ticksBetween = (from: Trace, to: Trace) => (from.info.unixStartUs - to.info.unixStartUs) / to.tickUs;

export function carryOver(from: Session, to: Session): void {
  restore(to, addressOf(from, true));
  const { trackOf, processOf } = sameIn(from.trace, to.trace);
  const numbers = (set: Iterable<number>, of: Map<number, number>) =>
    [...set].map((number) => of.get(number)).filter((number) => number !== undefined);
  to.tracks.restore({
    unchecked: numbers(from.tracks.unchecked, trackOf),
    expanded: numbers(from.tracks.expanded, trackOf),
    collapsed: numbers(from.tracks.collapsed, processOf),
  });
  to.tracks.setFilter(from.tracks.filter);
  if (from.viewport.following) return;
  const scale = from.trace.tickUs / to.trace.tickUs;
  const shift = ticksBetween(from.trace, to.trace);
  const moved = (ticks: number) => ticks * scale + shift;
  const { view, range } = from.viewport;
  to.viewport.show(moved(view.from), moved(view.to));
  if (range) to.viewport.setRange({ from: moved(range.from), to: moved(range.to) });
  const { sample } = from.selection;
  const track = sample && trackOf.get(sample.track);
  if (!sample || track === undefined || track === null) return;
  const row = rowAt(to.trace.tracks[track], Math.round(moved(from.trace.tracks[sample.track].start[sample.row])));
  if (row < 0 || to.trace.tracks[track].stack[row] === 0) return;
  to.selection.select(track, row);
  to.selection.setScope(from.selection.scope);
}

/** For each track and process of one trace, the number of the same one in another. */
function sameIn(from: Trace, to: Trace) {
  const processKey = ({ processes }: Trace, process: number) => `${processes[process].pid} ${processes[process].name}`;
  const trackKey = (trace: Trace, track: number) => {
    const { process, tid, ident } = trace.tracks[track];
    return `${processKey(trace, process)} ${tid} ${ident}`;
  };
  const tracks = new Map(to.tracks.map((_, track) => [trackKey(to, track), track]));
  const processes = new Map(to.processes.map((_, process) => [processKey(to, process), process]));
  const found = <T>(list: readonly T[], key: (number: number) => string, of: Map<string, number>) =>
    new Map([...list.keys()].flatMap((number) => (of.has(key(number)) ? [[number, of.get(key(number)) ?? 0]] : [])));
  return {
    trackOf: found(from.tracks, (track) => trackKey(from, track), tracks),
    processOf: found(from.processes, (process) => processKey(from, process), processes),
  };
}
