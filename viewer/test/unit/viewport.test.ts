// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { opened } from "../opened.ts";

test("the view stays inside the trace, and is never empty", async () => {
  const { session, seconds, told } = await opened();
  const { viewport, trace } = session;
  assert.deepEqual(viewport.view, { from: 0, to: seconds(5) });
  told();
  viewport.show(seconds(1), seconds(3));
  assert.deepEqual(viewport.view, { from: seconds(1), to: seconds(3) });
  assert.deepEqual(told(), ["view"]);
  viewport.show(seconds(4), seconds(6));
  assert.deepEqual(viewport.view, { from: seconds(3), to: seconds(5) }, "keeps its length");
  viewport.show(-1, seconds(50));
  assert.deepEqual(viewport.view, { from: 0, to: seconds(5) });
  viewport.show(seconds(2), seconds(2));
  assert.equal((viewport.view.to - viewport.view.from) * trace.tickUs, 8);
  told();
  const { from, to } = viewport.view;
  viewport.show(from, to);
  assert.deepEqual(told(), [], "nothing changed");
  session.close();
});

test("moving and zooming keep what they should", async () => {
  const { session, seconds } = await opened();
  const { viewport } = session;
  viewport.show(seconds(1), seconds(2));
  viewport.pan(0.5);
  assert.deepEqual(viewport.view, { from: seconds(1.5), to: seconds(2.5) });
  viewport.zoom(2, seconds(2));
  assert.deepEqual(viewport.view, { from: seconds(1), to: seconds(3) });
  viewport.zoom(0.5, seconds(1));
  assert.deepEqual(viewport.view, { from: seconds(1), to: seconds(2) });
  viewport.reveal(seconds(1.9), seconds(4));
  assert.deepEqual(viewport.view, { from: seconds(1), to: seconds(2) }, "some of it was visible");
  viewport.reveal(seconds(3), seconds(4));
  assert.deepEqual(viewport.view, { from: seconds(3), to: seconds(4) });
  viewport.showAll();
  assert.deepEqual(viewport.view, { from: 0, to: seconds(5) });
  session.close();
});

test("a range is the window, whichever way it was drawn", async () => {
  const { session, seconds, told } = await opened();
  const { viewport } = session;
  viewport.setRange({ from: seconds(4), to: seconds(-1) });
  assert.deepEqual(viewport.range, { from: 0, to: seconds(4) });
  assert.equal(viewport.window, viewport.range);
  viewport.settle();
  told();
  viewport.show(seconds(1), seconds(2));
  assert.deepEqual(viewport.window, { from: 0, to: seconds(4) });
  viewport.setRange(null);
  assert.deepEqual(viewport.window, viewport.view);
  session.close();
});

test("the panels follow once the window stays the same", async () => {
  const { session, seconds, told } = await opened();
  const { viewport } = session;
  told();
  const followed = new Promise<void>((resolve) => {
    viewport.show(0, seconds(2));
    viewport.show(0, seconds(1));
    const look = () => (viewport.settled.to === seconds(1) ? resolve() : setImmediate(look));
    look();
  });
  assert.equal(viewport.settled.to, seconds(5));
  assert.deepEqual(told(), ["view"]);
  await followed;
  assert.deepEqual(told(), ["window"]);
  // What the panels count may change for another reason, and then they follow at once.
  viewport.show(0, seconds(3));
  session.settings.toggleIdle();
  assert.deepEqual(viewport.settled, viewport.view);
  assert.deepEqual(told(), ["view", "window", "look"]);
});
