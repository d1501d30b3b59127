// SPDX-License-Identifier: MIT OR Apache-2.0

// The picture of all threads, and what the pointer does there.

import { duration } from "../model/format.ts";
import { rowAt, rowEnd } from "../model/trace.ts";
import { NO_NODE } from "../model/tree.ts";
import { prepare, rectangle } from "../paint/canvas.ts";
import { type Columns, makeColumns, SampledTracks, sampleColumns } from "../paint/columns.ts";
import { FlameChart } from "../paint/flame_chart.ts";
import { type Extremes, type Inks, inksOf, TrackPainter } from "../paint/track_painter.ts";
import { type LayoutRow, laneHeight, TRACK_GAP } from "../session/layout.ts";
import { rowWithStack } from "../session/navigate.ts";
import type { Session } from "../session/session.ts";
import { stateWords } from "./cpu_time.ts";
import { announce, byId, fill, h } from "./dom.ts";
import { ExtremeScanner } from "./extremes.ts";
import { look } from "./look.ts";
import { onDrag } from "./pointer.ts";

/** How many CSS pixels a pressed pointer may move and still click. */
const STILL = 4;

export class Timeline {
  private canvas = byId<HTMLCanvasElement>("tracks");
  private scroll = byId("scroll");
  private tip = byId("tip");
  private inks: Inks = inksOf(look.palette);
  private scanner: ExtremeScanner;
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  private sampled = new SampledTracks();
  private abort = new AbortController();
  private width = 1;
  private height = 1;
  private ratio = 1;

  constructor(private session: Session) {
    this.scanner = new ExtremeScanner(session, () => this.paint());
    session.on(["tree", "view", "selection", "search", "layout"], () => this.refresh());
    session.on(["look"], () => {
      this.inks = inksOf(look.palette);
      this.refresh();
    });
    const { signal } = this.abort;
    this.scroll.addEventListener("scroll", () => session.redrawTimeline(), { signal, passive: true });
    this.pointer(signal);
    const observer = new ResizeObserver(() => {
      this.resize();
      session.redrawTimeline();
    });
    observer.observe(this.scroll);
    signal.addEventListener("abort", () => observer.disconnect());
    this.resize();
    this.refresh();
  }

  close(): void {
    this.abort.abort();
    this.scanner.stop();
  }

  private resize(): void {
    this.canvas.style.height = `${Math.max(this.scroll.clientHeight, 1)}px`;
  }

  /** The time, in ticks, at an x coordinate in CSS pixels. */
  timeAt(x: number): number {
    const { from, to } = this.session.viewport.view;
    return from + ((to - from) * x) / this.width;
  }

  xAt(time: number): number {
    const { from, to } = this.session.viewport.view;
    return ((time - from) / (to - from)) * this.width;
  }

  private refresh(): void {
    this.paint();
    this.scanner.start(this.visibleRows(), this.canvas.width);
  }

  private visibleRows(): LayoutRow[] {
    const top = this.scroll.scrollTop;
    return this.session.derived.rows.filter((row) => row.top + row.height > top && row.top < top + this.height);
  }

