// SPDX-License-Identifier: MIT OR Apache-2.0

// The common base, the idea of the page: how many frames, from the outermost on, a stack
// shares with the selected one.

import { NO_NODE, type Tree } from "./tree.ts";

/** For each stack, how many frames it has in the tree; 0 when a transform left it out. */
export function depths(tree: Tree): Uint16Array {
  const { depth, nodeOf } = tree;
  const found = new Uint16Array(nodeOf.length);
  for (let stack = 0; stack < nodeOf.length; stack++) {
    const node = nodeOf[stack];
    found[stack] = node === NO_NODE ? 0 : depth[node];
  }
  return found;
}

/** For each stack, how many frames it shares with the path of a node. Takes linear time. */
export function commonBase(tree: Tree, node: number): Uint16Array {
  const { parent, depth, nodeOf } = tree;
  const onPath = new Uint8Array(parent.length);
  if (node !== NO_NODE) {
    for (let at = node; at > 0; at = parent[at]) onPath[at] = 1;
  }
  const shared = new Uint16Array(parent.length);
  for (let at = 1; at < parent.length; at++) {
    shared[at] = onPath[at] === 1 ? depth[at] : shared[parent[at]];
  }
  const found = new Uint16Array(nodeOf.length);
  for (let stack = 0; stack < nodeOf.length; stack++) {
    const at = nodeOf[stack];
    found[stack] = at === NO_NODE ? 0 : shared[at];
  }
  return found;
}
