// SPDX-License-Identifier: MIT OR Apache-2.0

// What follows from the trace and what the user chose: the trees, the common base, the sums of
// the window and the rows. Each is computed when it is asked for, and kept until something that
// it depends on changes.

import { onNodes, type WeightedTree } from "../model/aggregate.ts";
import { commonBase, depths } from "../model/common.ts";
import type { FrameClasses } from "../model/frame_classes.ts";
import { ALL_STATES } from "../model/state.ts";
import type { Trace, Weights } from "../model/trace.ts";
import { type Exactness, NO_NODE, type Tree } from "../model/tree.ts";
import { TreeBuilder } from "../model/tree_builder.ts";
import { weigh, weighing } from "../model/weights.ts";
import { Kept } from "./kept.ts";
import { activity, type LayoutRow, layOut } from "./layout.ts";
import type { Search } from "./search.ts";
import type { Selection } from "./selection.ts";
import type { Settings } from "./settings.ts";
import type { TrackList } from "./track_list.ts";
import type { Transforms } from "./transforms.ts";
import type { Span, Viewport } from "./viewport.ts";

/** How long a turn of counting may take, in milliseconds. */
const TURN_MS = 6;

/** What the user chose. */
export interface Choices {
  readonly viewport: Viewport;
  readonly selection: Selection;
  readonly settings: Settings;
  readonly transforms: Transforms;
  readonly tracks: TrackList;
  readonly search: Search;
}

/** For each stack: its depth, and what it shares with the selected and the pinned stack. */
export interface SharedDepths {
  readonly depth: Uint16Array;
  readonly common: Uint16Array;
  readonly pinned: Uint16Array;
}

const NOTHING: Uint16Array = new Uint16Array(0);

export class Derived {
  private keptLines = new Kept<TreeBuilder>();
  private keptFunctions = new Kept<TreeBuilder>();
  private keptDepths = new Kept<Uint16Array>();
  private keptCommon = new Kept<Uint16Array>();
  private keptThresholded = new Kept<Uint16Array>();
  private keptPinned = new Kept<Uint16Array>();
  private keptDeepest = new Kept<Map<number, { rows: number; deepest: number }>>();
  private keptCounted = new Kept<readonly number[]>();
  private keptWeights = new Kept<Weights>();
  private keptByFunction = new Kept<WeightedTree>();
  private keptByTree = new Kept<WeightedTree>();
  private keptFunctionNodes = new Kept<Uint32Array>();
  private keptActivity = new Kept<readonly number[]>();
  private keptRows = new Kept<readonly LayoutRow[]>();

  constructor(
    private trace: Trace,
    private classes: FrameClasses,
    private choices: Choices,
  ) {}

  // Trees, and what is shared in them.

  /** The tree of the timeline, by line or by function. */
  get tree(): Tree {
    const { exactness } = this.choices.settings;
    return exactness === "function" ? this.functions : this.built(this.keptLines, exactness);
  }

  /** The tree of the panels, by function. */
  get functions(): Tree {
    return this.built(this.keptFunctions, "function");
  }

  private built(kept: Kept<TreeBuilder>, exactness: Exactness): Tree {
    const { list } = this.choices.transforms;
    return kept.of([list], () => new TreeBuilder(this.trace, this.classes, exactness, list)).tree;
  }

  /** How many frames each stack has, after the transforms. */
  get depthOf(): Uint16Array {
    const { tree } = this;
    return this.keptDepths.of([tree], () => depths(tree));
  }

  /** How many frames each stack shares with the selected one; empty without a selection. */
  get commonOf(): Uint16Array {
    const { sample } = this.choices.selection;
    return sample ? this.baseOf(sample.stack, this.keptCommon) : NOTHING;
  }

  /** How many frames each stack shares with the pinned one; empty without a pin. */
  private get pinnedOf(): Uint16Array {
    const { pinned } = this.choices.selection;
    return pinned > 0 ? this.baseOf(pinned, this.keptPinned) : NOTHING;
  }

  private baseOf(stack: number, kept: Kept<Uint16Array>): Uint16Array {
    const { tree } = this;
    return kept.of([tree, stack], () => commonBase(tree, tree.nodeOf[stack] ?? NO_NODE));
  }

  /** How many frames the selected stack shares with itself; 0 without a selection. */
  get selectedDepth(): number {
    const { sample } = this.choices.selection;
    return sample ? this.commonOf[sample.stack] : 0;
  }

  /** What lights up in a track, given the threshold of a hovered frame. */
  shares(track: number): SharedDepths {
    const depth = this.depthOf;
    if (!this.choices.selection.reaches(track)) return { depth, common: NOTHING, pinned: NOTHING };
    return { depth, common: this.thresholded, pinned: this.pinnedOf };
  }

  private get thresholded(): Uint16Array {
    const { commonOf } = this;
    const { threshold } = this.choices.selection;
    if (threshold === 0 || commonOf.length === 0) return commonOf;
    return this.keptThresholded.of([commonOf, threshold], () =>
      commonOf.map((shared) => (shared >= threshold ? threshold : 0)),
    );
  }

