// SPDX-License-Identifier: MIT OR Apache-2.0

// Paints the picture of all threads: each row by its kind, then the marks of the range and of
// the selection over them.

import { rowEnd } from "../model/trace.ts";
import { rectangle } from "../paint/canvas.ts";
import { type Columns, SampledTracks } from "../paint/columns.ts";
import { FlameChart } from "../paint/flame_chart.ts";
import { type Inks, inksOf, TrackPainter } from "../paint/track_painter.ts";
import { type LayoutRow, laneHeight, TRACK_GAP } from "../session/layout.ts";
import type { Session } from "../session/session.ts";
import type { ExtremeScanner } from "./extremes.ts";
import { look } from "./look.ts";
import type { TimelineArea } from "./timeline_area.ts";

/** The width of the stripes of the common base, in CSS pixels. */
const HATCH = 5;

/** What one picture is painted with. Places are in pixels of CSS, the image has its own. */
interface Picture {
  readonly context: CanvasRenderingContext2D;
  /** The first visible time, and the time that one column of the image shows, in ticks. */
  readonly from: number;
  readonly perColumn: number;
  readonly scrolled: number;
}

export class TimelinePainter {
  private inks: Inks = inksOf(look.palette);
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  private sampled = new SampledTracks();

  constructor(
    private session: Session,
    private area: TimelineArea,
    private scanner: ExtremeScanner,
  ) {}

  /** Takes over the colours of the page, for the next picture. */
  recolour(): void {
    this.inks = inksOf(look.palette);
  }

  private get stride(): number {
    return this.area.canvas.width;
  }

  paint(): void {
    const { session, area } = this;
    const context = area.prepare();
    const image = this.blank(context);
    const { from, to } = session.viewport.view;
    const picture = { context, from, perColumn: (to - from) / this.stride, scrolled: area.scrolled };
    const rows = area.visibleRows();
    const opened: LayoutRow[] = [];
    for (const row of rows) {
      if (row.kind === "process") {
        if (session.tracks.collapsed.has(row.number)) this.density(row, picture);
      } else if (session.tracks.expanded.has(row.number)) opened.push(row);
      else this.bars(row, picture);
    }
    context.putImageData(image, 0, 0);
    for (const row of opened) this.flame(row, picture);
    this.lines(rows, picture);
    this.range(picture);
    this.selection(rows, picture);
  }

  /** The image of the canvas, all in the colour of the background. */
  private blank(context: CanvasRenderingContext2D): ImageData {
    const { width, height } = this.area.canvas;
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    this.pixels.fill(this.inks.background);
    return this.image;
  }

  private sample(track: number, { from, perColumn }: Picture): Columns {
    const { trace, settings } = this.session;
    return this.sampled.of(trace.tracks[track], from, perColumn, this.stride, settings.states);
  }

  /** Paints a thread. If it is partly out of sight, first into an image of its own. */
  private bars(row: LayoutRow, picture: Picture): void {
    const { session, stride, inks } = this;
    const { ratio, canvas } = this.area;
    const lane = Math.round(laneHeight(session.trace) * ratio);
    const top = Math.round((row.top - picture.scrolled + TRACK_GAP) * ratio);
    const height = Math.round((row.height - 2 * TRACK_GAP) * ratio) - lane;
    const columns = this.sample(row.number, picture);
    const { derived } = session;
    const extremes = this.scanner.of(row.number, stride);
    const paint = (image: Uint32Array, top: number) => {
      const painter = new TrackPainter(image, stride, inks, Math.round(HATCH * ratio));
      const place = { top, height, lane };
      painter.paint(columns, place, derived.deepest(row.number), derived.shares(row.number), extremes);
    };
    if (top >= 0 && top + height + lane <= canvas.height) {
      paint(this.pixels, top);
      return;
    }
    const whole = new Uint32Array(stride * (height + lane)).fill(inks.background);
    paint(whole, 0);
    const first = Math.max(0, -top);
    const last = Math.min(height + lane, canvas.height - top);
    if (last > first) this.pixels.set(whole.subarray(first * stride, last * stride), (top + first) * stride);
  }

