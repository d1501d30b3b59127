// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAIN, opened, WORKER } from "../opened.ts";

const DROP = { kind: "drop", func: "work", file: "/srv/app.py" } as const;

test("transforms are undone one by one", async () => {
  const { session, told } = await opened();
  const { transforms } = session;
  assert.equal(transforms.undo(), false);
  transforms.add(DROP);
  assert.deepEqual(told(), ["tree", "layout"]);
  transforms.toggle("mine");
  assert.ok(transforms.has("mine"));
  assert.deepEqual(transforms.list, [DROP, { kind: "mine" }]);
  transforms.remove(0);
  assert.deepEqual(transforms.list, [{ kind: "mine" }]);
  transforms.toggle("mine");
  assert.deepEqual(transforms.list, []);
  const before = [];
  while (transforms.undo()) before.push(transforms.list);
  assert.deepEqual(before, [[{ kind: "mine" }], [DROP, { kind: "mine" }], [DROP], []]);
});

test("trees, depths and heights follow the transforms", async () => {
  const { session } = await opened();
  const { transforms, derived, trace } = session;
  const height = () => {
    session.tracks.toggleTrack(MAIN);
    session.tracks.toggleTrack(MAIN);
    return derived.height;
  };
  const { tree } = derived;
  const tall = height();
  assert.equal(derived.tree, tree, "nothing that it depends on changed");
  assert.equal(derived.deepest(MAIN), 3);
  transforms.add(DROP);
  assert.notEqual(derived.tree, tree);
  assert.equal(derived.deepest(MAIN), 2, "main wait");
  assert.equal(derived.deepest(WORKER), 0);
  assert.equal(derived.depthOf[trace.tracks[MAIN].stack[3]], 0);
  assert.equal(height(), tall, "closed rows have one height");
  transforms.undo();
  assert.equal(derived.deepest(MAIN), 3);
});
