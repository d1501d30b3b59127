// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_NODE } from "../../src/model/tree.ts";
import { MAIN, OTHER, opened, WORKER } from "../opened.ts";

test("what is shared follows the selection, the exactness and the threshold", async () => {
  const { session } = await opened();
  const { derived, selection, settings, trace } = session;
  const shared = (track: number) => {
    const { common } = derived.shares(track);
    return [...trace.tracks[track].stack].map((stack) => common[stack] ?? -1);
  };
  assert.deepEqual(shared(WORKER), [-1, -1, -1, -1, -1], "nothing is selected");
  assert.equal(derived.selectedDepth, 0);
  selection.select(MAIN, 3);
  assert.equal(derived.selectedDepth, 3);
  // main work:5 parse, against main work:5, nothing, main work:6 parse, main work:5 pack.
  assert.deepEqual(shared(WORKER), [2, 0, 1, 2, 0]);
  settings.setExactness("function");
  assert.deepEqual(shared(WORKER), [2, 0, 3, 2, 0]);
  selection.setThreshold(2);
  assert.deepEqual(shared(WORKER), [2, 0, 2, 2, 0]);
  selection.setThreshold(3);
  assert.deepEqual(shared(WORKER), [0, 0, 3, 0, 0]);
  selection.clear();
  assert.deepEqual(shared(WORKER), [-1, -1, -1, -1, -1]);
});

test("a pinned stack is compared besides the selected one", async () => {
  const { session } = await opened();
  const { derived, selection, trace } = session;
  const stack = trace.tracks[OTHER].stack[3];
  selection.pin(stack);
  assert.equal(derived.shares(OTHER).pinned[stack], 3);
  assert.equal(derived.shares(OTHER).pinned[trace.tracks[MAIN].stack[3]], 0, "main, not run");
  selection.pin(0);
  assert.equal(derived.shares(OTHER).pinned.length, 0);
});

test("sums wait for the panels to follow, and are kept until then", async () => {
  const { session, seconds } = await opened();
  const { derived, viewport } = session;
  const { weights, byFunction } = derived;
  assert.equal(weights.total, seconds(13));
  viewport.show(0, seconds(1));
  assert.equal(derived.weights, weights);
  viewport.settle();
  assert.equal(derived.weights.total, seconds(3));
  assert.notEqual(derived.byFunction, byFunction);
  assert.equal(derived.byFunction.total[0], seconds(3));
  viewport.showAll();
  viewport.settle();
  assert.equal(derived.weights.total, seconds(13));
  session.close();
});

test("the two trees are one by function, and correspond by line", async () => {
  const { session, seconds } = await opened();
  const { derived, settings, trace } = session;
  const five = derived.tree.nodeOf[trace.tracks[WORKER].stack[3]];
  const six = derived.tree.nodeOf[trace.tracks[WORKER].stack[2]];
  const [work5, work6] = [derived.tree.parent[five], derived.tree.parent[six]];
  assert.notEqual(work5, work6);
  const work = derived.functionNode(work5);
  assert.notEqual(work, NO_NODE);
  assert.equal(derived.functionNode(work6), work);
  assert.equal(derived.byFunction.total[work], seconds(4), "below main, in two threads");
  assert.equal(derived.byTree.total[work6], seconds(1));
  const { functions } = derived;
  settings.toggleExactness();
  assert.equal(derived.tree, functions, "the tree of the panels is not built again");
  assert.equal(derived.functionNode(work), work);
  assert.equal(derived.byTree, derived.byFunction);
});