  /** The depth of the deepest stack of a track, after the transforms. */
  deepest(track: number): number {
    const { tracks } = this.trace;
    if (this.choices.transforms.list.length === 0) return tracks[track].deepest;
    const { depthOf } = this;
    const { list } = this.choices.transforms;
    const known = this.keptDeepest.of([list, this.choices.settings.exactness], () => new Map());
    let { rows, deepest } = known.get(track) ?? { rows: 0, deepest: 0 };
    const { stack } = tracks[track];
    for (; rows < stack.length; rows++) deepest = Math.max(deepest, depthOf[stack[rows]]);
    known.set(track, { rows, deepest });
    return deepest;
  }

  /** The node of the panels' tree that a node of the timeline's tree corresponds to. */
  functionNode(node: number): number {
    const { tree, functions } = this;
    if (tree === functions) return node;
    return this.keptFunctionNodes.of([tree, functions], () => functionNodes(tree, functions))[node];
  }

  // The window.

  /** The tracks that the panels count: those checked and within the scope of the selection. */
  get countedTracks(): readonly number[] {
    const { selection, tracks } = this.choices;
    const { unchecked } = tracks;
    const within = selection.scope === "all" ? undefined : selection.sample?.track;
    return this.keptCounted.of([unchecked, selection.scope, within, this.trace.tracks.length], () =>
      [...this.trace.tracks.keys()].filter((track) => !unchecked.has(track) && selection.reaches(track)),
    );
  }

  /** The times of the window that the panels have followed to. */
  get weights(): Weights {
    const { trace, countedTracks } = this;
    const { settled } = this.choices.viewport;
    const { states } = this.choices.settings;
    return this.keptWeights.of([settled, states, countedTracks], () => {
      const { from, to } = settled;
      const isWhole = from === 0 && to === trace.end && states === ALL_STATES;
      if (isWhole && trace.whole && countedTracks.length === trace.tracks.length) return trace.whole;
      return weigh(trace, countedTracks, from, to, states);
    });
  }

  /**
   * Counts a window a little at a time, for when the panels follow to it; calls back with the
   * milliseconds that it took. Returns what cancels that.
   */
  count(window: Span, then: (ms: number) => void): () => void {
    const { trace, countedTracks } = this;
    const { states } = this.choices.settings;
    const steps = weighing(trace, countedTracks, window.from, window.to, states);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let taken = 0;
    const turn = () => {
      const began = performance.now();
      for (let step = steps.next(); ; step = steps.next()) {
        const ms = performance.now() - began;
        if (step.done) {
          this.keptWeights.put([window, states, countedTracks], step.value);
          return then(taken + ms);
        }
        if (ms < TURN_MS) continue;
        taken += ms;
        timer = setTimeout(turn);
        return;
      }
    };
    turn();
    return () => clearTimeout(timer);
  }

  /** The times of the window on the tree of the panels, by function. */
  get byFunction(): WeightedTree {
    const { functions, weights } = this;
    return this.keptByFunction.of([functions, weights], () => onNodes(functions, weights));
  }

  /** The times of the window on the tree of the timeline. */
  get byTree(): WeightedTree {
    const { tree, weights } = this;
    if (tree === this.functions) return this.byFunction;
    return this.keptByTree.of([tree, weights], () => onNodes(tree, weights));
  }

  /** The share of the window's time in which a search hit was on the stack. */
  get hitShare(): number {
    const { ofStack, total } = this.weights;
    const { hitStacks } = this.choices.search;
    let sum = 0;
    for (let stack = 0; stack < ofStack.length; stack++) if (hitStacks[stack] === 1) sum += ofStack[stack];
    return total > 0 ? sum / total : 0;
  }

  // The rows.

  /** The rows of the timeline, from top to bottom. */
  get rows(): readonly LayoutRow[] {
    const { trace } = this;
    const { tracks } = this.choices;
    const { sort, expanded, collapsed, filter, manual, sorted } = tracks;
    const choice = [sort, expanded, collapsed, filter, manual, sorted, this.choices.transforms.list];
    return this.keptRows.of([...choice, trace.tracks.length, trace.hasStates], () => {
      const active = this.keptActivity.of([sorted], () => trace.tracks.map(activity));
      // Tracks that are new come last: those that are known keep their places.
      return layOut(
        trace,
        tracks,
        (track) => this.deepest(track),
        (track) => active[track] ?? 0,
      );
    });
  }

  /** The height of all rows together, in CSS pixels. */
  get height(): number {
    const last = this.rows.at(-1);
    return last ? last.top + last.height : 0;
  }

  /** The tracks that have a row, in their order on the page. */
  get visibleTracks(): number[] {
    return this.rows.filter((row) => row.kind === "track").map((row) => row.number);
  }
}

/** For each node of a tree by line, the node of the tree by function. */
function functionNodes(tree: Tree, functions: Tree): Uint32Array {
  const found = new Uint32Array(tree.parent.length).fill(NO_NODE);
  // Stacks give the answer for their own nodes; that for callers follows from below.
  for (let stack = 0; stack < tree.nodeOf.length; stack++) {
    if (tree.nodeOf[stack] !== NO_NODE) found[tree.nodeOf[stack]] = functions.nodeOf[stack];
  }
  for (let at = tree.parent.length - 1; at > 0; at--) {
    const other = found[at];
    const above = tree.parent[at];
    if (other !== NO_NODE && other > 0 && found[above] === NO_NODE) found[above] = functions.parent[other];
  }
  return found;
}
