// SPDX-License-Identifier: MIT OR Apache-2.0

// A small trace in a session without a page, for tests of what is selected, shown and counted.

import { openTrace } from "../src/model/open.ts";
import type { Change } from "../src/session/changes.ts";
import { Session } from "../src/session/session.ts";

/** The frames of each second, outermost first; an empty text where the thread has no stack. */
const THREADS = [
  { pid: 10, tid: 10, name: "MainThread", seconds: ["main", "main wait", "main", "main work:5 parse", "main"] },
  { pid: 10, tid: 11, name: "worker", seconds: ["main work:5", "", "main work:6 parse", "main work:5 pack", ""] },
  { pid: 20, tid: 20, name: "other", seconds: ["run", "run work:5", "run", "run work:5 parse", "run"] },
];

/** The numbers of the threads. */
export const [MAIN, WORKER, OTHER] = [0, 1, 2];

const CHANGES: Change[] = [
  "trace",
  "tree",
  "view",
  "window",
  "selection",
  "search",
  "layout",
  "look",
  "frame",
  "panel",
];

export interface Opened {
  session: Session;
  /** A time in ticks. */
  seconds(number: number): number;
  /** What changed since the last call. */
  told(): Change[];
}

/** Opens the trace. Listeners are called when `told` asks for it, never by a picture. */
export async function opened(): Promise<Opened> {
  const rows: unknown[] = [];
  const threads = THREADS.map(({ pid, tid, name, seconds }) => {
    const from = rows.length;
    for (const [at, text] of seconds.entries()) {
      const frames = text.split(" ").filter(Boolean);
      rows.push([1000 + at, tid, name, frames.map((frame) => frameOf(frame))]);
    }
    return { rows: [from, rows.length], pid, tid, process: pid === 10 ? "web" : "batch" };
  });
  rows.push([1005, null, null, [], { pyebpf: 1, order: "thread", threads }]);
  const trace = await openTrace(new Blob([JSON.stringify(rows)]));
  const session = new Session(trace, () => () => {});
  let told: Change[] = [];
  for (const kind of CHANGES) session.on([kind], () => told.push(kind));
  return {
    session,
    seconds: (number) => (number * 1e6) / trace.tickUs,
    told: () => {
      told = [];
      session.flush();
      return told;
    },
  };
}

function frameOf(text: string): [string, number, string, string] {
  const [func, line] = text.split(":");
  return ["/srv/app.py", Number(line ?? 1), func, ""];
}
