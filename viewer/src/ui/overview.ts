// SPDX-License-Identifier: MIT OR Apache-2.0

// The strip above the timeline, over the whole trace: how busy all threads were, where the
// search hits and the common base are, and which part is visible below.

import { duration } from "../model/format.ts";
import { State } from "../model/state.ts";
import { contextOf, hatchRect, prepare, rectangle } from "../paint/canvas.ts";
import { makeColumns, SampledTracks, sampleColumns } from "../paint/columns.ts";
import { mix } from "../paint/palette.ts";
import type { Session } from "../session/session.ts";
import { byId, handled } from "./dom.ts";
import { look } from "./look.ts";
import { onDrag } from "./pointer.ts";

/** What the strip shows of each piece of time, taken over all counted threads. */
interface Density {
  /** The ticks of one piece, and up to where it was measured. */
  perBin: number;
  end: number;
  running: Float32Array;
  waiting: Float32Array;
  shared: Float32Array;
  hits: Uint8Array;
  most: number;
}

export class Overview {
  private canvas = byId<HTMLCanvasElement>("overview");
  private density: Density | null = null;
  /** The strip without the marks of the view and the range, which move. */
  private strip: HTMLCanvasElement | null = null;
  private sampled = new SampledTracks();
  private abort = new AbortController();
  private timer = 0;

  constructor(private session: Session) {
    session.on(["look"], () => (this.strip = null));
    session.on(["view", "look"], () => this.paint());
    session.on(["tree", "selection", "search"], () => this.soon());
    session.on(["layout"], () => this.soon());
    session.on(["trace"], () => this.grow());
    const { signal } = this.abort;
    this.pointer(signal);
    this.canvas.addEventListener("keydown", (event) => this.key(event), { signal });
    const observer = new ResizeObserver(() => {
      this.density = null;
      this.paint();
    });
    observer.observe(this.canvas);
    signal.addEventListener("abort", () => observer.disconnect());
  }

  close(): void {
    this.abort.abort();
    clearTimeout(this.timer);
  }

