// SPDX-License-Identifier: MIT OR Apache-2.0

// The state of the page: one trace, the window, the selection, the settings, and everything
// derived from them. Does not touch the elements of the page: the views listen for changes and
// read what they show.

import { onNodes, type WeightedTree } from "../model/aggregate.ts";
import { commonBase, depths } from "../model/common.ts";
import { matchFrames, matchStacks, parseQuery } from "../model/search.ts";
import { ALL_STATES, State } from "../model/state.ts";
import { rowAt, rowEnd, type Trace, type Weights } from "../model/trace.ts";
import {
  buildTree,
  classify,
  type Exactness,
  type FrameClasses,
  NO_NODE,
  type Transform,
  type Tree,
} from "../model/tree.ts";
import { weigh } from "../model/weights.ts";
import { moment } from "./format.ts";
import { type LayoutRow, layOut, type SortOrder } from "./layout.ts";
import { Symbols } from "./symbols.ts";

/** What can change; each view listens to the kinds that affect it. */
export type Change =
  | "trace"
  | "tree"
  | "view"
  | "window"
  | "selection"
  | "search"
  | "layout"
  | "look"
  | "frame"
  | "panel";

export type Scope = "all" | "process" | "thread";
export type PanelName = "stack" | "flame" | "heavy" | "sandwich" | "top" | "heat" | "compare";

export interface Selection {
  track: number;
  row: number;
  stack: number;
}

export interface Settings {
  exactness: Exactness;
  scope: Scope;
  states: number;
  sort: SortOrder;
  inverted: boolean;
  relative: boolean;
  lines: boolean;
}

/** What an address brings back; settings that it does not name stay as they are. */
export interface Restored extends Partial<Settings> {
  unchecked: number[];
  expanded: number[];
  collapsed: number[];
  transforms: Transform[];
  panel?: PanelName;
}

const NOTHING = new Uint16Array(0);

export class Session {
  readonly symbols: Symbols;
  readonly classes: FrameClasses;
  view: { from: number; to: number };
  /** The range that the panels add up; null when they add up what is visible. */
  range: { from: number; to: number } | null = null;
  selection: Selection | null = null;
  /** A second stack, whose base is shown besides that of the selected one; 0 for none. */
  pinned = 0;
  /** While a frame is hovered: only stacks that share at least so many frames light up. */
  threshold = 0;
  transforms: Transform[] = [];
  private undone: Transform[][] = [];
  private readonly chosen: Settings = {
    exactness: "line",
    scope: "all",
    states: ALL_STATES,
    sort: "activity",
    inverted: false,
    relative: false,
    lines: false,
  };
  query = { text: "", expression: false };
  queryError = "";
  private chosenFrame = -1;
  private shownPanel: PanelName = "flame";
  private uncheckedTracks = new Set<number>();
  private collapsedProcesses = new Set<number>();
  private expandedTracks = new Set<number>();
  private filter = "";
  private order: number[] = [];
  rows: LayoutRow[] = [];
  /** The height of all rows together, in CSS pixels. */
  height = 0;

  /** The tree of the timeline, by line or by function; that of the panels is by function. */
  tree!: Tree;
  functions!: Tree;
  depthOf: Uint16Array = NOTHING;
  commonOf: Uint16Array = NOTHING;
  pinnedOf: Uint16Array = NOTHING;
  hitStacks: Uint8Array = new Uint8Array(0);
  hitFrames: Uint8Array = new Uint8Array(0);
  private weighed: Weights | null = null;
  private aggregate: WeightedTree | null = null;
  private lineAggregate: WeightedTree | null = null;

  private listeners: { kinds: Set<Change>; call: () => void }[] = [];
  private pending = new Set<Change>();
  private scheduled = 0;
  private windowTimer = 0;

  // What callers read, and change by methods only.

  get settings(): Readonly<Settings> {
    return this.chosen;
  }

  /** The frame that was chosen; -1 for none. */
  get frame(): number {
    return this.chosenFrame;
  }

  get panel(): PanelName {
    return this.shownPanel;
  }

  /** Tracks that the panels do not count. */
  get unchecked(): ReadonlySet<number> {
    return this.uncheckedTracks;
  }

  get collapsed(): ReadonlySet<number> {
    return this.collapsedProcesses;
  }

  get expanded(): ReadonlySet<number> {
    return this.expandedTracks;
  }

  get trackFilter(): string {
    return this.filter;
  }

  /** The order of the tracks if one was moved by hand, else empty. */
  get manual(): readonly number[] {
    return this.order;
  }

