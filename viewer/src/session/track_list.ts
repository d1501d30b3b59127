// SPDX-License-Identifier: MIT OR Apache-2.0

// What the user did to the list of threads: their order, and which ones are counted, opened or
// left out.

import type { Trace } from "../model/trace.ts";
import type { Changes } from "./changes.ts";
import type { SortOrder } from "./layout.ts";
import type { Viewport } from "./viewport.ts";

/** What an address says about the list. */
export interface TrackListState {
  readonly sort?: SortOrder;
  readonly unchecked: readonly number[];
  readonly expanded: readonly number[];
  readonly collapsed: readonly number[];
}

export class TrackList {
  private chosenSort: SortOrder = "activity";
  private movedOrder: readonly number[] = [];
  private sortings = 0;
  private text = "";
  private uncheckedTracks: ReadonlySet<number> = new Set();
  private expandedTracks: ReadonlySet<number> = new Set();
  private collapsedProcesses: ReadonlySet<number> = new Set();

  constructor(
    private trace: Trace,
    private viewport: Viewport,
    private changes: Changes,
  ) {}

  get sort(): SortOrder {
    return this.chosenSort;
  }

  /** The order of the tracks if one was moved by hand, else empty. */
  get manual(): readonly number[] {
    return this.movedOrder;
  }

  /** Only threads and processes that contain this text have a row. */
  get filter(): string {
    return this.text;
  }

  /** Tracks that the panels do not count. */
  get unchecked(): ReadonlySet<number> {
    return this.uncheckedTracks;
  }

  /** Tracks that show their frames. */
  get expanded(): ReadonlySet<number> {
    return this.expandedTracks;
  }

  /** Processes that hide their tracks. */
  get collapsed(): ReadonlySet<number> {
    return this.collapsedProcesses;
  }

  restore(state: TrackListState): void {
    this.chosenSort = state.sort ?? this.chosenSort;
    this.uncheckedTracks = new Set(state.unchecked);
    this.expandedTracks = new Set(state.expanded);
    this.collapsedProcesses = new Set(state.collapsed);
    this.viewport.settle();
    this.changes.mark("layout");
  }

  /** How often the tracks were put in order: they keep it while the trace grows. */
  get sorted(): number {
    return this.sortings;
  }

  setSort(sort = this.chosenSort): void {
    this.chosenSort = sort;
    this.movedOrder = [];
    this.sortings++;
    this.changes.mark("layout");
  }

  setFilter(text: string): void {
    this.text = text;
    this.changes.mark("layout");
  }

  toggleProcess(process: number): void {
    this.collapsedProcesses = toggled(this.collapsedProcesses, process);
    this.changes.mark("layout");
  }

  toggleTrack(track: number): void {
    this.expandedTracks = toggled(this.expandedTracks, track);
    this.changes.mark("layout");
  }

  check(track: number, checked: boolean): void {
    if (checked === this.uncheckedTracks.has(track)) this.uncheckedTracks = toggled(this.uncheckedTracks, track);
    this.viewport.settle();
    this.changes.mark("layout");
  }

  /** Moves a track of `order`, the visible tracks, to the place of another one of its process. */
  move(track: number, to: number, order: readonly number[]): void {
    const { tracks } = this.trace;
    if (!tracks[track] || track === to || tracks[track].process !== tracks[to].process) return;
    const [from, past] = [order.indexOf(track), order.indexOf(to)];
    const moved = [...order];
    moved.splice(from, 1);
    moved.splice(past, 0, track);
    this.movedOrder = moved;
    this.changes.mark("layout");
  }
}

/** The set with a number added, or without it if it had it. */
function toggled(set: ReadonlySet<number>, number: number): ReadonlySet<number> {
  const result = new Set(set);
  if (!result.delete(number)) result.add(number);
  return result;
}