  /** Repaints 30 ms later: the strip may lag behind a click. */
  private soon(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.density = null;
      this.paint();
    }, 30);
  }

  /** Measures what was added to the trace. */
  private grow(): void {
    const { density, session } = this;
    if (!density) return;
    const { end } = session.trace;
    const width = Math.max(1, Math.floor(this.canvas.clientWidth));
    // Pieces of a length that stays the same, until they are too many: only new ones are measured.
    let { perBin } = density;
    while (end / perBin > 2 * width) perBin *= 2;
    this.density = this.measure(Math.ceil(end / perBin), perBin, perBin === density.perBin ? density : null);
    this.strip = null;
    this.paint();
  }

  /** Measures so many pieces, or those that are not in `known`. */
  private measure(bins: number, perBin: number, known: Density | null): Density {
    const { session } = this;
    const { trace } = session;
    const { hitStacks } = session.search;
    const from = known ? Math.min(Math.floor(known.end / perBin), known.running.length) : 0;
    const kept = <T extends Float32Array | Uint8Array>(column: T, before?: T): T => {
      if (before) column.set(before.subarray(0, from));
      return column;
    };
    const running = kept(new Float32Array(bins), known?.running);
    const waiting = kept(new Float32Array(bins), known?.waiting);
    const shared = kept(new Float32Array(bins), known?.shared);
    const hits = kept(new Uint8Array(bins), known?.hits);
    const tracks = session.derived.countedTracks;
    const most = session.derived.selectedDepth;
    const added = makeColumns(bins - from);
    for (const number of tracks) {
      const track = trace.tracks[number];
      if (known) sampleColumns(track, from * perBin, perBin, added);
      const columns = known ? added : this.sampled.of(track, 0, perBin, bins);
      const { common } = session.derived.shares(number);
      for (let x = from; x < bins; x++) {
        const stack = columns.stack[x - from];
        if (stack === 0) continue;
        if (columns.state[x - from] <= State.runnable) running[x] += columns.fill[x - from];
        else waiting[x] += columns.fill[x - from];
        if (most > 0 && common.length > 0) shared[x] = Math.max(shared[x], common[stack] / most);
        if (hitStacks.length > 0 && hitStacks[stack] === 1) hits[x] = 1;
      }
    }
    let peak = 1e-9;
    for (let x = 0; x < bins; x++) peak = Math.max(peak, running[x] + waiting[x]);
    return { perBin, end: trace.end, running, waiting, shared, hits, most: peak };
  }

  private paint(): void {
    const { context, width, height, ratio } = prepare(this.canvas);
    const wide = Math.max(1, Math.floor(width));
    if (!this.density) {
      this.density = this.measure(wide, this.session.trace.end / wide, null);
      this.strip = null;
    }
    this.strip ??= this.draw(this.density, width, height, ratio);
    context.drawImage(this.strip, 0, 0, width, height);
    this.frame(context, width, height);
    this.describe();
  }

  /** Draws the strip. It has thousands of rectangles, and moving the view changes none. */
  private draw(density: Density, width: number, height: number, ratio: number): HTMLCanvasElement {
    const strip = document.createElement("canvas");
    strip.width = this.canvas.width;
    strip.height = this.canvas.height;
    const context = contextOf(strip);
    context.scale(ratio, ratio);
    const { palette } = look;
    const wide = Math.max(1, Math.floor(width));
    // Pieces of a column: one, but for a trace that has grown.
    const perColumn = density.end / density.perBin / wide;
    const first = (x: number) => Math.round(x * perColumn);
    const most = (column: Float32Array | Uint8Array, x: number) => {
      let found = column[first(x)];
      for (let bin = first(x) + 1; bin < first(x + 1); bin++) found = Math.max(found, column[bin]);
      return found;
    };
    rectangle(context, palette.background, 0, 0, width, height);
    const tall = height - 13;
    const bottom = height - 9;
    const pale = mix(palette.background, palette.rest, 0.38);
    for (let x = 0; x < wide; x++) {
      const ran = (most(density.running, x) / density.most) * tall;
      const waited = Math.min((most(density.waiting, x) / density.most) * tall, tall - ran);
      rectangle(context, pale, x, bottom - ran - waited, 1, waited);
      rectangle(context, palette.rest, x, bottom - ran, 1, ran);
    }
    // A lane of its own shows how deep the deepest common base is.
    if (this.session.selection.sample) {
      context.fillStyle = palette.common;
      for (let x = 0; x < wide; x++) {
        const part = most(density.shared, x);
        context.globalAlpha = part && 0.15 + 0.85 * part;
        context.fillRect(x, height - 8, 1, 7);
      }
      context.globalAlpha = 1;
      hatchRect(context, mix(palette.common, palette.background, 0.6), 0, height - 8, width, 7);
    }
    context.fillStyle = palette.hit;
    for (let x = 0; x < wide; x++) if (most(density.hits, x) === 1) context.fillRect(x, 0, 1, 5);
    return strip;
  }

  private frame(context: CanvasRenderingContext2D, width: number, height: number): void {
    const { session } = this;
    const { palette } = look;
    const { end } = session.trace;
    const left = (session.viewport.view.from / end) * width;
    const right = Math.max(left + 3, (session.viewport.view.to / end) * width);
    if (right - left < width - 1) {
      rectangle(context, look.dark ? "#0d1117b0" : "#ffffffb0", 0, 0, left, height);
      context.fillRect(right, 0, width - right, height);
      context.strokeStyle = palette.accent;
      context.lineWidth = 2;
      context.strokeRect(left, 1, right - left, height - 2);
    }
    if (session.viewport.range) {
      context.fillStyle = palette.accent;
      const from = (session.viewport.range.from / end) * width;
      const to = Math.max(from + 2, (session.viewport.range.to / end) * width);
      context.globalAlpha = 0.25;
      context.fillRect(from, 0, to - from, height);
      context.globalAlpha = 1;
    }
  }

  private describe(): void {
    const { session } = this;
    const { from, to } = session.viewport.view;
    const middle = (((from + to) / 2 / session.trace.end) * 100).toFixed(0);
    this.canvas.setAttribute("aria-valuenow", middle);
    const text = `${session.clock(from)} to ${session.clock(to)}, ${duration(session.us(to - from))}`;
    this.canvas.setAttribute("aria-valuetext", text);
  }

  private pointer(signal: AbortSignal): void {
    const { canvas, session } = this;
    const timeAt = (x: number) => (x / canvas.clientWidth) * session.trace.end;
    let start = { time: 0, grabbed: false, offset: 0 };
    const moved = (time: number) => Math.abs(time - start.time) > session.trace.end / 400;
    const drag = {
      down: (x: number) => {
        const time = timeAt(x);
        const { from, to } = session.viewport.view;
        const grabbed = time >= from && time <= to && to - from < session.trace.end * 0.98;
        start = { time, grabbed, offset: time - from };
      },
      move: (x: number) => {
        const time = timeAt(x);
        const { from, to } = session.viewport.view;
        if (start.grabbed) session.viewport.show(time - start.offset, time - start.offset + (to - from));
        else if (moved(time)) session.viewport.show(Math.min(time, start.time), Math.max(time, start.time));
      },
      up: (x: number) => {
        if (start.grabbed || moved(timeAt(x))) return;
        const half = (session.viewport.view.to - session.viewport.view.from) / 2;
        session.viewport.show(start.time - half, start.time + half);
      },
    };
    onDrag(canvas, drag, signal);
    canvas.addEventListener("dblclick", () => session.viewport.showAll(), { signal });
  }

  private key(event: KeyboardEvent): void {
    const { session } = this;
    const step =
      event.key === "ArrowRight" || event.key === "ArrowUp"
        ? 0.2
        : event.key === "ArrowLeft" || event.key === "ArrowDown"
          ? -0.2
          : 0;
    if (step === 0) return;
    session.viewport.pan(step);
    handled(event);
  }
}
