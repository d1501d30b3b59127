// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_STATES, State } from "../../src/model/state.ts";
import { opened } from "../opened.ts";

test("states are chosen one by one, and none of them means all", async () => {
  const { session, told } = await opened();
  const { settings } = session;
  const [running, lock] = [1 << State.running, 1 << State.lock];
  told();
  settings.toggleState(State.lock);
  assert.equal(settings.states, lock, "the first click selects it alone");
  assert.deepEqual(told(), ["window", "look"]);
  settings.toggleState(State.running);
  assert.equal(settings.states, running | lock);
  settings.toggleState(State.lock);
  assert.equal(settings.states, running);
  settings.toggleState(State.running);
  assert.equal(settings.states, ALL_STATES);
  settings.toggleIdle();
  assert.equal(settings.states, running);
  settings.toggleIdle();
  assert.equal(settings.states, ALL_STATES);
});

test("each setting tells what it changes", async () => {
  const { session, told } = await opened();
  const { settings } = session;
  told();
  settings.toggleClock();
  assert.ok(settings.relative);
  assert.deepEqual(told(), ["view", "selection", "look"]);
  assert.match(session.clock(0), /^0/, "the time since the start");
  settings.toggleInverted();
  assert.ok(settings.inverted);
  assert.deepEqual(told(), ["look", "panel"]);
  settings.show("heat");
  assert.equal(settings.panel, "heat");
  assert.deepEqual(told(), ["panel"]);
  settings.toggleExactness();
  assert.equal(settings.exactness, "function");
  assert.deepEqual(told(), ["tree"]);
  settings.toggleLines();
  assert.ok(settings.lines);
  assert.equal(settings.exactness, "line", "lines need a tree by line");
});
