// SPDX-License-Identifier: MIT OR Apache-2.0

// A sample in words, for those who cannot see it.

import { duration } from "../model/format.ts";
import { rowEnd } from "../model/trace.ts";
import { NO_NODE } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import { stateWords } from "./cpu_time.ts";

/** A row of a track in one sentence. */
export function describeRow(session: Session, number: number, row: number): string {
  const { trace, symbols, derived } = session;
  const { tree, commonOf } = derived;
  const track = trace.tracks[number];
  const stack = track.stack[row];
  const node = tree.nodeOf[stack];
  const leaf = node === NO_NODE || node === 0 ? "" : `, ${symbols.func(tree.frame[node])}`;
  const shares = session.selection.sample ? `, shares ${commonOf[stack]} of ${derived.selectedDepth} frames` : "";
  return (
    `${symbols.track(number)}, ${session.clock(track.start[row])}, ` +
    `${duration(session.us(rowEnd(track, row) - track.start[row]))}, ${stateWords(trace, number, row)}, ` +
    `depth ${derived.depthOf[stack]}${leaf}${shares}`
  );
}