  constructor(readonly trace: Trace) {
    this.symbols = new Symbols(trace);
    this.classes = classify(trace);
    this.view = { from: 0, to: trace.end };
    this.rebuild();
    this.relayout();
  }

  /** Calls back after any of these changed, at most once per animation frame. */
  on(kinds: Change[], call: () => void): void {
    this.listeners.push({ kinds: new Set(kinds), call });
  }

  private changed(...kinds: Change[]): void {
    for (const kind of kinds) this.pending.add(kind);
    if (!this.scheduled) this.scheduled = requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    cancelAnimationFrame(this.scheduled);
    this.scheduled = 0;
    const kinds = this.pending;
    this.pending = new Set();
    for (const listener of this.listeners) {
      for (const kind of listener.kinds) {
        if (kinds.has(kind)) {
          listener.call();
          break;
        }
      }
    }
  }

  /** Ends the session: listeners are no longer called. */
  close(): void {
    this.listeners = [];
    clearTimeout(this.windowTimer);
    cancelAnimationFrame(this.scheduled);
  }

  /** Takes over what an address or a file says; `restored` is checked by its reader. */
  restore(restored: Restored): void {
    const { unchecked, expanded, collapsed, transforms, panel, ...settings } = restored;
    Object.assign(this.chosen, settings);
    this.uncheckedTracks = new Set(unchecked);
    this.expandedTracks = new Set(expanded);
    this.collapsedProcesses = new Set(collapsed);
    if (panel) this.shownPanel = panel;
    this.setTransforms(transforms);
    this.changed("panel", "look");
  }

  /** Has every view draw itself. */
  redrawAll(): void {
    this.changed("trace", "tree", "view", "selection", "layout", "look", "panel", "window");
    this.flush();
  }

  /** Has the timeline draw itself: it was scrolled or has another size. */
  redrawTimeline(): void {
    this.changed("layout");
  }

  /** Has the views draw themselves in other colours. */
  redrawColours(): void {
    this.changed("look");
  }

  show(panel: PanelName): void {
    this.shownPanel = panel;
    this.changed("panel");
  }

  /** Turns the flame graph around: from the innermost frames out, or back. */
  toggleInverted(): void {
    this.chosen.inverted = !this.chosen.inverted;
    this.changed("look", "panel");
  }

  /** Switches between the time of day and the time since the start. */
  toggleClock(): void {
    this.chosen.relative = !this.chosen.relative;
    this.changed("look", "view", "selection");
  }

  /** Switches the table between functions and lines. Lines need a tree by line. */
  toggleLines(): void {
    this.chosen.lines = !this.chosen.lines;
    if (this.chosen.lines && this.chosen.exactness !== "line") this.setExactness("line");
  }

  // Trees and what is derived from them.

  private rebuild(): void {
    const { trace, classes, transforms } = this;
    this.tree = buildTree(trace, classes, this.settings.exactness, transforms);
    this.functions =
      this.settings.exactness === "function" ? this.tree : buildTree(trace, classes, "function", transforms);
    this.functionNodes = null;
    this.depthOf = depths(this.tree);
    this.recolour();
    this.aggregate = null;
    this.lineAggregate = null;
  }

  private recolour(): void {
    const { selection, tree } = this;
    this.commonOf = selection ? commonBase(tree, tree.nodeOf[selection.stack] ?? NO_NODE) : NOTHING;
    this.pinnedOf = this.pinned > 0 ? commonBase(tree, tree.nodeOf[this.pinned]) : NOTHING;
  }

  /** The depth of the deepest stack of a track, after the transforms. */
  deepest(track: number): number {
    if (this.transforms.length === 0) return this.trace.tracks[track].deepest;
    let cached = this.deepestOf.get(track);
    if (cached === undefined) {
      cached = 0;
      for (const stack of this.trace.tracks[track].stack) cached = Math.max(cached, this.depthOf[stack]);
      this.deepestOf.set(track, cached);
    }
    return cached;
  }
  private deepestOf = new Map<number, number>();

  setExactness(exactness: Exactness): void {
    this.chosen.exactness = exactness;
    this.rebuild();
    this.changed("tree");
  }

  /** Adds a transform; `undo` removes it again. */
  transform(transform: Transform): void {
    this.undone.push(this.transforms);
    this.setTransforms([...this.transforms, transform]);
  }

  /** Removes the transform at an index; `undo` brings it back. */
  removeTransform(at: number): void {
    this.undone.push(this.transforms);
    this.setTransforms(this.transforms.filter((_, number) => number !== at));
  }

