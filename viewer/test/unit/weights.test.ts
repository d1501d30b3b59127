// SPDX-License-Identifier: MIT OR Apache-2.0

// What rows count for in every sum: the samples of a thread times the period, never the length
// of what is drawn.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { callees, callers, functionAt, inverted, onNodes, systemOf, tableOf } from "../../src/model/aggregate.ts";
import { classify } from "../../src/model/frame_classes.ts";
import { TraceError } from "../../src/model/limits.ts";
import { mergeTraces } from "../../src/model/merge.ts";
import { openTrace } from "../../src/model/open.ts";
import { RowSamples } from "../../src/model/row_weights.ts";
import { ALL_STATES, State } from "../../src/model/state.ts";
import { rowEnd, rowWeight, type Trace } from "../../src/model/trace.ts";
import { buildTree } from "../../src/model/tree_builder.ts";
import { weigh } from "../../src/model/weights.ts";
import { cpuWords, stateWords } from "../../src/ui/cpu_time.ts";
import { container, type Written, type WrittenRow } from "../container_writer.ts";
import { trace as fixture, repository } from "../fixtures.ts";

const open = (bytes: Uint8Array | string) => openTrace(new Blob([bytes as BlobPart]));
const file = (path: string) => open(readFileSync(path));

/** Microseconds of a tick: there are ten a second. */
const PERIOD = 100_000;
const TICKS = 100;
const END = PERIOD * TICKS;

/**
 * A thread that runs at every other tick, in the kernel at every fourth, as a recorder writes
 * it. In `cpu` mode, one row spans the ticks at which it did not run and continues in each of
 * the five segments.
 */
function everyOtherTick(mode: "cpu" | "wall"): Written {
  const segments = Array.from({ length: 5 }, (_, segment) => {
    const rows: WrittenRow[] = [];
    for (let tick = segment * 20; tick < (segment + 1) * 20; tick++) {
      const runs = tick % 2 === 0;
      const sample = { samples: Number(runs), system: Number(tick % 4 === 0) };
      if (mode === "wall")
        rows.push({ us: tick * PERIOD, stack: 1, state: runs ? State.running : State.io, ...sample });
      else if (rows.length === 0) rows.push({ us: tick * PERIOD, stack: 1, state: State.running, ...sample });
      else if (runs) {
        rows[0].samples! += 1;
        rows[0].system! += sample.system;
      }
    }
    if (mode === "cpu" && segment === 4) rows.push({ us: END - PERIOD, stack: 0, state: State.none });
    return [{ period: PERIOD * 1000, rows }];
  });
  return { mode, endUs: END, segments };
}

/** Microseconds of a window: in total, running, in I/O, and in the kernel. */
function sums(trace: Trace, from = 0, to = trace.end) {
  const weights = weigh(trace, trace.tracks.keys(), from, to, ALL_STATES);
  const us = (ticks: number) => Math.round(ticks * trace.tickUs);
  return {
    total: us(weights.total),
    running: us(weights.ofState[State.running]),
    io: us(weights.ofState[State.io]),
    system: us(weights.system),
  };
}

test("a row over missed ticks counts for its samples, and is drawn as long as it is", async () => {
  const trace = await open(container(everyOtherTick("cpu")));
  const [track] = trace.tracks;
  assert.equal(track.start.length, 2, "one row, and a gap");
  assert.equal(rowEnd(track, 0) - track.start[0], 9_900_000);
  assert.deepEqual(sums(trace), { total: 5_000_000, running: 5_000_000, io: 0, system: 2_500_000 });
  assert.equal(track.running * trace.tickUs, 5_000_000);
  assert.equal(track.system * trace.tickUs, 2_500_000);
  assert.equal(trace.whole?.total, 5_000_000);
  assert.equal(stateWords(trace, 0, 0), "running 5.00 s, 2.50 s in the kernel");
});

test("a part of a row has its part of the samples", async () => {
  const trace = await open(container(everyOtherTick("cpu")));
  assert.deepEqual(sums(trace, 0, 4_950_000), { total: 2_500_000, running: 2_500_000, io: 0, system: 1_250_000 });
  assert.equal(sums(trace, 9_900_000, 10_000_000).total, 0);
});

