// SPDX-License-Identifier: MIT OR Apache-2.0

// A trace that grows is the trace that it becomes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockReader } from "../../src/model/blocks.ts";
import { TraceBuilder } from "../../src/model/builder.ts";
import { ContainerDecoder } from "../../src/model/container.ts";
import { Classifier, classify } from "../../src/model/frame_classes.ts";
import { matchFrames, matchStacks, parseQuery } from "../../src/model/search.ts";
import { ALL_STATES } from "../../src/model/state.ts";
import type { Trace, Track } from "../../src/model/trace.ts";
import type { Transform } from "../../src/model/tree.ts";
import { buildTree, TreeBuilder } from "../../src/model/tree_builder.ts";
import { weigh } from "../../src/model/weights.ts";
import { makeColumns, SampledTracks, sampleColumns } from "../../src/paint/columns.ts";
import { Session } from "../../src/session/session.ts";
import { joined, MadeUpStream } from "../made_up_stream.ts";

const TICK_US = 10;
const SEGMENTS = 80;

/** Reads a stream, and calls back after each segment. */
function grown(each: (trace: Trace, segment: number) => void = () => {}): { trace: Trace; bytes: Uint8Array } {
  const stream = new MadeUpStream({ busy: 2, threads: 4 });
  const reader = new BlockReader();
  const decoder = new ContainerDecoder(new TraceBuilder(TICK_US));
  const parts = [stream.header()];
  reader.push(parts[0]);
  decoder.decode(reader.next()!);
  let trace: Trace | null = null;
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const bytes = stream.segment();
    parts.push(bytes);
    reader.push(bytes);
    for (let block = reader.next(); block; block = reader.next()) decoder.decode(block);
    const now = decoder.builder.grow(decoder.info!, decoder.completeUntil);
    assert.equal(now, trace ?? now, "always the same object");
    trace = now;
    each(trace, segment);
  }
  return { trace: trace!, bytes: joined(parts) };
}

function whole(bytes: Uint8Array): Trace {
  const reader = new BlockReader();
  const decoder = new ContainerDecoder(new TraceBuilder(TICK_US));
  reader.push(bytes);
  for (let block = reader.next(); block; block = reader.next()) decoder.decode(block);
  return decoder.finish(reader.at);
}

/** Views and arrays of their own alike, as plain numbers. */
const plain = (track: Track) =>
  JSON.parse(JSON.stringify(track, (_, value) => (ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value)));

const byTid = (trace: Trace) => [...trace.tracks].sort((a, b) => a.tid - b.tid);

const TRANSFORMS: Transform[][] = [
  [],
  [{ kind: "focus", func: "late_3", file: "/srv/worker.py" }],
  [{ kind: "focus", func: "handle", file: "/srv/worker.py" }, { kind: "recursion" }],
  [{ kind: "merge", func: "encode", file: "/srv/worker.py" }, { kind: "mine" }],
  [{ kind: "drop", func: "late_5", file: "/srv/worker.py" }, { kind: "collapse" }],
  [
    {
      kind: "subtree",
      path: [
        { func: "_bootstrap", file: "/usr/lib/python3.12/threading.py" },
        { func: "run", file: "/usr/lib/python3.12/threading.py" },
        { func: "serve_1", file: "/srv/worker.py" },
      ],
    },
  ],
];

test("the rows, their sums and their levels are those of the whole file", () => {
  const { trace, bytes } = grown();
  const file = whole(bytes);
  assert.equal(trace.end, file.end);
  assert.equal(trace.rows, file.rows);
  assert.deepEqual(trace.strings, file.strings);
  assert.deepEqual(trace.processes, file.processes);
  assert.deepEqual([...trace.stacks.parent], [...file.stacks.parent]);
  assert.deepEqual([...trace.frames.line], [...file.frames.line]);
  assert.equal(trace.hasStates && trace.hasSystem, true);
  assert.equal(trace.tracks.length, 8);
  const [one, two] = [byTid(trace), byTid(file)];
  assert.ok(
    one.some(({ levels }) => levels.length > 0),
    "long enough for a level",
  );
  for (const [at, track] of one.entries()) assert.deepEqual(plain(track), plain(two[at]), track.name);
});

test("at every moment it is the trace of the segments so far", () => {
  const parts: Uint8Array[] = [];
  const stream = new MadeUpStream({ busy: 2, threads: 4 });
  parts.push(stream.header());
  grown((trace, segment) => {
    parts.push(stream.segment());
    if (segment % 9 !== 0) return;
    const file = whole(joined(parts));
    const [one, two] = [byTid(trace), byTid(file)];
    assert.equal(one.length, two.length);
    for (const [at, track] of one.entries()) assert.deepEqual(plain(track), plain(two[at]), `segment ${segment}`);
  });
});

