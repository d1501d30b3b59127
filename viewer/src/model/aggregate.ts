// Trees and tables of where the time of a window went. It refuses to know
// pixels.

import { pathOf } from "./trace.ts";
import { type FrameClasses, LIBRARY, NO_NODE, type Tree, TreeGrower } from "./tree.ts";

/** A tree with times: `total` is a node's own time and that of all below it. */
export interface WeightedTree {
  parent: Uint32Array;
  frame: Uint32Array;
  depth: Uint16Array;
  self: Float64Array;
  total: Float64Array;
}

/** The time of each stack, on the nodes of a tree. */
export function onNodes(tree: Tree, ofStack: Float64Array): WeightedTree {
  const self = new Float64Array(tree.parent.length);
  const { nodeOf } = tree;
  for (let stack = 1; stack < nodeOf.length; stack++) {
    if (ofStack[stack] > 0 && nodeOf[stack] !== NO_NODE) self[nodeOf[stack]] += ofStack[stack];
  }
  return withTotals(tree.parent, tree.frame, tree.depth, self);
}

function withTotals(
  parent: Uint32Array,
  frame: Uint32Array,
  depth: Uint16Array,
  self: Float64Array,
): WeightedTree {
  const total = self.slice();
  for (let node = parent.length - 1; node > 0; node--) total[parent[node]] += total[node];
  return { parent, frame, depth, self, total };
}

/** The function of a node, as a number; collapsed libraries have the last one. */
export function functionAt(classes: FrameClasses, frame: number): number {
  return frame === LIBRARY ? classes.functionFrame.length : classes.functionOf[frame];
}

/** The part of each path that a new tree is made of: nodes, first under the root. */
type Part = (path: readonly number[]) => readonly number[];

/** A new tree, of a part of every path that has time of its own. */
function regrow(of: WeightedTree, classes: FrameClasses, part: Part): WeightedTree {
  const grower = new TreeGrower();
  const times: number[] = [0];
  const path: number[] = [];
  for (let leaf = 1; leaf < of.parent.length; leaf++) {
    if (of.self[leaf] <= 0) continue;
    path.length = 0;
    for (let at = leaf; at > 0; at = of.parent[at]) path.push(at);
    let at = 0;
    for (const node of part(path)) at = grower.child(at, functionAt(classes, of.frame[node]), of.frame[node]);
    if (at > 0) times[at] = (times[at] ?? 0) + of.self[leaf];
  }
  const self = new Float64Array(grower.parent.length);
  times.forEach((time, node) => (self[node] = time));
  return withTotals(
    Uint32Array.from(grower.parent),
    Uint32Array.from(grower.frame),
    Uint16Array.from(grower.depth),
    self,
  );
}

/** From the innermost frames to their callers. */
export function inverted(of: WeightedTree, classes: FrameClasses): WeightedTree {
  return regrow(of, classes, (path) => path);
}

/** Where a function stands on a path that runs from the innermost frame out: its outermost call. */
function outermost(of: WeightedTree, classes: FrameClasses, func: number, path: readonly number[]): number {
  for (let at = path.length - 1; at >= 0; at--) {
    if (functionAt(classes, of.frame[path[at]]) === func) return at;
  }
  return -1;
}

/** A function and all that it calls. */
export function callees(of: WeightedTree, classes: FrameClasses, func: number): WeightedTree {
  return regrow(of, classes, (path) => path.slice(0, outermost(of, classes, func, path) + 1).reverse());
}

/** A function and who called it. */
export function callers(of: WeightedTree, classes: FrameClasses, func: number): WeightedTree {
  return regrow(of, classes, (path) => {
    const at = outermost(of, classes, func, path);
    return at < 0 ? [] : path.slice(at);
  });
}

export interface TableRow {
  /** The function's number, or that of its line, by what was asked for. */
  key: number;
  frame: number;
  self: number;
  total: number;
}

/** Own and whole time of each function or line; a recursive call counts once. */
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
      row = { key, frame: of.frame[node], self: 0, total: 0 };
      rows.set(key, row);
    }
    row.self += of.self[node];
    let above = of.parent[node];
    while (above > 0 && keys[above] !== key) above = of.parent[above];
    if (above === 0) row.total += of.total[node];
  }
  return [...rows.values()].sort((a, b) => b.self - a.self || b.total - a.total);
}

/** A rectangle of a flame graph, in shares of its width. */
export interface FlameBox {
  node: number;
  level: number;
  left: number;
  width: number;
}

/** The order of the children of a node. */
export type ChildOrder = "heavy" | "name";

/** The boxes wide enough to be seen, of the tree below `root`, with its ancestors above. */
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
  ancestors.forEach((node, level) => boxes.push({ node, level, left: 0, width: 1 }));
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
