// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { alikeAround, frameAtLevel, rowAtPixel } from "../../src/ui/hit_test.ts";
import { MAIN, OTHER, opened, WORKER } from "../opened.ts";

test("a pixel hits the row that is drawn there, or one close by", async () => {
  const { session, seconds } = await opened();
  const [track] = [session.trace.tracks[WORKER]];
  const whole = session.viewport.view;
  // Ten pixels are a second: rows 0, 2 and 3 have a stack.
  const hit = (x: number) => rowAtPixel(track, whole, 50, x);
  assert.deepEqual([0, 5, 9.9].map(hit), [0, 0, 0]);
  assert.deepEqual([20, 25, 30, 39].map(hit), [2, 2, 3, 3]);
  assert.deepEqual([12, 17.5, 42].map(hit), [0, 2, 3], "within three pixels");
  assert.deepEqual([15, 45].map(hit), [-1, -1], "too far");
  // Five rows in two pixels: each shows what lasts longest in it, the later one of equals.
  const narrow = [0, 1].map((x) => rowAtPixel(track, whole, 2, x));
  assert.ok(narrow.every((row) => track.stack[row] > 0));
  assert.deepEqual(
    narrow.map((row) => track.start[row] < seconds(2.5)),
    [true, false],
  );
});

test("a level hits the frame at that depth", async () => {
  const { session } = await opened();
  const { trace, derived, symbols, transforms } = session;
  const stack = trace.tracks[MAIN].stack[3];
  const at = (level: number) => frameAtLevel(derived.tree, stack, level);
  assert.deepEqual(
    [0, 1, 2].map((level) => symbols.func(at(level))),
    ["main", "work", "parse"],
  );
  assert.equal(at(3), -1);
  assert.equal(at(-1), -1, "the space above the bars");
  transforms.add({ kind: "drop", func: "work", file: "/srv/app.py" });
  assert.equal(at(0), -1, "the stack is left out");
});

test("rows alike are those around that share more than half", async () => {
  const { session, seconds } = await opened();
  const { trace, derived, selection } = session;
  selection.select(OTHER, 0);
  const around = (track: number, row: number) =>
    alikeAround(trace.tracks[track], row, derived.commonOf, derived.selectedDepth);
  assert.deepEqual(around(OTHER, 2), { from: 0, to: seconds(5) });
  assert.deepEqual(around(MAIN, 2), { from: seconds(2), to: seconds(3) }, "its neighbours share nothing");
  selection.select(OTHER, 3);
  assert.deepEqual(around(OTHER, 3), { from: seconds(3), to: seconds(4) }, "a third is not enough");
});