  toggleTransform(kind: "mine" | "collapse" | "recursion"): void {
    const at = this.transforms.findIndex((transform) => transform.kind === kind);
    if (at < 0) this.transform({ kind });
    else this.removeTransform(at);
  }

  undo(): boolean {
    const before = this.undone.pop();
    if (!before) return false;
    this.setTransforms(before);
    return true;
  }

  private setTransforms(transforms: Transform[]): void {
    this.transforms = transforms;
    this.deepestOf.clear();
    this.rebuild();
    this.relayout();
    this.changed("tree");
  }

  // The window.

  /** What the panels add up: the range, or else all that is visible. */
  get window(): { from: number; to: number } {
    return this.range ?? this.view;
  }

  /** Converts ticks to microseconds. */
  us(ticks: number): number {
    return ticks * this.trace.tickUs;
  }

  /** Formats a moment as it is shown: the time of day, or the time since the start. */
  clock(ticks: number, digits = 3): string {
    return moment(this.us(ticks), this.settings.relative ? 0 : this.trace.info.unixStartUs, digits);
  }

  setView(from: number, to: number): void {
    const { end } = this.trace;
    const shortest = Math.min(end, Math.max(8 / this.trace.tickUs, 1e-3));
    const length = Math.min(end, Math.max(to - from, shortest));
    const start = Math.max(0, Math.min(from, end - length));
    if (start === this.view.from && start + length === this.view.to) return;
    this.view = { from: start, to: start + length };
    this.changed("view");
    if (!this.range) this.windowSoon();
  }

  setRange(range: { from: number; to: number } | null): void {
    this.range = range && {
      from: Math.max(0, Math.min(range.from, range.to)),
      to: Math.min(this.trace.end, Math.max(range.from, range.to)),
    };
    this.changed("view");
    this.windowSoon();
  }

  /** Lets the panels follow when the window has not changed for 90 ms. */
  private windowSoon(): void {
    clearTimeout(this.windowTimer);
    this.windowTimer = window.setTimeout(() => this.forgetWindow(), 90);
  }

  forgetWindow(): void {
    clearTimeout(this.windowTimer);
    this.weighed = null;
    this.aggregate = null;
    this.lineAggregate = null;
    this.changed("window");
  }

  /** The tracks that the panels count: those checked and within the scope. */
  countedTracks(): number[] {
    const { selection, settings, trace } = this;
    const numbers = [...trace.tracks.keys()].filter((number) => !this.unchecked.has(number));
    if (!selection || settings.scope === "all") return numbers;
    return numbers.filter((number) => this.inScope(number));
  }

  /** The tracks of a process. */
  tracksOf(process: number): number[] {
    const { tracks } = this.trace;
    return [...tracks.keys()].filter((number) => tracks[number].process === process);
  }

  /** Whether the selection lights up in a track. */
  inScope(track: number): boolean {
    const { selection, settings, trace } = this;
    if (!selection || settings.scope === "all") return true;
    if (settings.scope === "thread") return track === selection.track;
    return trace.tracks[track].process === trace.tracks[selection.track].process;
  }

  get weights(): Weights {
    if (this.weighed) return this.weighed;
    const { from, to } = this.window;
    const tracks = this.countedTracks();
    const { trace, settings } = this;
    const isWhole =
      from === 0 && to === trace.end && tracks.length === trace.tracks.length && settings.states === ALL_STATES;
    this.weighed = (isWhole && trace.whole) || weigh(trace, tracks, from, to, settings.states);
    return this.weighed;
  }

  /** The times of the window on the tree of the panels, by function. */
  get byFunction(): WeightedTree {
    this.aggregate ??= onNodes(this.functions, this.weights);
    return this.aggregate;
  }

  /** The times of the window on the tree of the timeline. */
  get byTree(): WeightedTree {
    if (this.tree === this.functions) return this.byFunction;
    this.lineAggregate ??= onNodes(this.tree, this.weights);
    return this.lineAggregate;
  }

  setScope(scope: Scope): void {
    this.chosen.scope = scope;
    this.forgetWindow();
    this.changed("selection", "look");
  }

