// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { nextHit, rowNear, rowWithStack, step } from "../../src/session/navigate.ts";
import type { Scope } from "../../src/session/selection.ts";
import { MAIN, OTHER, opened, WORKER } from "../opened.ts";

test("a selection replaces what was chosen of the one before", async () => {
  const { session, told } = await opened();
  const { selection, trace } = session;
  const row = () => selection.sample?.row;
  assert.equal(row(), undefined);
  selection.select(MAIN, 3);
  selection.chooseFrame(2);
  selection.setThreshold(1);
  assert.deepEqual(told(), ["view", "selection", "frame"]);
  selection.select(WORKER, 2);
  assert.deepEqual(selection.sample, { track: WORKER, row: 2, stack: trace.tracks[WORKER].stack[2] });
  assert.equal(selection.frame, -1);
  assert.equal(selection.threshold, 0);
  assert.deepEqual(told(), ["selection"]);
  selection.select(WORKER, -1);
  selection.select(WORKER, 99);
  assert.equal(row(), 2, "no such rows");
  selection.setThreshold(0);
  assert.deepEqual(told(), []);
  selection.pin(3);
  selection.clear();
  assert.equal(row(), undefined);
  assert.equal(selection.pinned, 0);
});

test("a scope limits where the selection lights up and what the panels count", async () => {
  const { session, told } = await opened();
  const { selection, derived } = session;
  const counted = (scope: Scope) => {
    selection.setScope(scope);
    return derived.countedTracks;
  };
  assert.deepEqual(counted("thread"), [MAIN, WORKER, OTHER], "nothing is selected");
  selection.select(WORKER, 0);
  assert.deepEqual(counted("all"), [MAIN, WORKER, OTHER]);
  assert.deepEqual(counted("process"), [MAIN, WORKER]);
  assert.deepEqual(counted("thread"), [WORKER]);
  assert.equal(derived.shares(MAIN).common.length, 0);
  assert.notEqual(derived.shares(WORKER).common.length, 0);
  told();
  selection.select(OTHER, 0);
  assert.deepEqual(told(), ["window", "selection"]);
  assert.deepEqual(derived.countedTracks, [OTHER]);
});

test("steps go to the next sample, or to the next that shares little", async () => {
  const { session, seconds } = await opened();
  const { selection, viewport } = session;
  const row = () => selection.sample?.row;
  assert.equal(step(session, 1, false), false, "nothing is selected");
  selection.select(WORKER, 0);
  viewport.show(0, seconds(0.5));
  assert.ok(step(session, 1, false));
  assert.equal(row(), 2, "skips a row without a stack");
  assert.deepEqual(viewport.view, { from: seconds(2.25), to: seconds(2.75) }, "the row is in the middle");
  assert.ok(step(session, -1, false));
  assert.equal(row(), 0);
  assert.equal(step(session, -1, false), false);
  selection.select(WORKER, 3);
  assert.ok(step(session, -1, true), "a third of main work:5 pack");
  assert.equal(row(), 2);
  selection.select(OTHER, 1);
  assert.ok(step(session, 1, true), "half of run work:5");
  assert.equal(row(), 2);
});

test("a row near a time is the one then, the next, or the last", async () => {
  const { session, seconds } = await opened();
  const { tracks } = session.trace;
  assert.equal(rowWithStack(tracks[WORKER], seconds(0.5)), 0);
  assert.equal(rowWithStack(tracks[WORKER], seconds(1.5)), -1);
  assert.equal(rowNear(tracks[WORKER], seconds(1.5)), 2);
  assert.equal(rowNear(tracks[WORKER], seconds(4.5)), 3);
  assert.equal(rowNear({ ...tracks[WORKER], stack: new Uint32Array(5) }, 0), -1);
});

test("hits come in order of time, then of the rows on the page, and wrap around", async () => {
  const { session } = await opened();
  const { search, selection } = session;
  assert.equal(nextHit(session, 1), false, "nothing was searched");
  search.find("parse");
  const visited = (direction: 1 | -1) => {
    assert.ok(nextHit(session, direction));
    return [selection.sample?.track, selection.sample?.row];
  };
  const order = session.derived.visibleTracks;
  const atThree = order.filter((track) => track !== WORKER).map((track) => [track, 3]);
  assert.deepEqual([visited(1), visited(1), visited(1)], [[WORKER, 2], ...atThree]);
  assert.deepEqual(visited(1), [WORKER, 2]);
  assert.deepEqual(visited(-1), atThree[1]);
  assert.deepEqual(visited(-1), atThree[0]);
  search.find("nowhere");
  assert.equal(nextHit(session, 1), false);
});
