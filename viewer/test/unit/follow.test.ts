// SPDX-License-Identifier: MIT OR Apache-2.0

// A view that follows the end of a trace, until the user looks at something.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trace } from "../../src/model/trace.ts";
import { opened } from "../opened.ts";

/** Lets a trace end so many seconds later. */
function lengthen(trace: Trace, ticks: number): void {
  trace.end += ticks;
  for (const track of trace.tracks) track.end = trace.end;
}

test("the view follows the end, and keeps its length", async () => {
  const { session, seconds, told } = await opened();
  const { viewport, trace } = session;
  told();
  viewport.follow(seconds(2));
  assert.ok(viewport.following);
  assert.deepEqual(viewport.view, { from: seconds(3), to: seconds(5) });
  assert.deepEqual(told(), ["view", "window"]);
  lengthen(trace, seconds(2));
  session.grow();
  assert.deepEqual(viewport.view, { from: seconds(5), to: seconds(7) });
  assert.deepEqual(viewport.settled, viewport.view, "the panels follow too");
  assert.deepEqual(told(), ["trace", "view", "window"]);
  viewport.zoom(0.5, seconds(7));
  assert.ok(viewport.following, "zoomed at the end");
  lengthen(trace, seconds(1));
  session.grow();
  assert.deepEqual(viewport.view, { from: seconds(7), to: seconds(8) });
  viewport.showAll();
  lengthen(trace, seconds(1));
  session.grow();
  assert.deepEqual(viewport.view, { from: 0, to: seconds(9) }, "all, also what is added");
  session.close();
});

test("it stands still as soon as one moves, zooms, selects or chooses a range", async () => {
  const { session, seconds } = await opened();
  const { viewport, selection, trace } = session;
  const acts: [string, () => void][] = [
    ["pan", () => viewport.pan(-0.1)],
    ["zoom", () => viewport.zoom(0.5, trace.end - seconds(1))],
    ["select", () => selection.select(0, 1)],
    ["range", () => viewport.setRange({ from: trace.end - seconds(1), to: trace.end })],
    ["reveal", () => viewport.reveal(0, seconds(0.5))],
    ["stand", () => viewport.stand()],
  ];
  for (const [name, act] of acts) {
    viewport.follow(seconds(2));
    assert.ok(viewport.following, name);
    assert.equal(viewport.range, null, name);
    act();
    assert.ok(!viewport.following, name);
    const { view, window } = viewport;
    const { sample } = selection;
    lengthen(trace, seconds(1));
    session.grow();
    assert.deepEqual([viewport.view, viewport.window, selection.sample], [view, window, sample], name);
  }
  session.close();
});

test("a view of a file follows nothing", async () => {
  const { session, seconds, told } = await opened();
  session.viewport.show(seconds(3), seconds(6));
  session.viewport.showAll();
  assert.ok(!session.viewport.following);
  told();
  session.viewport.grow();
  assert.deepEqual(told(), []);
  session.close();
});
