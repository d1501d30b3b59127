// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { callees, callers, flameBoxes, inverted, onNodes, tableOf } from "../../src/model/aggregate.ts";
import { commonBase, depths } from "../../src/model/common.ts";
import { classify, isLibrary, isNamed } from "../../src/model/frame_classes.ts";
import { mergeTraces } from "../../src/model/merge.ts";
import { openTrace } from "../../src/model/open.ts";
import { safeText } from "../../src/model/safe_text.ts";
import { matchFrames, matchStacks, parseQuery } from "../../src/model/search.ts";
import { ALL_STATES, State } from "../../src/model/state.ts";
import { pathOf, rowAt, rowEnd, rowWeight, type Trace } from "../../src/model/trace.ts";
import { NO_NODE, type Transform } from "../../src/model/tree.ts";
import { buildTree } from "../../src/model/tree_builder.ts";
import { weigh } from "../../src/model/weights.ts";
import { makeColumns, SampledTracks, sampleColumns } from "../../src/paint/columns.ts";
import { trace as fixture } from "../fixtures.ts";
import { random } from "./random.ts";

const open = (path: string) => openTrace(new Blob([readFileSync(path)]));
const states = await open(fixture("states.pyebpf"));
const large = await open(fixture("large.pyebpf"));

/** A trace of one thread, with a row each second. */
function made(...stacks: string[][]): Promise<Trace> {
  const frame = (text: string) => {
    const [func, line, file] = text.split(":");
    return [file ?? "/srv/app.py", Number(line), func, ""];
  };
  const rows = stacks.map((stack, at) => [1000 + at, 1, "t", stack.map(frame)]);
  return openTrace(new Blob([JSON.stringify([...rows, [1000 + stacks.length, null, null, []]])]));
}

function spelled(trace: Trace, transforms: Transform[], exactness: "line" | "function" = "line"): string[] {
  const tree = buildTree(trace, classify(trace), exactness, transforms);
  const { frames, strings } = trace;
  return [...trace.tracks[0].stack].map((stack) => {
    const node = tree.nodeOf[stack];
    if (node === NO_NODE) return "-";
    return pathOf(tree.parent, node)
      .map((at) => (tree.frame[at] < frames.func.length ? strings[frames.func[tree.frame[at]]] : "[lib]"))
      .join(" ");
  });
}

/** Checks sums that were added up in different orders. */
function near(sum: number, expected: number): void {
  assert.ok(Math.abs(sum - expected) <= 1e-9 * Math.max(1, expected), `${sum} for ${expected}`);
}

test("the common base is what a comparison frame by frame finds", () => {
  const classes = classify(states);
  const next = random(5);
  for (const exactness of ["line", "function"] as const) {
    const tree = buildTree(states, classes, exactness, []);
    const same = exactness === "line" ? classes.lineOf : classes.functionOf;
    const path = (stack: number) => pathOf(states.stacks.parent, stack).map((at) => same[states.stacks.frame[at]]);
    const count = states.stacks.parent.length;
    assert.deepEqual([...depths(tree)], [...states.stacks.depth]);
    for (let turn = 0; turn < 40; turn++) {
      const selected = 1 + next(count - 1);
      const common = commonBase(tree, tree.nodeOf[selected]);
      const own = path(selected);
      for (let other = 0; other < count; other++) {
        const with_ = path(other);
        let shared = 0;
        while (shared < own.length && shared < with_.length && own[shared] === with_[shared]) shared++;
        assert.equal(common[other], shared);
      }
    }
  }
});

test("lines tell frames apart, or do not", async () => {
  const trace = await made(["main:1", "a:5"], ["main:2", "a:5"], ["main:1", "a:6"]);
  const classes = classify(trace);
  const common = (exactness: "line" | "function") => {
    const tree = buildTree(trace, classes, exactness, []);
    const found = commonBase(tree, tree.nodeOf[trace.tracks[0].stack[0]]);
    return [...trace.tracks[0].stack].map((stack) => found[stack]);
  };
  assert.deepEqual(common("line"), [2, 0, 1]);
  assert.deepEqual(common("function"), [2, 2, 2]);
});