test("in wall mode the states of a thread add up to its life", async () => {
  const trace = await open(container(everyOtherTick("wall")));
  assert.deepEqual(sums(trace), { total: END, running: 5_000_000, io: 5_000_000, system: 2_500_000 });
  // The last tick is a row of its own; half of it counts half.
  assert.equal(sums(trace, END - PERIOD, END - PERIOD / 2).io, PERIOD / 2);
  // A running row without a sample counts for nothing, and leaves its time to waiting.
  const silent = await open(
    container({
      mode: "wall",
      endUs: 300,
      segments: [
        [
          {
            period: 50_000,
            rows: [
              { us: 0, stack: 1, state: State.running, samples: 1 },
              { us: 100, stack: 1, state: State.io },
              { us: 200, stack: 1, state: State.running },
            ],
          },
        ],
      ],
    }),
  );
  assert.deepEqual(sums(silent), { total: 300, running: 50, io: 250, system: 0 });
  // Samples worth more time than the thread lived leave nothing for waiting.
  const many = {
    period: 500_000,
    rows: [
      { us: 0, stack: 1 as const, state: State.running, samples: 1 },
      { us: 100, stack: 1 as const, state: State.io },
    ],
  };
  assert.deepEqual(sums(await open(container({ mode: "wall", endUs: 300, segments: [[many]] }))), {
    total: 500,
    running: 500,
    io: 0,
    system: 0,
  });
});

test("another rate stands for other time", async () => {
  const run = (us: number, period_ms: number, samples: number) => [
    { period: period_ms * 1e6, rows: [{ us, stack: 1 as const, state: State.running, samples }] },
  ];
  for (const periods of [
    [10, 80, 10],
    [80, 10, 80],
    [20.408163, 7, 100],
  ]) {
    const [a, b, c] = periods;
    const trace = await open(
      container({ mode: "cpu", endUs: 1e6, segments: [run(0, a, 3), run(400_000, b, 2), run(900_000, c, 1)] }),
    );
    assert.equal(trace.rows, 1, "equal neighbours are one row");
    assert.equal(sums(trace).total, Math.round((3 * a + 2 * b + c) * 1000));
  }
});

test("samples of threads are kept apart, and rows without any length keep theirs", async () => {
  const row = (us: number, state: number, samples: number) => ({ us, stack: 1 as const, state, samples });
  const trace = await open(
    container({
      mode: "wall",
      endUs: 500_000,
      segments: [
        [
          {
            period: 1e8,
            rows: [
              row(100_000, State.running, 2),
              row(100_000, State.lock, 0),
              row(100_000, State.running, 1),
              row(300_000, State.lock, 0),
              row(500_000, State.running, 1),
            ],
          },
          { period: 0, rows: [row(0, State.io, 0)], track: 1 },
        ],
      ],
    }),
  );
  const [one, two] = trace.tracks;
  assert.equal(trace.tracks.length, 2);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((at) => rowWeight(one, at)),
    [200_000, 0, 100_000, 0, 100_000],
  );
  assert.equal(one.busy, 400_000);
  assert.equal(two.busy, 500_000, "without a sample, its length");
  assert.equal(sums(trace).total, 900_000);
  assert.equal(sums(trace, 0, 100_000).total, 100_000);
  assert.equal(sums(trace, 100_000, 500_000).total, 800_000);
});

test("files without weights count lengths", async () => {
  const lengths = (trace: Trace) =>
    trace.tracks.map((track) => [...track.start].map((_, row) => rowWeight(track, row)));
  const old = await file(repository("tests/golden/before-weights.pyebpf"));
  assert.deepEqual(lengths(old), lengths(await file(repository("tests/golden/wall.pyebpf"))));
  for (const track of old.tracks) {
    for (const [row, stack] of track.stack.entries()) {
      if (stack > 0) assert.equal(rowWeight(track, row), rowEnd(track, row) - track.start[row]);
    }
  }
  const without = await open(container({ ...everyOtherTick("cpu"), weights: false }));
  assert.equal(sums(without).total, 9_900_000);
  const folded = await open("main;work 3\nmain 2\n");
  assert.equal(folded.tracks[0].busy * folded.tickUs, 50_000);
});