test("trees grow with it, after any transform", () => {
  const builders: { builder: TreeBuilder; exactness: "line" | "function"; transforms: Transform[] }[] = [];
  let classes: Classifier | null = null;
  const { trace } = grown((trace) => {
    classes ??= new Classifier(trace);
    classes.grow();
    if (builders.length === 0)
      for (const transforms of TRANSFORMS)
        for (const exactness of ["line", "function"] as const)
          builders.push({ builder: new TreeBuilder(trace, classes, exactness, transforms), exactness, transforms });
    for (const { builder } of builders) assert.equal(builder.tree, builder.tree);
  });
  assert.deepEqual({ ...classes!, trace: null }, { ...classify(trace), trace: null });
  for (const { builder, exactness, transforms } of builders) {
    const expected = buildTree(trace, classify(trace), exactness, transforms);
    const { tree } = builder;
    for (const column of ["parent", "frame", "depth", "nodeOf"] as const)
      assert.deepEqual([...tree[column]], [...expected[column]], `${transforms.map(({ kind }) => kind)} ${column}`);
  }
});

test("a session that grows finds, selects and counts as one that was opened at the end", () => {
  let session: Session | null = null;
  const sampled = new SampledTracks();
  const { trace } = grown((trace, segment) => {
    if (!session) {
      session = new Session(trace, () => () => {});
      session.search.find("late_");
      session.transforms.add({ kind: "mine" });
      return;
    }
    session.grow();
    if (segment === 10) session.selection.select(0, 100);
    // Asked for at every moment, as the views do.
    const { derived, viewport } = session;
    assert.ok(derived.weights.total > 0 && derived.byTree.total.length === derived.tree.parent.length);
    sampled.of(trace.tracks[0], 0, trace.end / 100, 100);
    viewport.showAll();
  });
  assert.ok(session);
  const { selection, search, derived, viewport } = session as Session;
  const fresh = new Session(trace, () => () => {});
  fresh.search.find("late_");
  fresh.transforms.add({ kind: "mine" });
  fresh.selection.select(0, 100);
  assert.deepEqual(selection.sample, fresh.selection.sample);
  assert.deepEqual([...search.hitStacks], [...fresh.search.hitStacks]);
  const query = parseQuery("late_", false)!;
  assert.deepEqual([...search.hitStacks], [...matchStacks(trace, matchFrames(trace, query))]);
  assert.deepEqual([...derived.commonOf], [...fresh.derived.commonOf]);
  assert.deepEqual([...derived.depthOf], [...fresh.derived.depthOf]);
  for (const track of trace.tracks.keys()) assert.equal(derived.deepest(track), fresh.derived.deepest(track));
  viewport.showAll();
  viewport.settle();
  assert.deepEqual(derived.weights, weigh(trace, trace.tracks.keys(), 0, trace.end, ALL_STATES));
  assert.deepEqual([...derived.byTree.total], [...fresh.derived.byTree.total]);
  const expected = makeColumns(100);
  sampleColumns(trace.tracks[0], 0, trace.end / 100, expected);
  assert.deepEqual(sampled.of(trace.tracks[0], 0, trace.end / 100, 100).stack, expected.stack);
  (session as Session).close();
  fresh.close();
});

test("the order of the threads stays as it is until it is asked for again", () => {
  let session: Session | null = null;
  let first: number[] = [];
  const { trace } = grown((trace, segment) => {
    if (segment === 0) session = new Session(trace, () => () => {});
    session!.grow();
    if (segment === 0) first = session!.derived.visibleTracks;
  });
  const { derived, tracks } = session as unknown as Session;
  assert.ok(trace.tracks.length > first.length);
  const known = derived.visibleTracks.filter((track) => first.includes(track));
  assert.deepEqual(known, first);
  tracks.setSort();
  assert.deepEqual(derived.visibleTracks, new Session(trace, () => () => {}).derived.visibleTracks);
});

test("a trace that grows keeps its ticks: one that is too long says so", () => {
  const builder = new TraceBuilder(1);
  const process = builder.addProcess({ pid: 1, name: "", cmdline: "", python: "", place: "", side: 0, cpu: null });
  const track = builder.addTrack(process, 1, 1, "");
  const info = { hz: 1, mode: "", host: "", kernel: "", program: "", command: [], unixStartUs: 1 };
  builder.pushRow(track, 0, 0, 0);
  assert.equal(builder.grow(info, 5).tracks.length, 0, "without a stack, nothing is shown");
  assert.throws(() => builder.pushRow(track, 2 ** 33, 0, 1), /too long/);
});
