// SPDX-License-Identifier: MIT OR Apache-2.0

// The scale of time above the threads, and below it the marks and recordings of the server.

import { duration, moment } from "../model/format.ts";
import { prepare, rectangle } from "../paint/canvas.ts";
import type { Flag } from "../session/flags.ts";
import type { Session } from "../session/session.ts";
import { byId } from "./dom.ts";
import { look } from "./look.ts";
import { onDrag } from "./pointer.ts";

/** The least distance between two labels, in CSS pixels. */
const APART = 96;
/** The space beside the label of the range. */
const GAP = 4;
/** The height of the lane of flags, and how wide a flag is at least, in CSS pixels. */
const LANE = 15;
const FLAG = 9;
/** How far a pressed pointer may move and still click. */
const STILL = 4;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/** The microseconds between two ticks of the ruler. */
export function tickStep(usPerPixel: number): number {
  const least = usPerPixel * APART;
  for (const seconds of STEPS_S) if (seconds * 1e6 >= least && least > 0.5e6) return seconds * 1e6;
  if (least > 86400e6) return Math.ceil(least / 86400e6) * 86400e6;
  let step = 1;
  for (;;) {
    for (const factor of [1, 2, 5]) if (step * factor >= least) return step * factor;
    step *= 10;
  }
}

/** A flag, and where it is. */
interface Shown {
  flag: Flag;
  from: number;
  left: number;
  right: number;
}

export class Ruler {
  private shown: Shown[] = [];
  private canvas = byId<HTMLCanvasElement>("ruler");
  private abort = new AbortController();

  constructor(
    private session: Session,
    onFlag: (flag: Flag) => void = () => {},
  ) {
    session.on(["view", "look", "layout", "flags"], () => this.paint());
    let start = { x: 0, from: 0, to: 0 };
    const drag = {
      down: (x: number) => {
        start = { x, ...session.viewport.view };
      },
      move: (x: number) => {
        const shift = ((start.x - x) / this.canvas.clientWidth) * (start.to - start.from);
        if (shift !== 0) session.viewport.show(start.from + shift, start.to + shift);
      },
      up: (x: number, y: number) => {
        const flag = this.flagAt(x, y);
        if (flag && Math.abs(x - start.x) < STILL) onFlag(flag);
      },
      hover: (x: number, y: number) => {
        const flag = this.flagAt(x, y);
        this.canvas.title = flag?.name ?? "";
        this.canvas.style.cursor = flag ? "pointer" : "";
      },
    };
    onDrag(this.canvas, drag, this.abort.signal);
  }

  close(): void {
    this.abort.abort();
  }

  private paint(): void {
    const { session } = this;
    const { context, width, height: whole } = prepare(this.canvas);
    const { palette } = look;
    rectangle(context, palette.panel, 0, 0, width, whole);
    const height = session.flags.list.length > 0 ? whole - LANE : whole;
    const { from, to } = session.viewport.view;
    const fromUs = session.us(from);
    const usPerPixel = session.us(to - from) / Math.max(1, width);
    const step = tickStep(usPerPixel);
    const start = session.settings.relative ? 0 : session.trace.info.unixStartUs;
    // Ticks fall on whole steps of the displayed clock, in the browser's time zone.
    const zone = start > 0 ? new Date(start / 1000).getTimezoneOffset() * -60e6 : 0;
    const phase = start > 0 ? (start + zone) % step : 0;
    const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e3 ? 3 : 6;
    context.font = "11px system-ui,sans-serif";
    context.textBaseline = "middle";
    const label = this.rangeLabel(context, width);
    for (let at = Math.ceil((fromUs + phase) / step) * step - phase; at <= fromUs + usPerPixel * width; at += step) {
      const x = Math.round((at - fromUs) / usPerPixel);
      rectangle(context, palette.line, x, 0, 1, height);
      context.fillStyle = palette.text;
      const text = moment(Math.max(0, Math.round(at)), start, digits);
      const past = x + 4 + context.measureText(text).width;
      const isFree = !label || past < label.left || x + 4 > label.right;
      if (past < width && isFree) context.fillText(text, x + 4, height / 2);
    }
    this.flags(context, height, width);
    if (!label) return;
    rectangle(context, palette.accent, label.from, height - 4, Math.max(2, label.to - label.from), 4);
    rectangle(context, palette.panel, label.left, 3, label.right - label.left, height - 8);
    context.fillStyle = palette.accent;
    context.fillText(label.text, label.left + GAP, height / 2);
  }

  private flagAt(x: number, y: number): Flag | undefined {
    if (y < this.canvas.clientHeight - LANE) return undefined;
    return [...this.shown].reverse().find(({ left, right }) => x >= left && x <= right)?.flag;
  }

  /** Paints a recording as a bar, and a mark as a flag, with the name where there is room for it. */
  private flags(context: CanvasRenderingContext2D, top: number, width: number): void {
    const { session } = this;
    const { view } = session.viewport;
    const { unixStartUs } = session.trace.info;
    const { palette } = look;
    const xAt = (us: number) =>
      (((us - unixStartUs) / session.trace.tickUs - view.from) / (view.to - view.from)) * width;
    this.shown = session.flags.list
      .map((flag) => {
        const from = xAt(flag.kind === "mark" ? flag.atUs : flag.fromUs);
        const right = flag.kind === "mark" ? from + FLAG : Math.min(xAt(flag.toUs), width + 1);
        return { flag, from, left: Math.max(from, 0), right: Math.max(right, from + FLAG) };
      })
      .filter(({ left, right }) => left < width && right > 0)
      .sort((a, b) => a.from - b.from);
    context.font = "10px system-ui,sans-serif";
    for (const [at, shown] of this.shown.entries()) {
      const { flag, from, left, right } = shown;
      const isMark = flag.kind === "mark";
      const ink = isMark ? palette.accent : look.dark ? "#ff7b72" : "#cf222e";
      if (isMark) {
        rectangle(context, ink, from, top, 1.5, LANE - 1);
        context.beginPath();
        context.moveTo(from + 1, top);
        context.lineTo(from + FLAG, top + 4);
        context.lineTo(from + 1, top + 8);
        context.fill();
      } else rectangle(context, ink, left, top + 1, right - left, 3);
      const next = this.shown[at + 1]?.from ?? width;
      const text = isMark ? left + FLAG + 3 : left + 2;
      const room = next - text - 6;
      const wide = context.measureText(flag.name).width;
      if (room < Math.min(wide, 24)) continue;
      context.save();
      context.beginPath();
      context.rect(text, top, room, LANE);
      context.clip();
      context.fillStyle = palette.text;
      context.fillText(flag.name, text, top + 9);
      context.restore();
      shown.right = Math.max(right, text + Math.min(wide, room));
    }
  }

  /** How long the range is, and where that is written: over its middle, between two gaps. */
  private rangeLabel(context: CanvasRenderingContext2D, width: number) {
    const { range, view } = this.session.viewport;
    if (!range) return null;
    const xAt = (time: number) => ((time - view.from) / (view.to - view.from)) * width;
    const [from, to] = [xAt(range.from), xAt(range.to)];
    const text = duration(this.session.us(range.to - range.from));
    const half = context.measureText(text).width / 2 + GAP;
    return { text, from, to, left: (from + to) / 2 - half, right: (from + to) / 2 + half };
  }
}