test("a timeline adds up as its container does", async () => {
  const golden = (name: string) => file(repository(`tests/golden/${name}`));
  const wall = await golden("wall.pyebpf");
  assert.deepEqual(sums(await golden("wall.json")), sums(wall));
  for (const [name, from] of [
    ["states.json", "states"],
    ["states-by-time.json", "states"],
    ["live.json", "live"],
  ]) {
    const trace = await file(fixture(`${from}.pyebpf`));
    const [one, two] = [sums(await file(fixture(name))), sums(trace)];
    // A timeline rounds each row to microseconds.
    for (const key of Object.keys(two) as (keyof typeof two)[])
      assert.ok(Math.abs(one[key] - two[key]) <= trace.rows, `${name} ${key}: ${one[key]} for ${two[key]}`);
  }
  const row = (time: number, stack: number) => [time, 9, "t", stack ? [["a.py", 3, "work", ""]] : []];
  const cols = {
    state: [[1, [100_000, 5], [300_000, 1]], 0],
    weight: [[60_000, 200_000, 20_000], 0],
    system: [[10_000, 0, 30_000], 0],
  };
  const about = { pyebpf: 1, order: "thread", threads: [{ rows: [0, 2], pid: 1, tid: 1 }], cols };
  const trace = await open(JSON.stringify([row(1000, 1), row(1001, 0), [1002, null, null, [], about]]));
  assert.deepEqual(sums(trace), { total: 280_000, running: 80_000, io: 200_000, system: 30_000 });
});

test("sums are those of the folded stacks that the recorder's side writes", async () => {
  const states = await file(fixture("states.pyebpf"));
  const live = await file(fixture("live.pyebpf"));
  for (const [name, sum] of [
    ["states", sums(states).total],
    ["live", sums(live).total],
    // A part in time, and only what ran.
    ["part", sums(states, 10_310_000, 41_700_000).running],
  ] as const) {
    const lines = readFileSync(fixture(`${name}.folded`), "utf8")
      .trim()
      .split("\n");
    const folded = lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    // Folded stacks round each stack of each thread to microseconds.
    assert.ok(Math.abs(sum - folded) <= lines.length, `${name}: ${sum} for ${folded}`);
  }
  assert.ok([states, live].every((trace) => trace.tracks.some((track) => track.weights.counts.length > 0)));
});

test("trees and tables know what was in the kernel", async () => {
  const trace = await open(container(everyOtherTick("wall")));
  const classes = classify(trace);
  const tree = onNodes(buildTree(trace, classes, "function", []), trace.whole!);
  const [row] = tableOf(tree, (frame) => classes.functionOf[frame]);
  assert.deepEqual([row.self, row.total, row.systemSelf, row.systemTotal], [END, END, 2_500_000, 2_500_000]);
  const func = functionAt(classes, row.frame);
  for (const other of [inverted(tree, classes), callers(tree, classes, func), callees(tree, classes, func)]) {
    assert.equal(systemOf(other, 0), 2_500_000);
  }
  const none = onNodes(buildTree(trace, classes, "function", []), {
    ...trace.whole!,
    systemOfStack: new Float64Array(0),
  });
  assert.equal(systemOf(none, 0), 0);
});

test("two traces on one clock keep what their rows count for", async () => {
  const short = await open(container(everyOtherTick("cpu")));
  const long = await open(container({ ...everyOtherTick("wall"), endUs: 3 * 86_400e6 }));
  assert.ok(long.tickUs > short.tickUs);
  for (const [first, second] of [
    [short, long],
    [long, short],
  ]) {
    const both = mergeTraces(first, second);
    assert.equal(sums(both).running, 10_000_000);
    assert.equal(sums(both).system, 5_000_000);
  }
});

