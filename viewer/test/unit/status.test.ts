// SPDX-License-Identifier: MIT OR Apache-2.0

// What a server says is checked: values of another type, and text that pretends, do no harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { markOf, processesOf, recordingOf, statusOf } from "../../src/live/status.ts";

test("a status is read as the server writes it", () => {
  const status = statusOf({
    host: "web-3",
    mode: "wall",
    hz: 10,
    now_us: 2e15,
    kept_from_us: 1e15,
    recorder: { state: "running", restarts: 1, cpu_percent: 0.2, rss_bytes: 41e6 },
    disk: { bytes: 5, max_bytes: 9 },
    recordings: [{ id: 3, name: null, hz: 100, from_us: 1e15, to_us: null, state: "running" }],
    marks: [{ id: 7, name: "deploy", cause: "request", at_us: 15, from_us: 10, to_us: 20, pid: null, details: "d" }],
    problems: ["one"],
  });
  assert.equal(status.recorder, "running");
  assert.equal(status.cpuPercent, 0.2);
  assert.deepEqual(status.recordings, [{ id: 3, name: "", hz: 100, fromUs: 1e15, toUs: 0, isRunning: true }]);
  assert.deepEqual(status.marks, [
    { id: 7, name: "deploy", cause: "request", atUs: 15, fromUs: 10, toUs: 20, details: "d" },
  ]);
  assert.deepEqual(status.problems, ["one"]);
});

test("nonsense becomes nothing, and no text is longer or other than it looks", () => {
  for (const value of [null, undefined, 5, "x", [], [[]], { recorder: 7, marks: {}, problems: [1, {}, null] }]) {
    const status = statusOf(value);
    assert.deepEqual([status.marks, status.recordings, status.problems, status.hz], [[], [], [], 0]);
    assert.deepEqual(processesOf(value), []);
  }
  const nan = { id: -1, name: 4, at_us: "1", from_us: Number.NaN, to_us: 1e300, cause: {}, details: ["<b>"] };
  assert.deepEqual(markOf(nan), { id: 0, name: "", cause: "", atUs: 0, fromUs: 0, toUs: 0, details: "" });
  assert.equal(recordingOf({ state: { toString: () => "running" } }).isRunning, false);
  const [one] = processesOf({
    processes: [{ pid: 8, name: `a\u202e${"x".repeat(9000)}`, cmdline: "<img src=x>", ended: 1 }],
  });
  assert.ok(one.name.startsWith("a\\u{202e}x") && one.name.length < 600);
  assert.deepEqual([one.about, one.ended], ["<img src=x>", false]);
  assert.equal(processesOf({ processes: Array.from({ length: 9000 }, () => ({})) }).length, 5000);
});