  /** Paints a collapsed process: how many of its threads had a stack. */
  private density(row: LayoutRow, picture: Picture): void {
    const { session, pixels, stride } = this;
    const { ratio } = this.area;
    const tracks = session.tracksOf(row.number);
    const sum = new Float32Array(stride);
    const shared = new Float32Array(stride);
    for (const track of tracks) {
      const { stack, fill } = this.sample(track, picture);
      const { common } = session.derived.shares(track);
      for (let x = 0; x < stride; x++) {
        if (stack[x] === 0) continue;
        sum[x] += fill[x];
        shared[x] = Math.max(shared[x], common.length > 0 ? common[stack[x]] : 0);
      }
    }
    const most = session.derived.selectedDepth;
    const height = Math.round((row.height - 6) * ratio);
    const bottom = Math.round((row.top - picture.scrolled + row.height - 3) * ratio);
    const [common, hatch, rest] = [this.inks.common[7], this.inks.commonHatch[7], this.inks.rest[7]];
    for (let x = 0; x < stride; x++) {
      const tall = Math.ceil((Math.min(1, sum[x] / tracks.length) || 0) * height);
      const red = most > 0 ? Math.round((tall * shared[x]) / most) : 0;
      for (let y = 1; y <= tall; y++) {
        const at = (bottom - y) * stride + x;
        if (at < 0 || at >= pixels.length) continue;
        pixels[at] = y > red ? rest : (x + y) % 5 < 2 ? hatch : common;
      }
    }
  }

  /** Paints an expanded thread: its frames, and its states below them. */
  private flame(row: LayoutRow, picture: Picture): void {
    const { session } = this;
    const { ratio } = this.area;
    const columns = this.sample(row.number, picture);
    const chart = new FlameChart(picture.context, look.palette, ratio);
    const lane = laneHeight(session.trace);
    const top = row.top - picture.scrolled + TRACK_GAP;
    const height = row.height - 2 * TRACK_GAP - lane;
    chart.paint(columns, { top, height }, session, row.number);
    if (lane === 0) return;
    const { stack, state, width } = columns;
    for (let x = 0; x < width; ) {
      let end = x + 1;
      while (end < width && state[end] === state[x] && (stack[end] === 0) === (stack[x] === 0)) end++;
      if (stack[x] !== 0) {
        const ink = look.palette.states[state[x]];
        rectangle(picture.context, ink, x / ratio, top + height + 1, (end - x) / ratio, lane - 1);
      }
      x = end;
    }
  }

  private lines(rows: LayoutRow[], { context, scrolled }: Picture): void {
    for (const row of rows) {
      rectangle(context, look.palette.line, 0, Math.round(row.top - scrolled) + row.height - 1, this.area.width, 1);
    }
  }

  /** Dims what is outside the range. */
  private range({ context }: Picture): void {
    const { range } = this.session.viewport;
    if (!range) return;
    const { width, height } = this.area;
    const left = this.area.xAt(range.from);
    const right = this.area.xAt(range.to);
    context.fillStyle = look.dark ? "#0d1117aa" : "#ffffffaa";
    if (left > 0) context.fillRect(0, 0, Math.min(left, width), height);
    if (right < width) context.fillRect(Math.max(0, right), 0, width - right, height);
    context.fillStyle = look.palette.accent;
    for (const x of [left, right]) if (x >= 0 && x <= width) context.fillRect(Math.round(x) - 1, 0, 2, height);
  }

  /** Frames the selected sample, and draws a line through all threads at its time. */
  private selection(rows: LayoutRow[], { context, scrolled }: Picture): void {
    const { sample } = this.session.selection;
    if (!sample) return;
    const { width, height } = this.area;
    const track = this.session.trace.tracks[sample.track];
    const left = this.area.xAt(track.start[sample.row]);
    const right = this.area.xAt(rowEnd(track, sample.row));
    if (right >= 0 && left <= width) {
      context.fillStyle = look.palette.text;
      context.globalAlpha = 0.35;
      context.fillRect(Math.round((left + Math.max(left + 1, right)) / 2), 0, 1, height);
      context.globalAlpha = 1;
    }
    const row = rows.find((row) => row.kind === "track" && row.number === sample.track);
    if (!row) return;
    context.strokeStyle = look.palette.text;
    context.lineWidth = 2;
    const top = row.top - scrolled + 1;
    context.strokeRect(Math.max(-4, left - 1), top, Math.min(width + 8, Math.max(4, right - left + 2)), row.height - 3);
  }
}
