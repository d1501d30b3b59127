// The window as a file for speedscope: a profile for each thread, gaps kept, so
// that all threads stay on one clock. It refuses to know how it is saved.

import { pathOf, rowAt, rowEnd } from "../model/trace.ts";
import { LIBRARY, NO_NODE } from "../model/tree.ts";
import type { Session } from "../ui/session.ts";

export function speedscope(session: Session): string {
  const { trace, symbols, tree } = session;
  const { from, to } = session.window;
  const numbers = new Map<number, number>();
  const frames: { name: string; file?: string; line?: number }[] = [];
  const numberOf = (frame: number) => {
    let number = numbers.get(frame);
    if (number === undefined) {
      const file = symbols.file(frame);
      const line = symbols.line(frame);
      number = frames.push({ name: symbols.func(frame), ...(file && { file }), ...(line && frame !== LIBRARY && { line }) }) - 1;
      numbers.set(frame, number);
    }
    return number;
  };
  const profiles = session.countedTracks().map((number) => {
    const track = trace.tracks[number];
    const samples: number[][] = [];
    const weights: number[] = [];
    const push = (sample: number[], ticks: number) => {
      if (ticks <= 0) return;
      samples.push(sample);
      weights.push(session.us(ticks));
    };
    let at = from;
    for (let row = Math.max(0, rowAt(track, from)); row < track.start.length && track.start[row] < to; row++) {
      const begin = Math.max(track.start[row], from);
      push([], begin - at);
      at = Math.min(rowEnd(track, row), to);
      const node = tree.nodeOf[track.stack[row]];
      const path = node === NO_NODE || track.stack[row] === 0 ? [] : pathOf(tree.parent, node);
      push(path.map((step) => numberOf(tree.frame[step])), at - begin);
    }
    push([], to - at);
    return {
      type: "sampled",
      name: `${symbols.track(number)} · ${symbols.process(track.process)}`,
      unit: "microseconds",
      startValue: 0,
      endValue: session.us(to - from),
      samples,
      "weights": weights,
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