test("transforms do what they say, in any order", async () => {
  const lib = "/usr/lib/python3.12/queue.py";
  const trace = await made(
    ["main:1", "run:2", "work:3", "work:3", `get:4:${lib}`, `wait:5:${lib}`],
    ["main:1", "idle:9"],
    ["main:1", "run:2", "other:7"],
  );
  const named = (func: string) => ({ func, file: "/srv/app.py" });
  assert.deepEqual(spelled(trace, [{ kind: "focus", ...named("run") }]), ["run work work get wait", "-", "run other"]);
  assert.deepEqual(spelled(trace, [{ kind: "merge", ...named("run") }]), [
    "main work work get wait",
    "main idle",
    "main other",
  ]);
  assert.deepEqual(spelled(trace, [{ kind: "drop", ...named("work") }]), ["-", "main idle", "main run other"]);
  assert.deepEqual(spelled(trace, [{ kind: "recursion" }])[0], "main run work get wait");
  assert.deepEqual(spelled(trace, [{ kind: "mine" }])[0], "main run work work");
  assert.deepEqual(spelled(trace, [{ kind: "collapse" }])[0], "main run work work [lib]");
  assert.deepEqual(spelled(trace, [{ kind: "subtree", path: [named("main"), named("run")] }]), [
    "run work work get wait",
    "-",
    "run other",
  ]);
  assert.deepEqual(
    spelled(trace, [
      { kind: "collapse" },
      { kind: "mine" },
      { kind: "recursion" },
      { kind: "focus", ...named("work") },
    ])[0],
    "work",
  );
});

test("libraries are told by their place", () => {
  for (const file of [
    "/usr/lib/python3.12/json/decoder.py",
    "/v/lib/python3.9/site-packages/x/y.py",
    "/usr/lib/python3/dist-packages/a.py",
    "<frozen importlib._bootstrap>",
    "C:\\Python\\site-packages\\a.py",
  ]) {
    assert.ok(isLibrary(file), file);
  }
  for (const file of ["/srv/app/lib/python_tools.py", "/srv/app.py", "<string>", "/home/a/lib/pythonic/b.py"])
    assert.ok(!isLibrary(file), file);
});

test("the weights of a window are its rows, cut to it", () => {
  const next = random(9);
  const all = states.tracks.map((_, number) => number);
  for (let turn = 0; turn < 30; turn++) {
    const from = next(states.end);
    const to = from + next(states.end - from) + 1;
    const mask = turn % 2 === 0 ? ALL_STATES : 1 << State.lock;
    let expected = 0;
    for (const track of states.tracks) {
      for (let row = 0; row < track.start.length; row++) {
        if (track.stack[row] === 0 || ((mask >>> track.state[row]) & 1) === 0) continue;
        const lasts = rowEnd(track, row) - track.start[row];
        const inside = Math.max(0, Math.min(rowEnd(track, row), to) - Math.max(track.start[row], from));
        expected += rowWeight(track, row) * (inside / lasts);
      }
    }
    const weights = weigh(states, all, from, to, mask);
    const tree = buildTree(states, classify(states), "function", []);
    for (const sum of [
      weights.total,
      weights.ofStack.reduce((sum, time) => sum + time, 0),
      onNodes(tree, weights).total[0],
    ])
      near(sum, expected);
  }
});

test("the sums over the whole that come with a trace are those of its rows", () => {
  const all = states.tracks.map((_, number) => number);
  assert.deepEqual(states.whole, weigh(states, all, 0, states.end, ALL_STATES));
});

