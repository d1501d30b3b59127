// SPDX-License-Identifier: MIT OR Apache-2.0

// Which part of the trace is visible, and which part the panels add up. The view of a trace that
// grows can follow its end.

import type { Trace } from "../model/trace.ts";
import type { Changes } from "./changes.ts";

/** A piece of time, in ticks since the start of the trace. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** How long the window has to stay the same before the panels follow, in milliseconds. */
const REST_MS = 90;
/** The shortest time that can be visible, in microseconds. */
const SHORTEST_US = 8;

export class Viewport {
  private visible: Span;
  private chosen: Span | null = null;
  private settledWindow: Span;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** How much is visible while the view follows the end, in ticks; 0 while it stands still. */
  private followedTicks = 0;

  constructor(
    private trace: Trace,
    private changes: Changes,
  ) {
    this.visible = { from: 0, to: trace.end };
    this.settledWindow = this.visible;
  }

  /** What the timeline shows. */
  get view(): Span {
    return this.visible;
  }

  /** The range that the user chose for the panels; null if there is none. */
  get range(): Span | null {
    return this.chosen;
  }

  /** What the panels add up: the range, or else all that is visible. */
  get window(): Span {
    return this.chosen ?? this.visible;
  }

  /** The window that the panels have followed to. */
  get settled(): Span {
    return this.settledWindow;
  }

  /** Whether the view follows the end of a trace that grows. */
  get following(): boolean {
    return this.followedTicks > 0;
  }

  /** How much is visible while it does, in ticks: infinite for all, and 0 while it stands still. */
  get followed(): number {
    return this.followedTicks;
  }

  /** Lets the view follow the end, with so much of the trace visible, in ticks. */
  follow(length = this.visible.to - this.visible.from): void {
    this.chosen = null;
    this.setFollowed(length);
    this.grow();
    this.settle();
  }

  /** The view no longer follows the end. */
  stand(): void {
    this.setFollowed(0);
  }

  private setFollowed(length: number): void {
    const { following } = this;
    this.followedTicks = length;
    if (following !== this.following) this.changes.mark("follow");
  }

  /** Follows the end, which has moved; the panels are left behind until `settle`. */
  grow(): void {
    if (!this.following) return;
    const { end } = this.trace;
    this.visible = { from: Math.max(0, end - this.followedTicks), to: end };
    this.changes.mark("view");
  }

  /** Makes a time visible, or as much of it as the trace has. Away from the end, it stands still. */
  show(from: number, to: number): void {
    if (this.following) this.setFollowed(to < this.trace.end ? 0 : to - from);
    this.place(from, to);
  }

  private place(from: number, to: number): void {
    const { end, tickUs } = this.trace;
    const shortest = Math.min(end, Math.max(SHORTEST_US / tickUs, 1e-3));
    const length = Math.min(end, Math.max(to - from, shortest));
    const start = Math.max(0, Math.min(from, end - length));
    if (start === this.visible.from && start + length === this.visible.to) return;
    this.visible = { from: start, to: start + length };
    this.changes.mark("view");
    if (!this.chosen) this.settleSoon();
  }

  /** Shows the whole trace; while the view follows the end, also what is added. */
  showAll(): void {
    if (this.following) this.followedTicks = Infinity;
    this.place(0, this.trace.end);
  }

  /** Moves by a fraction of what is visible. */
  pan(part: number): void {
    const { from, to } = this.visible;
    this.show(from + part * (to - from), to + part * (to - from));
  }

  /** Makes the visible time `factor` times as long; the time `around` stays where it is. */
  zoom(factor: number, around: number): void {
    const { from, to } = this.visible;
    this.show(around - (around - from) * factor, around + (to - around) * factor);
  }

  /** Moves the view so that a time is in its middle, unless some of it is visible. */
  reveal(from: number, to: number): void {
    const { view } = this;
    if (to > view.from && from < view.to) return;
    const length = view.to - view.from;
    const middle = (from + to) / 2;
    this.stand();
    this.place(middle - length / 2, middle + length / 2);
  }

  setRange(range: Span | null): void {
    if (range) this.stand();
    this.chosen = range && {
      from: Math.max(0, Math.min(range.from, range.to)),
      to: Math.min(this.trace.end, Math.max(range.from, range.to)),
    };
    this.changes.mark("view");
    this.settleSoon();
  }

  /** Lets the panels follow when the window has not changed for a moment. */
  private settleSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), REST_MS);
  }

  /** Lets the panels follow now, also when what they count has changed for another reason. */
  settle(window = this.window): void {
    clearTimeout(this.timer);
    this.settledWindow = window;
    this.changes.mark("window");
  }

  close(): void {
    clearTimeout(this.timer);
  }
}
