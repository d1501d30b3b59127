// SPDX-License-Identifier: MIT OR Apache-2.0

// What the pointer does in the timeline: selects, chooses ranges, moves, zooms and tells.

import { type LayoutRow, laneHeight, levelsOf, TRACK_GAP } from "../session/layout.ts";
import type { Session } from "../session/session.ts";
import { describeRow } from "./describe.ts";
import { announce } from "./dom.ts";
import { alikeAround, frameAtLevel, rowAtPixel } from "./hit_test.ts";
import { onDrag } from "./pointer.ts";
import type { TimelineArea } from "./timeline_area.ts";
import { TimelineTip } from "./timeline_tip.ts";

/** How many CSS pixels a pressed pointer may move and still click. */
const STILL = 4;

export class TimelinePointer {
  private tip: TimelineTip;

  constructor(
    private session: Session,
    private area: TimelineArea,
    signal: AbortSignal,
  ) {
    const { canvas } = area;
    this.tip = new TimelineTip(session, canvas);
    let start = { x: 0, from: 0, to: 0, pans: false, moved: false };
    const drag = {
      down: (x: number, _: number, event: PointerEvent) => {
        start = { x, ...session.viewport.view, pans: event.shiftKey || event.button === 1, moved: false };
      },
      move: (x: number) => {
        if (Math.abs(x - start.x) > STILL) start.moved = true;
        if (!start.moved) return;
        this.tip.hide();
        if (start.pans) {
          const shift = ((start.x - x) / area.width) * (start.to - start.from);
          session.viewport.show(start.from + shift, start.to + shift);
        } else {
          const to = area.timeAt(Math.max(0, Math.min(area.width, x)));
          session.viewport.setRange({ from: area.timeAt(start.x), to });
        }
      },
      up: (x: number, y: number, event: PointerEvent) => {
        if (!start.moved && event.button === 0) this.click(x, y, event.shiftKey || event.altKey);
      },
      hover: (x: number, y: number) => this.hover(x, y),
    };
    onDrag(canvas, drag, signal);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    canvas.addEventListener("pointerleave", () => this.tip.hide(), { signal });
    canvas.addEventListener("dblclick", (event) => this.doubleClick(event.offsetX, event.offsetY), { signal });
  }

  /**
   * Handles the wheel: it scrolls the list, or moves in time if it is turned sideways, with
   * Shift, or if the list fits. With Ctrl it zooms at the pointer.
   */
  private wheel(event: WheelEvent): void {
    const { area } = this;
    const { derived, viewport } = this.session;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? area.height : 1;
    if (event.ctrlKey || event.metaKey) {
      area.zoom(Math.exp((event.deltaY * unit) / 300), event.offsetX);
      return;
    }
    const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
    const fits = derived.height <= area.height;
    const pan = sideways || (fits ? event.deltaY : 0);
    if (pan !== 0) viewport.pan((pan * unit) / area.width);
    if (!event.shiftKey && !fits) area.scroll.scrollTop += event.deltaY * unit;
  }

  private click(x: number, y: number, pins: boolean): void {
    const { session } = this;
    const { selection } = session;
    const row = this.area.rowAt(y);
    this.area.canvas.focus({ preventScroll: true });
    if (row?.kind !== "track") {
      if (row) session.redrawTimeline();
      return;
    }
    const found = this.sampleAt(row.number, x);
    if (found < 0) {
      if (session.viewport.range) session.viewport.setRange(null);
      else selection.clear();
      return;
    }
    if (pins) {
      selection.pin(session.trace.tracks[row.number].stack[found]);
      return;
    }
    selection.select(row.number, found);
    announce(describeRow(session, row.number, found));
    const frame = this.frameAt(row, found, y);
    if (frame >= 0) selection.chooseFrame(frame);
  }

  private sampleAt(track: number, x: number): number {
    const { trace, viewport } = this.session;
    return rowAtPixel(trace.tracks[track], viewport.view, this.area.width, x);
  }

  /** The frame under the pointer in a thread that shows its frames; -1 for none. */
  private frameAt(row: LayoutRow, sample: number, y: number): number {
    const { trace, derived, tracks } = this.session;
    if (!tracks.expanded.has(row.number)) return -1;
    const height = row.height - 2 * TRACK_GAP - laneHeight(trace);
    const inside = y + this.area.scrolled - row.top - TRACK_GAP;
    const level = Math.floor((inside / height) * levelsOf(derived.deepest(row.number)));
    return frameAtLevel(derived.tree, trace.tracks[row.number].stack[sample], level);
  }

  /** Zooms to the rows around the pointer that share more than half of the selected stack. */
  private doubleClick(x: number, y: number): void {
    const { trace, derived, selection, viewport } = this.session;
    const row = this.area.rowAt(y);
    if (row?.kind !== "track" || !selection.sample) return;
    const sample = this.sampleAt(row.number, x);
    if (sample < 0) return;
    const { from, to } = alikeAround(trace.tracks[row.number], sample, derived.commonOf, derived.selectedDepth);
    const margin = (to - from) * 0.1;
    viewport.show(from - margin, to + margin);
  }

  private hover(x: number, y: number): void {
    const row = this.area.rowAt(y);
    const sample = row?.kind === "track" ? this.sampleAt(row.number, x) : -1;
    if (row && sample >= 0) this.tip.show(row.number, sample, this.frameAt(row, sample, y), x, y);
    else this.tip.hide();
  }
}