test("columns that are kept are those of their own thread and question", () => {
  const sampled = new SampledTracks();
  const many = Array.from({ length: 250 }, (_, at) => ({ ...states.tracks[at % states.tracks.length] }));
  for (const [from, width] of [
    [0, 40],
    [0, 40],
    [states.end / 3, 40],
    [0, 25],
  ]) {
    const perColumn = states.end / 60;
    // Tracks at the end of the list are still kept, those at its beginning are not.
    for (const track of [...many, ...many.slice(-20)]) {
      const expected = makeColumns(width);
      sampleColumns(track, from, perColumn, expected);
      const { stack, state, fill } = sampled.of(track, from, perColumn, width);
      assert.deepEqual([stack, state, fill], [expected.stack, expected.state, expected.fill]);
    }
  }
});

test("trees and tables keep all the time", () => {
  const classes = classify(states);
  const tree = buildTree(states, classes, "function", []);
  const all = states.tracks.map((_, number) => number);
  const weighted = onNodes(tree, weigh(states, all, 0, states.end, ALL_STATES));
  const turned = inverted(weighted, classes);
  near(turned.total[0], weighted.total[0]);
  const rows = tableOf(weighted, (frame) => classes.functionOf[frame]);
  near(
    rows.reduce((sum, row) => sum + row.self, 0),
    weighted.total[0],
  );
  assert.ok(rows.every((row) => row.total >= row.self * (1 - 1e-9) && row.total <= weighted.total[0] * (1 + 1e-9)));
  const wanted = { func: "Queue.get", file: "/usr/lib/python3.12/queue.py" };
  const get = [...classes.functionFrame.keys()].filter((at) => isNamed(states, classes.functionFrame[at], wanted));
  assert.equal(get.length, 1);
  const into = callers(weighted, classes, get[0]);
  const from = callees(weighted, classes, get[0]);
  const row = rows.find(({ key }) => key === get[0])!;
  near(into.total[0], row.total);
  near(from.total[0], row.total);
  const boxes = flameBoxes(weighted, 0, 0, (a, b) => weighted.total[b] - weighted.total[a]);
  assert.equal(boxes.length, weighted.total.filter((time) => time > 0).length);
  for (const box of boxes) assert.ok(box.left >= 0 && box.left + box.width <= 1 + 1e-9);
});

test("recursion counts once in the whole time", async () => {
  const trace = await made(["f:1", "g:2", "f:1"], ["f:1"]);
  const classes = classify(trace);
  const weights = weigh(trace, [0], 0, trace.end, ALL_STATES);
  const rows = tableOf(
    onNodes(buildTree(trace, classes, "function", []), weights),
    (frame) => classes.functionOf[frame],
  );
  const f = rows.find((row) => trace.strings[trace.frames.func[row.frame]] === "f")!;
  assert.equal(f.total * trace.tickUs, 2e6);
  assert.equal(f.self * trace.tickUs, 2e6);
});

test("columns show what lasted longest, or nothing where nothing was", () => {
  const next = random(2);
  for (const trace of [states, large]) {
    const columns = makeColumns(701);
    for (let turn = 0; turn < 12; turn++) {
      const length = turn === 0 ? trace.end : 1 + next(trace.end);
      const from = turn === 0 ? 0 : next(trace.end - length + 1);
      const perColumn = length / columns.width;
      for (const track of trace.tracks.slice(0, 4)) {
        sampleColumns(track, from, perColumn, columns);
        for (let x = 0; x < columns.width; x += 13) {
          const begin = from + x * perColumn;
          const seen = new Set<number>();
          let inside = false;
          for (
            let row = Math.max(0, rowAt(track, begin - perColumn));
            row < track.start.length && track.start[row] < begin + 2 * perColumn;
            row++
          ) {
            if (track.stack[row] > 0) seen.add(track.stack[row]);
            if (track.stack[row] > 0 && track.start[row] <= begin && rowEnd(track, row) >= begin + perColumn)
              inside = true;
          }
          if (inside) assert.ok(columns.stack[x] > 0 && columns.fill[x] > 0.99);
          // A group of rows may extend a little past its column, but not far.
          if (columns.stack[x] > 0) assert.ok(seen.has(columns.stack[x]), `column ${x}`);
          if (seen.size === 0) assert.equal(columns.stack[x], 0);
        }
      }
    }
  }
});