  paint(): void {
    const { session } = this;
    const { context, width, height, ratio } = prepare(this.canvas);
    this.width = Math.max(1, width);
    this.height = height;
    this.ratio = ratio;
    const stride = this.canvas.width;
    if (!this.image || this.image.width !== stride || this.image.height !== this.canvas.height) {
      this.image = context.createImageData(stride, this.canvas.height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(this.inks.background);
    const { from, to } = session.viewport.view;
    const perColumn = (to - from) / stride;
    const painter = new TrackPainter(this.pixels, stride, this.inks, Math.round(5 * ratio));
    const scrolled = this.scroll.scrollTop;
    const rows = this.visibleRows();
    const opened: LayoutRow[] = [];
    for (const row of rows) {
      if (row.kind === "process") {
        if (session.tracks.collapsed.has(row.number)) this.density(row, from, perColumn, scrolled);
        continue;
      }
      if (session.tracks.expanded.has(row.number)) {
        opened.push(row);
        continue;
      }
      this.clipped(row, scrolled, this.sample(row.number, from, perColumn), painter);
    }
    context.putImageData(this.image, 0, 0);
    for (const row of opened) this.flame(context, row, from, perColumn, scrolled);
    this.overlay(context, rows, scrolled);
  }

  private sample(track: number, from: number, perColumn: number): Columns {
    const { trace, settings } = this.session;
    return this.sampled.of(trace.tracks[track], from, perColumn, this.canvas.width, settings.states);
  }

  /** Paints a row. One that is partly out of sight is first painted into an image of its own. */
  private clipped(row: LayoutRow, scrolled: number, columns: Columns, painter: TrackPainter): void {
    const { ratio, session } = this;
    const lane = Math.round(laneHeight(session.trace) * ratio);
    const top = Math.round((row.top - scrolled + TRACK_GAP) * ratio);
    const height = Math.round((row.height - 2 * TRACK_GAP) * ratio) - lane;
    const bottom = this.canvas.height;
    const stride = this.canvas.width;
    const extremes: Extremes | null = this.scanner.of(row.number, stride);
    const paint = (by: TrackPainter, top: number) =>
      by.paint(
        columns,
        { top, height, lane },
        session.derived.deepest(row.number),
        session.derived.shares(row.number),
        extremes,
      );
    if (top >= 0 && top + height + lane <= bottom) {
      paint(painter, top);
      return;
    }
    const whole = new Uint32Array(stride * (height + lane)).fill(this.inks.background);
    paint(new TrackPainter(whole, stride, this.inks, Math.round(5 * ratio)), 0);
    const first = Math.max(0, -top);
    const last = Math.min(height + lane, bottom - top);
    if (last > first) this.pixels.set(whole.subarray(first * stride, last * stride), (top + first) * stride);
  }

  /** Paints a collapsed process: how many of its threads had a stack. */
  private density(row: LayoutRow, from: number, perColumn: number, scrolled: number): void {
    const { session, ratio, pixels } = this;
    const stride = this.canvas.width;
    const tracks = session.tracksOf(row.number);
    const sum = new Float32Array(stride);
    const shared = new Float32Array(stride);
    for (const track of tracks) {
      const { stack, fill } = this.sample(track, from, perColumn);
      const { common } = session.derived.shares(track);
      for (let x = 0; x < stride; x++) {
        if (stack[x] === 0) continue;
        sum[x] += fill[x];
        shared[x] = Math.max(shared[x], common.length > 0 ? common[stack[x]] : 0);
      }
    }
    const most = session.selection.sample ? session.derived.commonOf[session.selection.sample.stack] : 0;
    const height = Math.round((row.height - 6) * ratio);
    const bottom = Math.round((row.top - scrolled + row.height - 3) * ratio);
    const { common, rest } = this.inks;
    for (let x = 0; x < stride; x++) {
      const tall = Math.ceil((Math.min(1, sum[x] / tracks.length) || 0) * height);
      const red = most > 0 ? Math.round((tall * shared[x]) / most) : 0;
      for (let y = 1; y <= tall; y++) {
        const at = (bottom - y) * stride + x;
        if (at >= 0 && at < pixels.length)
          pixels[at] = y <= red ? ((x + y) % 5 < 2 ? this.inks.commonHatch[7] : common[7]) : rest[7];
      }
    }
  }

  private flame(
    context: CanvasRenderingContext2D,
    row: LayoutRow,
    from: number,
    perColumn: number,
    scrolled: number,
  ): void {
    const { session } = this;
    const columns = this.sample(row.number, from, perColumn);
    const chart = new FlameChart(context, look.palette, this.ratio);
    const lane = laneHeight(session.trace);
    const top = row.top - scrolled + TRACK_GAP;
    const height = row.height - 2 * TRACK_GAP - lane;
    chart.paint(columns, { top, height }, session, row.number);
    if (lane === 0) return;
    const { ratio } = this;
    for (let x = 0; x < columns.width; ) {
      let end = x + 1;
      while (
        end < columns.width &&
        columns.state[end] === columns.state[x] &&
        (columns.stack[end] === 0) === (columns.stack[x] === 0)
      )
        end++;
      if (columns.stack[x] !== 0) {
        rectangle(
          context,
          look.palette.states[columns.state[x]],
          x / ratio,
          top + height + 1,
          (end - x) / ratio,
          lane - 1,
        );
      }
      x = end;
    }
  }

  private overlay(context: CanvasRenderingContext2D, rows: LayoutRow[], scrolled: number): void {
    const { session, width, height } = this;
    const { palette } = look;
    for (const row of rows)
      rectangle(context, palette.line, 0, Math.round(row.top - scrolled) + row.height - 1, width, 1);
    const { range } = session.viewport;
    const { sample } = session.selection;
    if (range) {
      const left = this.xAt(range.from);
      const right = this.xAt(range.to);
      context.fillStyle = look.dark ? "#0d1117aa" : "#ffffffaa";
      if (left > 0) context.fillRect(0, 0, Math.min(left, width), height);
      if (right < width) context.fillRect(Math.max(0, right), 0, width - right, height);
      context.fillStyle = palette.accent;
      for (const x of [left, right]) if (x >= 0 && x <= width) context.fillRect(Math.round(x) - 1, 0, 2, height);
    }
    if (!sample) return;
    const row = rows.find((row) => row.kind === "track" && row.number === sample.track);
    const track = session.trace.tracks[sample.track];
    const left = this.xAt(track.start[sample.row]);
    const right = this.xAt(rowEnd(track, sample.row));
    context.fillStyle = palette.text;
    if (right >= 0 && left <= width) {
      context.globalAlpha = 0.35;
      context.fillRect(Math.round((left + Math.max(left + 1, right)) / 2), 0, 1, height);
      context.globalAlpha = 1;
    }
    if (!row) return;
    context.strokeStyle = palette.text;
    context.lineWidth = 2;
    const top = row.top - scrolled + 1;
    context.strokeRect(Math.max(-4, left - 1), top, Math.min(width + 8, Math.max(4, right - left + 2)), row.height - 3);
  }

  // The pointer.

  private rowAtY(y: number): LayoutRow | undefined {
    const at = y + this.scroll.scrollTop;
    return this.session.derived.rows.find((row) => at >= row.top && at < row.top + row.height);
  }

  private pointer(signal: AbortSignal): void {
    const { canvas, session } = this;
    let start = { x: 0, from: 0, to: 0, pans: false, moved: false };
    const drag = {
      down: (x: number, _: number, event: PointerEvent) => {
        start = { x, ...session.viewport.view, pans: event.shiftKey || event.button === 1, moved: false };
      },
      move: (x: number) => {
        if (Math.abs(x - start.x) > STILL) start.moved = true;
        if (!start.moved) return;
        this.tip.hidden = true;
        if (start.pans) {
          const shift = ((start.x - x) / this.width) * (start.to - start.from);
          session.viewport.show(start.from + shift, start.to + shift);
        } else
          session.viewport.setRange({
            from: this.timeAt(start.x),
            to: this.timeAt(Math.max(0, Math.min(this.width, x))),
          });
      },
      up: (x: number, y: number, event: PointerEvent) => {
        if (!start.moved && event.button === 0) this.click(x, y, event.shiftKey || event.altKey);
      },
      hover: (x: number, y: number) => this.hover(x, y),
    };
    onDrag(canvas, drag, signal);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    canvas.addEventListener("pointerleave", () => this.leave(), { signal });
    canvas.addEventListener("dblclick", (event) => this.doubleClick(event.offsetX, event.offsetY), { signal });
  }

  /**
   * Handles the wheel: it scrolls the list, or moves in time if it is turned sideways, with
   * Shift, or if the list fits. With Ctrl it zooms at the pointer.
   */
  private wheel(event: WheelEvent): void {
    const { session } = this;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.height : 1;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(Math.exp((event.deltaY * unit) / 300), event.offsetX);
      return;
    }
    const { from, to } = session.viewport.view;
    const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
    const fits = session.derived.height <= this.height;
    const pan = sideways || (fits ? event.deltaY : 0);
    if (pan !== 0) {
      const shift = ((pan * unit) / this.width) * (to - from);
      session.viewport.show(from + shift, to + shift);
    }
    if (!event.shiftKey && !fits) this.scroll.scrollTop += event.deltaY * unit;
  }

  /** Makes the visible time `factor` times as long; what is at `x` stays there. */
  zoom(factor: number, x = this.width / 2): void {
    const { from, to } = this.session.viewport.view;
    const at = this.timeAt(x);
    this.session.viewport.show(at - (at - from) * factor, at + (to - at) * factor);
  }

  private click(x: number, y: number, pins: boolean): void {
    const { session } = this;
    const row = this.rowAtY(y);
    this.canvas.focus({ preventScroll: true });
    if (row?.kind !== "track") {
      if (row) session.redrawTimeline();
      return;
    }
    const found = this.nearest(row.number, x);
    if (found < 0) {
      if (session.viewport.range) session.viewport.setRange(null);
      else session.selection.clear();
      return;
    }
    if (pins) {
      session.selection.pin(session.trace.tracks[row.number].stack[found]);
      return;
    }
    session.selection.select(row.number, found);
    announce(describeRow(session, row.number, found));
    if (!session.tracks.expanded.has(row.number)) return;
    const frame = this.frameAt(row, found, y);
    if (frame >= 0) session.selection.chooseFrame(frame);
  }

  /** The row that is drawn at a pixel, or else the nearest within three pixels; -1 for none. */
  private nearest(number: number, x: number): number {
    const { session } = this;
    const track = session.trace.tracks[number];
    const perPixel = (session.viewport.view.to - session.viewport.view.from) / this.width;
    const exact = rowWithStack(track, this.timeAt(x));
    if (exact >= 0 && rowEnd(track, exact) - track.start[exact] >= perPixel) return exact;
    // Many rows share the pixel: finds the one that is drawn there.
    const columns = makeColumns(1);
    for (const shift of [0, 1, -1, 2, -2, 3, -3]) {
      const from = this.timeAt(Math.floor(x) + shift);
      sampleColumns(track, from, perPixel, columns);
      if (columns.stack[0] === 0) continue;
      let best = -1;
      const first = Math.max(0, rowAt(track, from));
      for (let row = first; row < track.start.length && track.start[row] < from + perPixel; row++) {
        if (track.stack[row] !== columns.stack[0]) continue;
        if (best < 0 || rowEnd(track, row) - track.start[row] > rowEnd(track, best) - track.start[best]) best = row;
      }
      if (best >= 0) return best;
    }
    return exact;
  }

  private frameAt(row: LayoutRow, index: number, y: number): number {
    const { session } = this;
    const node = session.derived.tree.nodeOf[session.trace.tracks[row.number].stack[index]];
    if (node === NO_NODE) return -1;
    const height = row.height - 2 * TRACK_GAP - laneHeight(session.trace);
    const inside = y + this.scroll.scrollTop - row.top - TRACK_GAP;
    const level = Math.floor((inside / height) * Math.max(4, session.derived.deepest(row.number)));
    let at = node;
    while (session.derived.tree.depth[at] > level + 1) at = session.derived.tree.parent[at];
    return session.derived.tree.depth[at] === level + 1 ? session.derived.tree.frame[at] : -1;
  }

  /** Zooms to the rows around the pointer that share more than half of the selected stack. */
  private doubleClick(x: number, y: number): void {
    const { session } = this;
    const row = this.rowAtY(y);
    if (row?.kind !== "track" || !session.selection.sample) return;
    const index = this.nearest(row.number, x);
    if (index < 0) return;
    const track = session.trace.tracks[row.number];
    const { commonOf } = session.derived;
    const base = commonOf[session.selection.sample.stack];
    const isRed = (at: number) => track.stack[at] > 0 && commonOf[track.stack[at]] * 2 > base;
    let first = index;
    let last = index;
    while (first > 0 && isRed(first - 1)) first--;
    while (last + 1 < track.stack.length && isRed(last + 1)) last++;
    const from = track.start[first];
    const to = rowEnd(track, last);
    const margin = (to - from) * 0.1;
    session.viewport.show(from - margin, to + margin);
  }

  private leave(): void {
    this.tip.hidden = true;
  }

  private hover(x: number, y: number): void {
    const { session, tip } = this;
    const row = this.rowAtY(y);
    const index = row?.kind === "track" ? this.nearest(row.number, x) : -1;
    if (!row || index < 0) {
      tip.hidden = true;
      return;
    }
    const track = session.trace.tracks[row.number];
    const stack = track.stack[index];
    const node = session.derived.tree.nodeOf[stack];
    let leaf = node === NO_NODE || node === 0 ? NO_NODE : session.derived.tree.frame[node];
    if (session.tracks.expanded.has(row.number)) {
      const under = this.frameAt(row, index, y);
      if (under >= 0) leaf = under;
    }
    const lasted = session.us(rowEnd(track, index) - track.start[index]);
    const parts = [
      duration(lasted),
      stateWords(session.trace, row.number, index),
      `depth ${session.derived.depthOf[stack]}`,
    ];
    if (session.selection.sample)
      parts.push(
        `shares ${session.derived.commonOf[stack]} of ${session.derived.commonOf[session.selection.sample.stack]}`,
      );
    fill(
      tip,
      h("b", {}, leaf === NO_NODE ? "(no frame left)" : session.symbols.func(leaf)),
      h("span", {}, leaf === NO_NODE ? "" : ` ${session.symbols.place(leaf)}`),
      h("br"),
      h("span", {}, `${session.symbols.track(row.number)} · ${parts.join(" · ")}`),
    );
    tip.hidden = false;
    const box = byId("timeline").getBoundingClientRect();
    const own = this.canvas.getBoundingClientRect();
    const left = own.left - box.left + x + 14;
    const wide = tip.offsetWidth;
    tip.style.left = `${Math.max(2, left + wide > box.width ? left - wide - 28 : left)}px`;
    const below = own.top - box.top + y + 16;
    tip.style.top = `${below + tip.offsetHeight > box.height ? below - tip.offsetHeight - 30 : below}px`;
  }

  /** Scrolls the list so that a track is visible. */
  showTrack(number: number): void {
    const row = this.session.derived.rows.find((row) => row.kind === "track" && row.number === number);
    if (!row) return;
    const { scrollTop } = this.scroll;
    if (row.top < scrollTop) this.scroll.scrollTop = row.top - 30;
    else if (row.top + row.height > scrollTop + this.height)
      this.scroll.scrollTop = row.top + row.height - this.height + 10;
  }
}

/** A row in one sentence, for those who cannot see it. */
export function describeRow(session: Session, number: number, row: number): string {
  const { trace, symbols } = session;
  const { tree, commonOf } = session.derived;
  const track = trace.tracks[number];
  const stack = track.stack[row];
  const node = tree.nodeOf[stack];
  const leaf = node === NO_NODE || node === 0 ? "" : `, ${symbols.func(tree.frame[node])}`;
  const shares = session.selection.sample
    ? `, shares ${commonOf[stack]} of ${commonOf[session.selection.sample.stack]} frames`
    : "";
  return (
    `${symbols.track(number)}, ${session.clock(track.start[row])}, ` +
    `${duration(session.us(rowEnd(track, row) - track.start[row]))}, ${stateWords(trace, number, row)}, ` +
    `depth ${session.derived.depthOf[stack]}${leaf}${shares}`
  );
}
