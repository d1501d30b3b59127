// SPDX-License-Identifier: MIT OR Apache-2.0

// The scale of time above the threads.

import { duration, moment } from "../model/format.ts";
import { prepare, rectangle } from "../paint/canvas.ts";
import type { Session } from "../session/session.ts";
import { byId } from "./dom.ts";
import { look } from "./look.ts";
import { onDrag } from "./pointer.ts";

/** The least distance between two labels, in CSS pixels. */
const APART = 96;
/** The space beside the label of the range. */
const GAP = 4;
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

export class Ruler {
  private canvas = byId<HTMLCanvasElement>("ruler");
  private abort = new AbortController();

  constructor(private session: Session) {
    session.on(["view", "look", "layout"], () => this.paint());
    let start = { x: 0, from: 0, to: 0 };
    const drag = {
      down: (x: number) => {
        start = { x, ...session.viewport.view };
      },
      move: (x: number) => {
        const shift = ((start.x - x) / this.canvas.clientWidth) * (start.to - start.from);
        session.viewport.show(start.from + shift, start.to + shift);
      },
    };
    onDrag(this.canvas, drag, this.abort.signal);
  }

  close(): void {
    this.abort.abort();
  }

  private paint(): void {
    const { session } = this;
    const { context, width, height } = prepare(this.canvas);
    const { palette } = look;
    rectangle(context, palette.panel, 0, 0, width, height);
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
    if (!label) return;
    rectangle(context, palette.accent, label.from, height - 4, Math.max(2, label.to - label.from), 4);
    rectangle(context, palette.panel, label.left, 3, label.right - label.left, height - 8);
    context.fillStyle = palette.accent;
    context.fillText(label.text, label.left + GAP, height / 2);
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
