// SPDX-License-Identifier: MIT OR Apache-2.0

// Where the timeline is on the page: which time and which row is at a pixel. All pixels are
// those of CSS, from the upper left corner of the canvas.

import { prepare } from "../paint/canvas.ts";
import type { LayoutRow } from "../session/layout.ts";
import type { Session } from "../session/session.ts";
import { byId } from "./dom.ts";

export class TimelineArea {
  readonly canvas = byId<HTMLCanvasElement>("tracks");
  readonly scroll = byId("scroll");
  private size = { width: 1, height: 1, ratio: 1 };

  constructor(private session: Session) {}

  get width(): number {
    return this.size.width;
  }

  get height(): number {
    return this.size.height;
  }

  /** How many pixels of the canvas a pixel of CSS has. */
  get ratio(): number {
    return this.size.ratio;
  }

  /** How far the list is scrolled. */
  get scrolled(): number {
    return this.scroll.scrollTop;
  }

  /** Makes the canvas as high as the visible part of the list. */
  resize(): void {
    this.canvas.style.height = `${Math.max(this.scroll.clientHeight, 1)}px`;
  }

  /** Sizes the image of the canvas for a new picture; returns its context. */
  prepare(): CanvasRenderingContext2D {
    const { context, width, height, ratio } = prepare(this.canvas);
    this.size = { width: Math.max(1, width), height, ratio };
    return context;
  }

  /** The time, in ticks. */
  timeAt(x: number): number {
    const { from, to } = this.session.viewport.view;
    return from + ((to - from) * x) / this.width;
  }

  xAt(time: number): number {
    const { from, to } = this.session.viewport.view;
    return ((time - from) / (to - from)) * this.width;
  }

  visibleRows(): LayoutRow[] {
    const { scrolled, height } = this;
    return this.session.derived.rows.filter((row) => row.top + row.height > scrolled && row.top < scrolled + height);
  }

  rowAt(y: number): LayoutRow | undefined {
    const at = y + this.scrolled;
    return this.session.derived.rows.find((row) => at >= row.top && at < row.top + row.height);
  }

  /** Makes the visible time `factor` times as long; what is at `x` stays there. */
  zoom(factor: number, x = this.width / 2): void {
    this.session.viewport.zoom(factor, this.timeAt(x));
  }

  /** Scrolls the list so that a track is visible. */
  showTrack(number: number): void {
    const row = this.session.derived.rows.find((row) => row.kind === "track" && row.number === number);
    if (!row) return;
    const { scroll, height } = this;
    if (row.top < scroll.scrollTop) scroll.scrollTop = row.top - 30;
    else if (row.top + row.height > scroll.scrollTop + height) scroll.scrollTop = row.top + row.height - height + 10;
  }
}
