// SPDX-License-Identifier: MIT OR Apache-2.0

// The box beside the pointer that describes the sample under it.

import { duration } from "../model/format.ts";
import { rowEnd } from "../model/trace.ts";
import { NO_NODE } from "../model/tree.ts";
import type { Session } from "../session/session.ts";
import { stateWords } from "./cpu_time.ts";
import { byId, fill, h } from "./dom.ts";

export class TimelineTip {
  private tip = byId("tip");

  constructor(
    private session: Session,
    private canvas: HTMLCanvasElement,
  ) {}

  hide(): void {
    this.tip.hidden = true;
  }

  /** Describes a row of a track beside a place in the canvas; `frame` is under it, or -1. */
  show(number: number, row: number, frame: number, x: number, y: number): void {
    const { tip } = this;
    const { symbols, trace, derived, selection } = this.session;
    const { tree, depthOf, commonOf } = derived;
    const track = trace.tracks[number];
    const stack = track.stack[row];
    const node = tree.nodeOf[stack];
    const innermost = node === NO_NODE || node === 0 ? NO_NODE : tree.frame[node];
    const named = frame >= 0 ? frame : innermost;
    const lasted = this.session.us(rowEnd(track, row) - track.start[row]);
    const parts = [duration(lasted), stateWords(trace, number, row), `depth ${depthOf[stack]}`];
    if (selection.sample) parts.push(`shares ${commonOf[stack]} of ${derived.selectedDepth}`);
    fill(
      tip,
      h("b", {}, named === NO_NODE ? "(no frame left)" : symbols.func(named)),
      h("span", {}, named === NO_NODE ? "" : ` ${symbols.place(named)}`),
      h("br"),
      h("span", {}, `${symbols.track(number)} · ${parts.join(" · ")}`),
    );
    tip.hidden = false;
    this.place(x, y);
  }

  /** Puts the box to the right of the pointer and below it, or where there is room. */
  private place(x: number, y: number): void {
    const { tip } = this;
    const box = byId("timeline").getBoundingClientRect();
    const own = this.canvas.getBoundingClientRect();
    const left = own.left - box.left + x + 14;
    const wide = tip.offsetWidth;
    tip.style.left = `${Math.max(2, left + wide > box.width ? left - wide - 28 : left)}px`;
    const below = own.top - box.top + y + 16;
    tip.style.top = `${below + tip.offsetHeight > box.height ? below - tip.offsetHeight - 30 : below}px`;
  }
}
