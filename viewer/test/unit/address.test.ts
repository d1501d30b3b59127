// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { State } from "../../src/model/state.ts";
import { addressOf, restore } from "../../src/session/address.ts";
import { MAIN, OTHER, opened, WORKER } from "../opened.ts";

test("an address brings back what was shown", async () => {
  const { session, seconds } = await opened();
  assert.equal(addressOf(session), "v=1");
  session.viewport.show(seconds(1), seconds(4));
  session.viewport.setRange({ from: seconds(2), to: seconds(3) });
  session.selection.select(WORKER, 2);
  session.selection.setScope("process");
  session.search.find("wo.k & =", true);
  session.settings.show("top");
  session.settings.setExactness("function");
  session.settings.toggleInverted();
  session.settings.toggleClock();
  session.settings.toggleState(State.running);
  session.tracks.setSort("pid");
  session.tracks.check(OTHER, false);
  session.tracks.toggleTrack(MAIN);
  session.tracks.toggleProcess(1);
  session.transforms.add({ kind: "merge", func: "a,b", file: "/srv/ü.py" });
  session.transforms.add({ kind: "subtree", path: [{ func: "main", file: "/srv/app.py" }] });
  session.transforms.toggle("mine");
  session.close();
  const address = addressOf(session);
  const { session: other } = await opened();
  restore(other, `#${address}`);
  assert.equal(addressOf(other), address);
  for (const name of ["t", "range", "sel", "q", "re", "view", "same", "scope", "states", "sort", "inv", "rel"]) {
    assert.match(address, new RegExp(`&${name}=`));
  }
  for (const name of ["off", "open", "shut", "tr"]) assert.match(address, new RegExp(`&${name}=`));
  assert.deepEqual(other.transforms.list, session.transforms.list);
  assert.deepEqual(other.selection.sample, session.selection.sample);
  assert.deepEqual(other.derived.weights, session.derived.weights);
  other.close();
});

test("values that make no sense are ignored", async () => {
  const { session } = await opened();
  const bad = [
    ["t", "5,3", "-1,2", "1", "1,2,3", "x,y", "99000000,99000001", "NaN,NaN"],
    ["range", "2,1", "", "Infinity,Infinity"],
    ["sel", "7,0", "-1,0", "0.5,0", "0,-1"],
    ["view", "nothing", "constructor"],
    ["same", "file"],
    ["scope", "world"],
    ["states", "0", "abc", "-0"],
    ["sort", "constructor"],
    ["off", "9,-1,0.5,x,"],
    ["open", "3"],
    ["shut", "2"],
    ["tr", "{", "{}", "[[]]", '[["drop","a"]]', '[["subtree"]]', '["drop"]', '[["drop",1,2]]', "null"],
    ["q", "%E0%A4%A"],
  ];
  for (const [name, ...values] of bad) {
    for (const value of values) {
      restore(session, `#v=1&${name}=${value}&=&&x`);
      assert.equal(addressOf(session), "v=1", `${name}=${value}`);
    }
  }
  restore(session, `q=${"a".repeat(5000)}&tr=${JSON.stringify(Array(200).fill("mine"))}`);
  assert.equal(session.search.text.length, 1000);
  assert.equal(session.transforms.list.length, 50);
  session.close();
});
