// SPDX-License-Identifier: MIT OR Apache-2.0

// How things are shown, whatever is visible or selected.

import { ALL_STATES, State } from "../model/state.ts";
import type { Exactness } from "../model/tree.ts";
import type { Changes } from "./changes.ts";
import type { Viewport } from "./viewport.ts";

export const PANEL_NAMES = ["stack", "flame", "heavy", "sandwich", "top", "heat", "compare"] as const;

export type PanelName = (typeof PANEL_NAMES)[number];

export interface SettingValues {
  /** Whether frames match by line or by function. */
  readonly exactness: Exactness;
  /** The states that count, as a set of bits. */
  readonly states: number;
  /** Whether the flame graph begins with the innermost frames. */
  readonly inverted: boolean;
  /** Whether times are shown since the start rather than as the time of day. */
  readonly relative: boolean;
  /** Whether the table has a row for each line rather than for each function. */
  readonly lines: boolean;
  readonly panel: PanelName;
}

export class Settings {
  private values: SettingValues = {
    exactness: "line",
    states: ALL_STATES,
    inverted: false,
    relative: false,
    lines: false,
    panel: "flame",
  };

  constructor(
    private viewport: Viewport,
    private changes: Changes,
  ) {}

  get exactness(): Exactness {
    return this.values.exactness;
  }

  get states(): number {
    return this.values.states;
  }

  get inverted(): boolean {
    return this.values.inverted;
  }

  get relative(): boolean {
    return this.values.relative;
  }

  get lines(): boolean {
    return this.values.lines;
  }

  get panel(): PanelName {
    return this.values.panel;
  }

  private set(values: Partial<SettingValues>): void {
    this.values = { ...this.values, ...values };
  }

  /** Takes over values from an address; what it does not name stays as it is. */
  restore(values: Partial<SettingValues>): void {
    this.set(values);
    this.changes.mark("tree", "look", "panel");
  }

  setExactness(exactness: Exactness): void {
    this.set({ exactness });
    this.changes.mark("tree");
  }

  toggleExactness(): void {
    this.setExactness(this.exactness === "line" ? "function" : "line");
  }

  show(panel: PanelName): void {
    this.set({ panel });
    this.changes.mark("panel");
  }

  /** Turns the flame graph around: from the innermost frames out, or back. */
  toggleInverted(): void {
    this.set({ inverted: !this.inverted });
    this.changes.mark("look", "panel");
  }

  /** Switches between the time of day and the time since the start. */
  toggleClock(): void {
    this.set({ relative: !this.relative });
    this.changes.mark("look", "view", "selection");
  }

  /** Switches the table between functions and lines. Lines need a tree by line. */
  toggleLines(): void {
    this.set({ lines: !this.lines });
    if (this.lines && this.exactness !== "line") this.setExactness("line");
  }

  /** The first click selects one state alone; switching off the last selects all again. */
  toggleState(state: number): void {
    const bit = 1 << state;
    const next = this.states === ALL_STATES ? bit : this.states ^ bit;
    this.setStates(next === 0 ? ALL_STATES : next);
  }

  /** Switches between the state running alone and all states. */
  toggleIdle(): void {
    const running = 1 << State.running;
    this.setStates(this.states === running ? ALL_STATES : running);
  }

  private setStates(states: number): void {
    this.set({ states });
    this.viewport.settle();
    this.changes.mark("look");
  }
}