test("levels lose no time", () => {
  const track = large.tracks[0];
  assert.ok(track.levels.length >= 2);
  const busy = track.start.reduce(
    (sum, start, row) => sum + (track.stack[row] > 0 ? rowEnd(track, row) - start : 0),
    0,
  );
  for (const level of track.levels) {
    assert.equal(
      level.busy.reduce((sum, time) => sum + time, 0),
      busy,
    );
    assert.ok(level.lasted.every((time, group) => time <= level.busy[group]));
  }
});

test("searches", () => {
  const query = (text: string, expression = false) => {
    const parsed = parseQuery(text, expression);
    return (func: string, file: string, line: number) =>
      parsed !== null && !("error" in parsed) && parsed.matches(func, file, line);
  };
  assert.ok(query("LOAD")("load_order", "/srv/a.py", 1));
  assert.ok(query("a.py")("f", "/srv/a.py", 1));
  assert.ok(query("a.py:7")("f", "/srv/a.py", 7));
  assert.ok(!query("a.py:7")("f", "/srv/a.py", 8));
  assert.ok(!query("a.py:7")("f", "/srv/aa.py", 7));
  assert.ok(query("srv/a.py:7")("f", "/srv/a.py", 7));
  assert.ok(query("/^load_/")("load_order", "x", 1));
  assert.ok(!query("/^load_/")("reload_order", "x", 1));
  assert.ok(query("^load_.*er$", true)("load_order", "x", 1));
  assert.ok(query("/a\\.py:7$/")("f", "/srv/a.py", 7));
  assert.ok("error" in parseQuery("/(/", false)!);
  assert.equal(parseQuery("  ", false), null);
  const frames = matchFrames(states, parseQuery("Queue.get", false)!);
  const stacks = matchStacks(states, frames);
  assert.equal(
    frames.reduce((sum, hit) => sum + hit, 0),
    1,
  );
  assert.ok(stacks.some((hit) => hit === 1) && stacks[0] === 0);
});

test("two traces become one, with bases in common", async () => {
  const other = await open(fixture("second.pyebpf"));
  const both = mergeTraces(states, other);
  assert.equal(both.tracks.length, states.tracks.length + other.tracks.length);
  assert.equal(both.rows, states.rows + other.rows);
  const name = (trace: Trace, track: number, row: number) =>
    pathOf(trace.stacks.parent, trace.tracks[track].stack[row]).map((stack) => {
      const frame = trace.stacks.frame[stack];
      return [
        trace.strings[trace.frames.func[frame]],
        trace.strings[trace.frames.file[frame]],
        trace.frames.line[frame],
      ].join();
    });
  for (let track = 0; track < other.tracks.length; track++) {
    for (let row = 0; row < other.tracks[track].start.length; row += 41) {
      assert.deepEqual(name(both, states.tracks.length + track, row), name(other, track, row));
    }
  }
  const sides = both.tracks.map((track) => both.processes[track.process].side);
  assert.deepEqual([...new Set(sides)], [0, 1]);
  const tree = buildTree(both, classify(both), "line", []);
  const common = commonBase(tree, tree.nodeOf[both.tracks[0].stack[0]]);
  assert.ok([...both.tracks[states.tracks.length].stack].some((stack) => common[stack] > 0));
});

test("text that hides or turns its neighbours is written out", () => {
  assert.equal(safeText("user\u202egpj.exe"), "user\\u{202e}gpj.exe");
  assert.equal(safeText("a\u0000\u001b[2J\n"), "a\\u{0}\\u{1b}[2J\\n");
  assert.equal(safeText("naïve 日本語 🐍 <b>"), "naïve 日本語 🐍 <b>");
  assert.equal(safeText("\u{e0041}\ud800"), "\\u{e0041}\\u{d800}");
});
