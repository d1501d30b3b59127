// SPDX-License-Identifier: MIT OR Apache-2.0

// Trees and tables of where the time of a window went.

import type { FrameClasses } from "./frame_classes.ts";
import { pathOf, type Weights } from "./trace.ts";
import { LIBRARY, NO_NODE, type Tree, TreeGrower } from "./tree.ts";

/** A tree with times: `self` is a node's own time; `total` adds that of all nodes below it. */
export interface WeightedTree {
  parent: Uint32Array;
  frame: Uint32Array;
  depth: Uint16Array;
  self: Float64Array;
  total: Float64Array;
  /** The part of both spent in the kernel; null where the trace has no such times. */
  system: { self: Float64Array; total: Float64Array } | null;
}

/** Adds the time of each stack to its node of a tree. */
export function onNodes(tree: Tree, weights: Weights): WeightedTree {
  const { ofStack, systemOfStack } = weights;
  const self = new Float64Array(tree.parent.length);
  const system = new Float64Array(systemOfStack.length > 0 ? self.length : 0);
  const { nodeOf } = tree;
  // Stacks that were added to the trace since have no times yet.
  for (let stack = 1; stack < ofStack.length; stack++) {
    const node = nodeOf[stack];
    if (ofStack[stack] <= 0 || node === NO_NODE) continue;
    self[node] += ofStack[stack];
    if (system.length > 0) system[node] += systemOfStack[stack];
  }
  return withTotals(tree, self, system);
}

type Shape = Pick<WeightedTree, "parent" | "frame" | "depth">;

/** Adds the totals to a tree's own times. `system` is empty where it is not known. */
function withTotals({ parent, frame, depth }: Shape, self: Float64Array, system: Float64Array): WeightedTree {
  const sums = (own: Float64Array) => {
    const total = own.slice();
    for (let node = parent.length - 1; node > 0; node--) total[parent[node]] += total[node];
    return total;
  };
  return {
    parent,
    frame,
    depth,
    self,
    total: sums(self),
    system: system.length > 0 ? { self: system, total: sums(system) } : null,
  };
}

/** The part of a node's total time spent in the kernel; 0 where it is not known. */
export function systemOf(of: WeightedTree, node: number): number {
  return of.system?.total[node] ?? 0;
}

/** The number of a frame's function. Collapsed libraries get the number after the last. */
export function functionAt(classes: FrameClasses, frame: number): number {
  return frame === LIBRARY ? classes.functionFrame.length : classes.functionOf[frame];
}

/** Turns a path, innermost node first, into a path of a new tree, from its root down. */
type Part = (path: readonly number[]) => readonly number[];

/** Builds a new tree from a part of each path whose innermost node has time of its own. */
function regrow(of: WeightedTree, classes: FrameClasses, part: Part): WeightedTree {
  const grower = new TreeGrower();
  const times: number[] = [0];
  const systems: number[] = [0];
  const path: number[] = [];
  for (let leaf = 1; leaf < of.parent.length; leaf++) {
    if (of.self[leaf] <= 0) continue;
    path.length = 0;
    for (let at = leaf; at > 0; at = of.parent[at]) path.push(at);
    let at = 0;
    for (const node of part(path)) at = grower.child(at, functionAt(classes, of.frame[node]), of.frame[node]);
    if (at === 0) continue;
    times[at] = (times[at] ?? 0) + of.self[leaf];
    if (of.system) systems[at] = (systems[at] ?? 0) + of.system.self[leaf];
  }
  const size = grower.parent.length;
  const self = new Float64Array(size);
  times.forEach((time, node) => {
    self[node] = time;
  });
  const system = new Float64Array(of.system ? size : 0);
  systems.forEach((time, node) => {
    system[node] = time;
  });
  const shape = {
    parent: grower.parent.view(),
    frame: grower.frame.view(),
    depth: grower.depth.view(),
  };
  return withTotals(shape, self, system);
}

/** The inverted tree: from the innermost frames to their callers. */
export function inverted(of: WeightedTree, classes: FrameClasses): WeightedTree {
  return regrow(of, classes, (path) => path);
}

