// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { MAIN, opened } from "../opened.ts";

test("a search has hits, an error, or neither", async () => {
  const { session, told } = await opened();
  const { search, trace, derived } = session;
  const isHit = (row: number) => search.hitStacks[trace.tracks[MAIN].stack[row]];
  search.find("wait");
  assert.deepEqual(told(), ["search"]);
  assert.equal(search.text, "wait");
  assert.deepEqual([0, 1, 2].map(isHit), [0, 1, 0]);
  // One of the thirteen seconds with a stack.
  assert.ok(Math.abs(derived.hitShare - 1 / 13) < 1e-9, String(derived.hitShare));
  search.find("(", true);
  assert.notEqual(search.error, "");
  assert.equal(search.hitStacks.length, 0);
  assert.equal(search.hitFrames.length, 0);
  assert.equal(derived.hitShare, 0);
  search.find("^wa.t$");
  assert.ok(search.expression, "stays an expression");
  assert.equal(search.error, "");
  assert.deepEqual([0, 1, 2].map(isHit), [0, 1, 0]);
  search.find("", false);
  assert.equal(search.error, "");
  assert.equal(search.hitStacks.length, 0);
});
