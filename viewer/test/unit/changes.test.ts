// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { Changes } from "../../src/session/changes.ts";
import { Kept } from "../../src/session/kept.ts";

/** Changes whose next picture comes when `draw` is called. */
function paced() {
  let waiting: (() => void)[] = [];
  const changes = new Changes((call) => {
    waiting.push(call);
    return () => {
      waiting = waiting.filter((other) => other !== call);
    };
  });
  return { changes, draw: () => waiting.splice(0).forEach((call) => void call()), waiting: () => waiting.length };
}

test("a listener is called once for each picture, and only for its own kinds", () => {
  const { changes, draw, waiting } = paced();
  const called: string[] = [];
  changes.on(["view", "tree"], () => called.push("one"));
  changes.on(["look"], () => called.push("two"));
  changes.mark("view");
  changes.mark("tree", "view");
  assert.equal(waiting(), 1);
  assert.deepEqual(called, []);
  draw();
  assert.deepEqual(called, ["one"]);
  draw();
  changes.flush();
  assert.deepEqual(called, ["one"]);
  changes.mark("look");
  draw();
  assert.deepEqual(called, ["one", "two"]);
});

test("what a listener changes is told with the next picture", () => {
  const { changes, draw, waiting } = paced();
  const called: string[] = [];
  changes.on(["view"], () => {
    called.push("view");
    changes.mark("window");
  });
  changes.on(["window"], () => called.push("window"));
  changes.mark("view");
  draw();
  assert.deepEqual(called, ["view"]);
  draw();
  assert.deepEqual(called, ["view", "window"]);
  assert.equal(waiting(), 0);
});

test("a flush comes before the picture and replaces it, and nothing comes after the end", () => {
  const { changes, draw, waiting } = paced();
  let called = 0;
  changes.on(["view"], () => called++);
  changes.mark("view");
  changes.flush();
  assert.equal(called, 1);
  assert.equal(waiting(), 0);
  changes.mark("view");
  changes.close();
  assert.equal(waiting(), 0);
  draw();
  changes.flush();
  assert.equal(called, 1);
});

test("a result is kept until an input is another one", () => {
  const kept = new Kept<number>();
  let computed = 0;
  const compute = () => ++computed;
  const list: number[] = [];
  assert.equal(kept.of([list, Number.NaN], compute), 1);
  assert.equal(kept.of([list, Number.NaN], compute), 1);
  assert.equal(kept.of([list, 0], compute), 2);
  assert.equal(kept.of([[], 0], compute), 3);
  assert.equal(kept.of([list, 0], compute), 4);
});