test("numbers of samples take as few bytes as they need", () => {
  const kept = (...added: [number, number][]) => {
    const samples = new RowSamples();
    for (const [row, [period, count]] of added.entries()) samples.add(row >> 1, period, count, count, 16);
    return samples.take(3, 1000);
  };
  const ten: [number, number] = [10, 100];
  assert.deepEqual(kept(ten, ten).counts, Uint8Array.of(200, 0, 0));
  assert.deepEqual(kept(ten, [10, 200], ten).counts, Uint16Array.of(300, 100, 0));
  assert.deepEqual(kept(ten, ten, [10, 70_000]).systems, Uint32Array.of(200, 70_000, 0));
  assert.deepEqual(kept([10, 5e9]).counts, Float64Array.of(5e9, 0, 0));
  assert.deepEqual(kept(ten, [20, 50]).counts, Uint8Array.of(200, 0, 0));
  assert.deepEqual(kept(ten, [15, 1]).counts, Float64Array.of(101.5, 0, 0));
  assert.deepEqual(kept(), { unit: 0, counts: new Uint8Array(0), systems: new Uint8Array(0) });
});

test("the kernel's own CPU time stands beside what was seen", async () => {
  const process = { taken: 50, kernel_cpu_us: 5_200_000, kernel_user_us: 2_700_000, kernel_system_us: 2_500_000 };
  const trace = await open(
    container({ ...everyOtherTick("cpu"), account: { process, tracks: [[0, 2_700_000, 2_400_000]] } }),
  );
  assert.deepEqual(trace.processes[0].cpu, { user: 2_700_000, system: 2_500_000 });
  const { cpu, running, system } = trace.tracks[0];
  assert.deepEqual(cpu, { user: 2_700_000, system: 2_400_000 });
  assert.equal(cpuWords(running, system, cpu), "5.10 s of CPU, 5.00 s seen (2.70 s user, 2.40 s system)");
  assert.equal(cpuWords(running, system, null), "5.00 s seen, 2.50 s in the kernel");

  const thread = {
    rows: [0, 1],
    pid: 7,
    start_time_ticks: 4,
    tid: 7,
    cpu_us: 1_200_000,
    user_us: 900_000,
    system_us: 300_000,
  };
  const about = {
    pyebpf: 1,
    order: "thread",
    threads: [thread],
    processes: [{ pid: 7, start_time_ticks: 4, counts: process }],
  };
  const timeline = await open(
    JSON.stringify([
      [1000, 9, "t", [["a.py", 3, "work", ""]]],
      [1001, null, null, [], about],
    ]),
  );
  assert.deepEqual(timeline.tracks[0].cpu, { user: 900_000, system: 300_000 });
  assert.equal(timeline.processes[0].cpu?.system, 2_500_000);

  for (const name of ["wall.pyebpf", "wall.json", "by_time.json"]) {
    const golden = await file(repository(`tests/golden/${name}`));
    const known = { user: 1_000_000, system: 150_000 };
    assert.deepEqual(golden.tracks.map((track) => track.cpu && track.tid).filter(Boolean), [1234], name);
    assert.deepEqual(golden.tracks.find((track) => track.tid === 1234)!.cpu, known);
    assert.deepEqual(golden.processes.map((process) => process.cpu).filter(Boolean), [known]);
  }
});

test("an account without the kernel's time opens, one of a thread that is not there does not", async () => {
  const written = { ...everyOtherTick("cpu"), account: { process: { taken: 1 }, tracks: [] } };
  const trace = await open(container(written));
  assert.equal(trace.tracks[0].cpu, null);
  assert.equal(trace.processes[0].cpu, null);
  const wrong = { ...written, account: { process: {}, tracks: [[7, 1, 0]] } };
  await assert.rejects(
    open(container(wrong)),
    (error) => error instanceof TraceError && /thread that is not there/.test(error.message),
  );
});

test("more time in the kernel than a row has is refused", async () => {
  const rows = [{ us: 0, stack: 1 as const, state: State.running, samples: 1, system: 2 }];
  await assert.rejects(
    open(container({ mode: "cpu", endUs: 10, segments: [[{ period: 1000, rows }]] })),
    /longer in the kernel/,
  );
});
