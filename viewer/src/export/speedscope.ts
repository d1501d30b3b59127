// SPDX-License-Identifier: MIT OR Apache-2.0

// Exports the window for speedscope, with one profile for each thread. Gaps keep all threads
// on one clock: where the samples of a row are worth less time than its length, a gap fills
// the rest.

import { firstRow, partOfRow, pathOf, rowWeight } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";
import type { Session } from "../session/session.ts";

export function speedscope(session: Session): string {
  const { trace, symbols } = session;
  const { tree } = session.derived;
  const { from, to } = session.viewport.window;
  const numbers = new Map<number, number>();
  const frames: { name: string; file?: string; line?: number }[] = [];
  const numberOf = (frame: number) => {
    let number = numbers.get(frame);
    if (number === undefined) {
      const file = symbols.file(frame);
      const line = symbols.line(frame);
      number =
        frames.push({ name: symbols.func(frame), ...(file && { file }), ...(line && frame !== LIBRARY && { line }) }) -
        1;
      numbers.set(frame, number);
    }
    return number;
  };
  const profiles = session.derived.countedTracks.map((number) => {
    const track = trace.tracks[number];
    const samples: number[][] = [];
    const weights: number[] = [];
    const push = (sample: number[], ticks: number) => {
      if (ticks <= 0) return;
      samples.push(sample);
      weights.push(session.us(ticks));
    };
    let at = from;
    for (let row = firstRow(track, from); row < track.start.length && track.start[row] < to; row++) {
      const weight = rowWeight(track, row) * partOfRow(track, row, from, to);
      const node = tree.nodeOf[track.stack[row]];
      if (weight <= 0 || track.stack[row] === 0 || node === NO_NODE) continue;
      const begin = Math.max(track.start[row], from, at);
      push([], begin - at);
      at = begin + weight;
      push(
        pathOf(tree.parent, node).map((step) => numberOf(tree.frame[step])),
        weight,
      );
    }
    push([], to - at);
    return {
      type: "sampled",
      name: `${symbols.track(number)} · ${symbols.process(track.process)}`,
      unit: "microseconds",
      startValue: 0,
      // The last sample can be worth more time than was left of the window.
      endValue: session.us(Math.max(to, at) - from),
      samples,
      weights,
    };
  });
  return JSON.stringify({
    $schema: "https://www.speedscope.app/file-format-schema.json",
    exporter: "pyebpf",
    name: symbols.process(trace.tracks[0].process),
    activeProfileIndex: 0,
    shared: { frames },
    profiles,
  });
}