  /** The node of the panels' tree that a node of the timeline's tree corresponds to. */
  functionNode(node: number): number {
    if (this.tree === this.functions) return node;
    if (this.functionNodes === null) {
      const { tree, functions } = this;
      this.functionNodes = new Uint32Array(tree.parent.length).fill(NO_NODE);
      // Stacks give the answer for their own nodes; that for callers follows from below.
      for (let stack = 0; stack < tree.nodeOf.length; stack++) {
        if (tree.nodeOf[stack] !== NO_NODE) this.functionNodes[tree.nodeOf[stack]] = functions.nodeOf[stack];
      }
      for (let at = tree.parent.length - 1; at > 0; at--) {
        const other = this.functionNodes[at];
        const above = tree.parent[at];
        if (other !== NO_NODE && other > 0 && this.functionNodes[above] === NO_NODE) {
          this.functionNodes[above] = functions.parent[other];
        }
      }
    }
    return this.functionNodes[node];
  }
  private functionNodes: Uint32Array | null = null;

  toggleState(state: number): void {
    const all = ALL_STATES;
    const bit = 1 << state;
    const { states } = this.settings;
    // The first click selects one state alone; switching off the last selects all again.
    const next = states === all ? bit : states ^ bit;
    this.chosen.states = next === 0 ? all : next;
    this.forgetWindow();
    this.changed("look");
  }

  // Selection.

  select(track: number, row: number): void {
    const { stack } = this.trace.tracks[track];
    if (row < 0 || row >= stack.length) return;
    this.setSelection({ track, row, stack: stack[row] });
  }

  deselect(): void {
    this.pinned = 0;
    this.setSelection(null);
  }

  private setSelection(selection: Selection | null): void {
    this.selection = selection;
    this.threshold = 0;
    this.chosenFrame = -1;
    this.recolour();
    this.changed("selection");
    if (this.settings.scope !== "all") this.forgetWindow();
  }

  pin(stack: number): void {
    this.pinned = stack;
    this.recolour();
    this.changed("selection");
  }

  setThreshold(frames: number): void {
    if (frames === this.threshold) return;
    this.threshold = frames;
    this.changed("view");
  }

  /** What lights up in a track, given the threshold of a hovered frame. */
  shares(track: number): { depth: Uint16Array; common: Uint16Array; pinned: Uint16Array } {
    const depth = this.depthOf;
    if (!this.inScope(track)) return { depth, common: NOTHING, pinned: NOTHING };
    return { depth, common: this.thresholded(), pinned: this.pinnedOf };
  }

  private lastThresholded: { of: Uint16Array; at: number; result: Uint16Array } | null = null;

  private thresholded(): Uint16Array {
    const { commonOf, threshold } = this;
    if (threshold === 0 || commonOf.length === 0) return commonOf;
    const last = this.lastThresholded;
    if (last && last.of === commonOf && last.at === threshold) return last.result;
    const result = commonOf.map((shared) => (shared >= threshold ? threshold : 0));
    this.lastThresholded = { of: commonOf, at: threshold, result };
    return result;
  }

  chooseFrame(frame: number): void {
    this.chosenFrame = frame;
    this.changed("frame");
  }

  /**
   * Selects the next row with a stack in a direction. With `differentBase`, skips rows that
   * share more than half of the selected stack. Returns whether there was one.
   */
  step(direction: 1 | -1, differentBase: boolean): boolean {
    const { selection, trace, commonOf } = this;
    if (!selection) return false;
    const { stack } = trace.tracks[selection.track];
    const own = commonOf[selection.stack];
    for (let row = selection.row + direction; row >= 0 && row < stack.length; row += direction) {
      if (stack[row] === 0) continue;
      if (differentBase && commonOf[stack[row]] * 2 > own) continue;
      this.select(selection.track, row);
      this.reveal(selection.track, row);
      return true;
    }
    return false;
  }

  /** Moves the view so that a row is visible, unless it already is. */
  reveal(track: number, row: number): void {
    const { start } = this.trace.tracks[track];
    const { from, to } = this.view;
    const begin = start[row];
    const end = rowEnd(this.trace.tracks[track], row);
    if (end > from && begin < to) return;
    const length = to - from;
    const middle = (begin + end) / 2;
    this.setView(middle - length / 2, middle + length / 2);
  }

  /** The row of a track at a time; -1 if it has no stack then. */
  rowWithStack(track: number, time: number): number {
    const row = rowAt(this.trace.tracks[track], time);
    return row >= 0 && this.trace.tracks[track].stack[row] > 0 ? row : -1;
  }

  // Search.

