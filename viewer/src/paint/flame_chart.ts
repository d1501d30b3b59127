// SPDX-License-Identifier: MIT OR Apache-2.0

// Paints an expanded thread: a bar for each frame, the outermost on top, with its name where
// there is room.

import { NO_NODE } from "../model/tree.ts";
import { MOST_FRAMES } from "../session/layout.ts";
import type { Session } from "../session/session.ts";
import { cutTo, hatchRect, rectangle } from "./canvas.ts";
import type { Columns } from "./columns.ts";
import { mix, type Palette } from "./palette.ts";

/** The most bars that are drawn: the rest would be thinner than a hair. */
const MOST_BARS = 6000;

export class FlameChart {
  constructor(
    private context: CanvasRenderingContext2D,
    private palette: Palette,
    private ratio: number,
  ) {}

  paint(columns: Columns, place: { top: number; height: number }, session: Session, track: number): void {
    const { tree } = session.derived;
    const levels = Math.min(tree.depth.length, Math.max(4, session.derived.deepest(track)));
    const { width } = columns;
    const shown = Math.min(levels, MOST_FRAMES * 4);
    const tall = place.height / levels;
    const { common } = session.derived.shares(track);
    // The node of each column at each level.
    const nodes = new Uint32Array(width * shown);
    for (let x = 0; x < width; x++) {
      let node = columns.stack[x] === 0 ? NO_NODE : tree.nodeOf[columns.stack[x]];
      if (node === NO_NODE) continue;
      for (; node > 0; node = tree.parent[node]) {
        const level = tree.depth[node] - 1;
        if (level < shown) nodes[level * width + x] = node;
      }
    }
    let bars = 0;
    for (let level = 0; level < shown; level++) {
      for (let x = 0; x < width; ) {
        const node = nodes[level * width + x];
        let end = x + 1;
        while (end < width && nodes[level * width + end] === node) end++;
        if (node !== 0 && ++bars < MOST_BARS) {
          const shared = common.length > 0 && common[columns.stack[x]] > level;
          this.bar(session, tree.frame[node], level, x, end, place.top + level * tall, tall, shared);
        }
        x = end;
      }
    }
  }

  private bar(
    session: Session,
    frame: number,
    level: number,
    from: number,
    to: number,
    top: number,
    tall: number,
    shared: boolean,
  ): void {
    const { context, palette, ratio } = this;
    const left = from / ratio;
    const width = (to - from) / ratio;
    const base = shared ? palette.common : palette.rest;
    rectangle(
      context,
      level % 2 === 0 ? base : mix(base, palette.background, 0.18),
      left,
      top,
      Math.max(width - 0.5, 0.5),
      Math.max(tall - 1, 0.5),
    );
    if (shared && width > 6) this.hatch(left, top, width, tall);
    if (tall < 11 || width < 24) return;
    context.font = "11px system-ui,sans-serif";
    context.textBaseline = "middle";
    const name = session.symbols.func(frame);
    const text = cutTo(context, width > 160 ? `${name}  ${session.symbols.place(frame)}` : name, width - 8);
    if (text === "") return;
    const wide = context.measureText(text).width;
    if (shared) {
      context.fillStyle = palette.background;
      context.globalAlpha = 0.82;
      context.fillRect(left + 2, top + 1, wide + 4, tall - 3);
      context.globalAlpha = 1;
      context.fillStyle = palette.text;
    } else context.fillStyle = palette.background;
    context.fillText(text, left + 4, top + tall / 2);
  }

  private hatch(left: number, top: number, width: number, tall: number): void {
    hatchRect(this.context, mix(this.palette.common, this.palette.background, 0.5), left, top, width - 0.5, tall - 1);
  }
}
