// SPDX-License-Identifier: MIT OR Apache-2.0

// One open trace and all that the user chose about it. Does not touch the elements of the page:
// the views listen for changes and read what they show.

import { moment } from "../model/format.ts";
import { Classifier, type FrameClasses } from "../model/frame_classes.ts";
import type { Trace } from "../model/trace.ts";
import type { Transform } from "../model/tree.ts";
import { type Change, Changes, type Schedule } from "./changes.ts";
import { Derived } from "./derived.ts";
import { Flags } from "./flags.ts";
import { Search } from "./search.ts";
import { Selection } from "./selection.ts";
import { Settings, type SettingValues } from "./settings.ts";
import { Symbols } from "./symbols.ts";
import { TrackList, type TrackListState } from "./track_list.ts";
import { Transforms } from "./transforms.ts";
import { Viewport } from "./viewport.ts";

/** What an address brings back; settings that it does not name stay as they are. */
export interface Restored {
  readonly settings: Partial<SettingValues>;
  readonly tracks: TrackListState;
  readonly transforms: readonly Transform[];
}

/** How many times as long as it took the counting of a window that follows the end rests. */
const REST = 60;

export class Session {
  readonly symbols: Symbols;
  private classifier: Classifier;
  readonly viewport: Viewport;
  readonly selection: Selection;
  readonly settings: Settings;
  readonly transforms: Transforms;
  readonly tracks: TrackList;
  readonly search: Search;
  readonly derived: Derived;
  readonly flags: Flags;
  private changes: Changes;
  private isCounting = false;
  private cancelCount = () => {};
  /** When the panels may follow again, on the clock of the page. */
  private countedUntil = 0;
  /** What the rows depended on when the trace last grew. */
  private shown: { tracks: number; hasStates: boolean };

  constructor(
    readonly trace: Trace,
    schedule?: Schedule,
  ) {
    const changes = new Changes(schedule);
    this.shown = { tracks: trace.tracks.length, hasStates: trace.hasStates };
    this.changes = changes;
    this.symbols = new Symbols(trace);
    this.classifier = new Classifier(trace);
    this.viewport = new Viewport(trace, changes);
    this.selection = new Selection(trace, this.viewport, changes);
    this.settings = new Settings(this.viewport, changes);
    this.transforms = new Transforms(changes);
    this.tracks = new TrackList(trace, this.viewport, changes);
    this.search = new Search(trace, changes);
    this.flags = new Flags(changes);
    this.derived = new Derived(trace, this.classes, this);
  }

  get classes(): FrameClasses {
    return this.classifier;
  }

  /** Takes over what was added to the trace. */
  grow(): void {
    this.classifier.grow();
    this.search.grow();
    this.viewport.grow();
    this.changes.mark("trace");
    if (this.viewport.following) this.follow();
    const { tracks, hasStates } = this.trace;
    if (this.shown.tracks === tracks.length && this.shown.hasStates === hasStates) return;
    this.shown = { tracks: tracks.length, hasStates };
    this.changes.mark("layout");
  }

  /** Lets the panels follow the view, but not so often that counting takes much of the time. */
  private follow(): void {
    if (this.isCounting || performance.now() < this.countedUntil) return;
    const { window } = this.viewport;
    this.isCounting = true;
    this.cancelCount = this.derived.count(window, (ms) => {
      this.isCounting = false;
      this.countedUntil = performance.now() + ms * REST;
      if (this.viewport.following) this.viewport.settle(window);
    });
  }

  /** Calls back after any of these changed, at most once per animation frame. */
  on(kinds: Change[], call: () => void): void {
    this.changes.on(kinds, call);
  }

  /** Has the views draw now what changed. */
  flush(): void {
    this.changes.flush();
  }

  /** Ends the session: listeners are no longer called. */
  close(): void {
    this.changes.close();
    this.viewport.close();
    this.cancelCount();
    this.isCounting = false;
  }

  /** Takes over what an address or a file says; `restored` is checked by its reader. */
  restore({ settings, tracks, transforms }: Restored): void {
    this.settings.restore(settings);
    this.tracks.restore(tracks);
    this.transforms.replace(transforms);
  }

  /** Has every view draw itself. */
  redrawAll(): void {
    this.changes.mark("trace", "tree", "view", "selection", "layout", "look", "panel", "window");
    this.flush();
  }

  /** Has the timeline draw itself: it was scrolled or has another size. */
  redrawTimeline(): void {
    this.changes.mark("layout");
  }

  /** Has the views draw themselves in other colours. */
  redrawColours(): void {
    this.changes.mark("look");
  }

  /** Converts ticks to microseconds. */
  us(ticks: number): number {
    return ticks * this.trace.tickUs;
  }

  /** Formats a moment as it is shown: the time of day, or the time since the start. */
  clock(ticks: number, digits = 3): string {
    return moment(this.us(ticks), this.settings.relative ? 0 : this.trace.info.unixStartUs, digits);
  }

  /** The tracks of a process. */
  tracksOf(process: number): number[] {
    const { tracks } = this.trace;
    return [...tracks.keys()].filter((number) => tracks[number].process === process);
  }
}
