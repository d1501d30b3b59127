// SPDX-License-Identifier: MIT OR Apache-2.0

// What the user pointed at: a sample, a second stack to compare it with, a frame; and where the
// frames that others share with the sample light up.

import type { Trace } from "../model/trace.ts";
import type { Changes } from "./changes.ts";
import type { Viewport } from "./viewport.ts";

export type Scope = "all" | "process" | "thread";

export const SCOPES: readonly Scope[] = ["all", "process", "thread"];

export interface SelectedSample {
  readonly track: number;
  readonly row: number;
  readonly stack: number;
}

export class Selection {
  private selected: SelectedSample | null = null;
  private pinnedStack = 0;
  private leastShared = 0;
  private chosenFrame = -1;
  private chosenScope: Scope = "all";

  constructor(
    private trace: Trace,
    private viewport: Viewport,
    private changes: Changes,
  ) {}

  get sample(): SelectedSample | null {
    return this.selected;
  }

  /** A second stack, whose base is shown besides that of the selected one; 0 for none. */
  get pinned(): number {
    return this.pinnedStack;
  }

  /** While a frame is hovered: only stacks that share at least so many frames light up. */
  get threshold(): number {
    return this.leastShared;
  }

  /** The frame that was chosen; -1 for none. */
  get frame(): number {
    return this.chosenFrame;
  }

  /** Where the selection lights up, and what the panels count. */
  get scope(): Scope {
    return this.chosenScope;
  }

  /** Selects the sample in a row of a track; a row that does not exist is ignored. */
  select(track: number, row: number): void {
    const { stack } = this.trace.tracks[track];
    if (row < 0 || row >= stack.length) return;
    this.viewport.stand();
    this.set({ track, row, stack: stack[row] });
  }

  clear(): void {
    this.pinnedStack = 0;
    this.set(null);
  }

  private set(sample: SelectedSample | null): void {
    this.selected = sample;
    this.leastShared = 0;
    this.chosenFrame = -1;
    this.changes.mark("selection");
    if (this.chosenScope !== "all") this.viewport.settle();
  }

  /** Pins a stack; 0 removes the pin. */
  pin(stack: number): void {
    this.pinnedStack = stack;
    this.changes.mark("selection");
  }

  setThreshold(frames: number): void {
    if (frames === this.leastShared) return;
    this.leastShared = frames;
    this.changes.mark("view");
  }

  chooseFrame(frame: number): void {
    this.chosenFrame = frame;
    this.changes.mark("frame");
  }

  setScope(scope: Scope): void {
    this.chosenScope = scope;
    this.viewport.settle();
    this.changes.mark("selection", "look");
  }

  /** Whether the selection lights up in a track. */
  reaches(track: number): boolean {
    const { selected, trace } = this;
    if (!selected || this.chosenScope === "all") return true;
    if (this.chosenScope === "thread") return track === selected.track;
    return trace.tracks[track].process === trace.tracks[selected.track].process;
  }
}