  search(text: string, expression: boolean): void {
    this.query = { text, expression };
    const query = parseQuery(text, expression);
    this.queryError = query && "error" in query ? query.error : "";
    if (query && !this.queryError) {
      this.hitFrames = matchFrames(this.trace, query);
      this.hitStacks = matchStacks(this.trace, this.hitFrames);
    } else {
      this.hitFrames = new Uint8Array(0);
      this.hitStacks = new Uint8Array(0);
    }
    this.changed("search");
  }

  /** The share of the window's time in which a search hit was on the stack. */
  get hitShare(): number {
    const { ofStack, total } = this.weights;
    let sum = 0;
    for (const [stack, hit] of this.hitStacks.entries()) sum += hit * ofStack[stack];
    return total > 0 ? sum / total : 0;
  }

  /** Selects the next search hit in order of time over all visible tracks; wraps around. */
  nextHit(direction: 1 | -1): boolean {
    const { hitStacks, selection, trace } = this;
    if (hitStacks.length === 0) return false;
    const now = selection
      ? trace.tracks[selection.track].start[selection.row]
      : direction > 0
        ? this.view.from - 1
        : this.view.to + 1;
    type Hit = { track: number; row: number; time: number };
    let best: Hit | null = null;
    let wrapped: Hit | null = null;
    const order = this.visibleTracks();
    const rank = new Map(order.map((track, at) => [track, at]));
    const own = selection ? (rank.get(selection.track) ?? -1) : -1;
    const before = (a: Hit, b: Hit | null) =>
      b === null || (a.time - b.time || (rank.get(a.track) ?? 0) - (rank.get(b.track) ?? 0)) * direction < 0;
    for (const track of order) {
      const { start, stack } = trace.tracks[track];
      // Consecutive rows with a hit are one hit.
      const isHit = (row: number) => hitStacks[stack[row]] === 1 && (row === 0 || hitStacks[stack[row - 1]] === 0);
      const ahead = (row: number) => {
        const order = start[row] - now || (rank.get(track) ?? 0) - own;
        return direction > 0 ? order > 0 : order < 0;
      };
      const begin = direction > 0 ? 0 : start.length - 1;
      for (let row = begin; row >= 0 && row < start.length; row += direction) {
        if (!isHit(row)) continue;
        const hit = { track, row, time: start[row] };
        if (before(hit, wrapped)) wrapped = hit;
        if (!ahead(row)) continue;
        if (before(hit, best)) best = hit;
        break;
      }
    }
    const found = best ?? wrapped;
    if (!found) return false;
    this.select(found.track, found.row);
    this.reveal(found.track, found.row);
    return true;
  }

  // Layout.

  private relayout(): void {
    this.rows = layOut(this);
    const last = this.rows[this.rows.length - 1];
    this.height = last ? last.top + last.height : 0;
    this.changed("layout");
  }

  /** The tracks that have a row, in their order on the page. */
  visibleTracks(): number[] {
    return this.rows.filter((row) => row.kind === "track").map((row) => row.number);
  }

  setSort(sort: SortOrder): void {
    this.chosen.sort = sort;
    this.order = [];
    this.relayout();
  }

  /** Shows only threads and processes that contain a text. */
  filterTracks(text: string): void {
    this.filter = text;
    this.relayout();
  }

  toggleProcess(process: number): void {
    toggle(this.collapsedProcesses, process);
    this.relayout();
  }

  toggleTrack(track: number): void {
    toggle(this.expandedTracks, track);
    this.relayout();
  }

  /** Moves a track to the place of another one of its process. */
  moveTrack(track: number, to: number): void {
    const { tracks } = this.trace;
    if (!tracks[track] || track === to || tracks[track].process !== tracks[to].process) return;
    const order = this.visibleTracks();
    const [from, past] = [order.indexOf(track), order.indexOf(to)];
    order.splice(from, 1);
    order.splice(past, 0, track);
    this.order = order;
    this.relayout();
  }

  checkTrack(track: number, checked: boolean): void {
    if (checked) this.uncheckedTracks.delete(track);
    else this.uncheckedTracks.add(track);
    this.forgetWindow();
    this.changed("layout");
  }

  /** Whether the trace has states that its stacks do not imply. */
  get hasStates(): boolean {
    return this.trace.hasStates;
  }

  /** Switches between the state running alone and all states. */
  toggleIdle(): void {
    const running = 1 << State.running;
    this.chosen.states = this.chosen.states === running ? ALL_STATES : running;
    this.forgetWindow();
    this.changed("look");
  }
}

/** Puts a number into a set, or takes it out. */
function toggle(set: Set<number>, number: number): void {
  if (!set.delete(number)) set.add(number);
}