/** The index of a function's outermost call on a path, innermost node first; -1 for none. */
function outermost(of: WeightedTree, classes: FrameClasses, func: number, path: readonly number[]): number {
  for (let at = path.length - 1; at >= 0; at--) {
    if (functionAt(classes, of.frame[path[at]]) === func) return at;
  }
  return -1;
}

/** The tree of a function and everything it calls. */
export function callees(of: WeightedTree, classes: FrameClasses, func: number): WeightedTree {
  return regrow(of, classes, (path) => path.slice(0, outermost(of, classes, func, path) + 1).reverse());
}

/** The inverted tree of a function and its callers. */
export function callers(of: WeightedTree, classes: FrameClasses, func: number): WeightedTree {
  return regrow(of, classes, (path) => {
    const at = outermost(of, classes, func, path);
    return at < 0 ? [] : path.slice(at);
  });
}

export interface TableRow {
  /** The number of the function or of its line, depending on `keyOf`. */
  key: number;
  frame: number;
  self: number;
  total: number;
  /** The part of both spent in the kernel. */
  systemSelf: number;
  systemTotal: number;
}

/** Self and total time of each function or line. A recursive call counts once in the total. */
export function tableOf(of: WeightedTree, keyOf: (frame: number) => number): TableRow[] {
  const rows = new Map<number, TableRow>();
  const size = of.parent.length;
  const keys = new Float64Array(size).fill(-1);
  for (let node = 1; node < size; node++) {
    if (of.total[node] <= 0) continue;
    const key = keyOf(of.frame[node]);
    keys[node] = key;
    let row = rows.get(key);
    if (!row) {
      row = { key, frame: of.frame[node], self: 0, total: 0, systemSelf: 0, systemTotal: 0 };
      rows.set(key, row);
    }
    row.self += of.self[node];
    row.systemSelf += of.system?.self[node] ?? 0;
    let above = of.parent[node];
    while (above > 0 && keys[above] !== key) above = of.parent[above];
    if (above !== 0) continue;
    row.total += of.total[node];
    row.systemTotal += systemOf(of, node);
  }
  return [...rows.values()].sort((a, b) => b.self - a.self || b.total - a.total);
}

/** A rectangle of a flame graph. `left` and `width` are fractions of the graph's width. */
export interface FlameBox {
  node: number;
  level: number;
  left: number;
  width: number;
}

/** The order of the children of a node. */
export type ChildOrder = "heavy" | "name";

/** The boxes of the tree below `root` that are at least `narrowest` wide, and its ancestors. */
export function flameBoxes(
  of: WeightedTree,
  root: number,
  narrowest: number,
  compare: (a: number, b: number) => number,
): FlameBox[] {
  const size = of.parent.length;
  const first = new Uint32Array(size);
  const next = new Uint32Array(size);
  for (let node = size - 1; node > 0; node--) {
    if (of.total[node] <= 0) continue;
    next[node] = first[of.parent[node]];
    first[of.parent[node]] = node;
  }
  const boxes: FlameBox[] = [];
  const whole = of.total[root];
  if (whole <= 0) return boxes;
  const ancestors = pathOf(of.parent, root);
  for (const [level, node] of ancestors.entries()) boxes.push({ node, level, left: 0, width: 1 });
  if (root === 0) boxes.push({ node: 0, level: 0, left: 0, width: 1 });
  const below = Math.max(ancestors.length, 1);
  const open: FlameBox[] = [{ node: root, level: below - 1, left: 0, width: 1 }];
  for (let box = open.pop(); box; box = open.pop()) {
    const children: number[] = [];
    for (let child = first[box.node]; child > 0; child = next[child]) children.push(child);
    children.sort(compare);
    let { left } = box;
    for (const node of children) {
      const width = of.total[node] / whole;
      if (width >= narrowest) {
        const child = { node, level: box.level + 1, left, width };
        boxes.push(child);
        open.push(child);
      }
      left += width;
    }
  }
  return boxes;
}
