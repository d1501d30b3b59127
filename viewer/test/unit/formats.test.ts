// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readContainer } from "../../src/model/container.ts";
import { TraceError } from "../../src/model/limits.ts";
import { openTrace } from "../../src/model/open.ts";
import { State } from "../../src/model/state.ts";
import { pathOf, rowEnd, type Trace } from "../../src/model/trace.ts";
import { trace as fixture, repository } from "../fixtures.ts";
import { random } from "./random.ts";

const open = (bytes: Uint8Array | string) => openTrace(new Blob([bytes as BlobPart]));

/** All rows of a trace in a form that does not depend on its internal numbers. */
function spelledOut(trace: Trace): string[] {
  const { strings, frames, stacks } = trace;
  const lines: string[] = [];
  for (const track of trace.tracks) {
    const process = trace.processes[track.process];
    let last = "";
    for (let row = 0; row < track.start.length; row++) {
      const path = pathOf(stacks.parent, track.stack[row]).map((stack) => {
        const frame = stacks.frame[stack];
        return `${strings[frames.file[frame]]}:${frames.line[frame]}:${strings[frames.func[frame]]}:${strings[frames.source[frame]]}`;
      });
      const what = `${path.join("|")} ${track.state[row]}`;
      // Equal neighbours count as one, and the end of a thread may be a row or not.
      if (what === last || (row === 0 && path.length === 0)) continue;
      last = what;
      if (path.length === 0 && rowEnd(track, row) === track.start[row]) continue;
      const time = (trace.info.unixStartUs + track.start[row] * trace.tickUs).toFixed(0);
      lines.push(`${process.pid} ${track.tid} ${track.name} ${track.ident} @${time} ${what}`);
    }
  }
  return lines.sort();
}

test("a container and the timelines made of it are the same", async () => {
  const container = await open(readFileSync(fixture("states.pyebpf")));
  assert.ok(container.rows > 5000);
  assert.ok(container.hasStates);
  assert.equal(container.torn, null);
  const rows = spelledOut(container);
  for (const name of ["states.json", "states-by-time.json"]) {
    const timeline = await open(readFileSync(fixture(name)));
    assert.equal(timeline.torn, null);
    assert.deepEqual(spelledOut(timeline), rows, name);
    assert.equal(timeline.info.host, container.info.host);
    assert.equal(timeline.info.mode, "wall");
  }
  const page = await open(readFileSync(fixture("states.html")));
  assert.deepEqual(spelledOut(page), rows);
});

test("packed files are unpacked", async () => {
  const plain = readFileSync(fixture("states.json"));
  assert.deepEqual(spelledOut(await open(gzipSync(plain))), spelledOut(await open(plain)));
  await assert.rejects(open(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0)), /zstd -d/);
});

test("the golden timelines open", async () => {
  for (const name of ["by_thread.json", "by_time.json", "wall.json"]) {
    const trace = await open(readFileSync(repository(`tests/golden/${name}`)));
    assert.equal(trace.tracks.length, 3, name);
    assert.equal(trace.processes.length, 2);
    assert.deepEqual(trace.processes.map((process) => process.pid).sort(), [1234, 1240]);
    assert.equal(trace.info.host, "host-ä");
    const main = trace.tracks.find((track) => track.tid === 1234)!;
    assert.equal(main.name, "MainThread");
    const states = [...main.state].filter((state, row) => state !== State.none && main.stack[row] > 0);
    if (name === "wall.json") assert.deepEqual(states, [1, 1, 1, 4, 3]);
    assert.equal(trace.counts.samples, 30);
  }
});

test("a process in a container says so", async () => {
  const trace = await open(readFileSync(repository("tests/golden/wall.pyebpf")));
  assert.deepEqual(
    trace.processes.map((process) => process.place),
    ["", "docker:4f1c5a0de6b7 (pid 7)"],
  );
});

test("a trace of the 2012 original opens", async () => {
  // Ten samples a second of one thread, as its recorder wrote them: floats, no
  // fifth element, a closing row of nulls.
  const frames = (...names: string[]) =>
    names.map((name, at) => ["/srv/twisted/reactor.py", 10 + at, name, `${name}()`]);
  const rows = [
    [1352241181.539376, 140007464703744, "MainThread", frames("run", "mainLoop")],
    [1352241182.04, 140007464703744, "MainThread", frames("run", "mainLoop", "doPoll")],
    [1352241183.1, 140007464703744, "MainThread", frames("run", "mainLoop", "doPoll", "read")],
    [1352241199.120001, null, null, []],
  ];
  for (const text of [JSON.stringify(rows), JSON.stringify(rows, null, 2), `\n ${JSON.stringify(rows)} \n`]) {
    const trace = await open(text);
    assert.equal(trace.tracks.length, 1);
    const [track] = trace.tracks;
    assert.deepEqual(
      [...track.start].map((time) => time * trace.tickUs),
      [0, 500624, 1560624],
    );
    assert.equal(trace.end * trace.tickUs, 17580625);
    assert.deepEqual(
      [...track.stack].map((stack) => trace.stacks.depth[stack]),
      [2, 3, 4],
    );
    assert.equal(track.running, trace.end);
  }
});

test("a timeline cut at any byte gives its whole rows", async () => {
  const text = readFileSync(repository("tests/golden/wall.json"), "utf8").trimEnd();
  const whole = (await open(text)).rows;
  let last = 0;
  for (let cut = 0; cut < text.length; cut += 7) {
    try {
      const trace = await open(text.slice(0, cut));
      assert.ok(trace.torn, `cut at ${cut}`);
      assert.ok(trace.rows >= last && trace.rows <= whole);
      last = Math.max(last, trace.tracks.length > 0 ? trace.rows : 0);
    } catch (error) {
      assert.ok(error instanceof TraceError, String(error));
      assert.ok(cut < 300, `nothing at ${cut}: ${error}`);
    }
  }
  assert.ok(last >= 8);
});

test("a timeline that comes in pieces of any size is the same", async () => {
  const { TimelineReader } = await import("../../src/model/timeline_json.ts");
  const bytes = readFileSync(repository("tests/golden/wall.json"));
  const whole = spelledOut(await open(bytes));
  for (const size of [1, 2, 3, 7, 64, 1000]) {
    const reader = new TimelineReader();
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    assert.deepEqual(spelledOut(reader.finish()), whole, `${size} bytes`);
  }
});

test("a container cut at any byte gives every complete segment", async () => {
  const bytes = new Uint8Array(readFileSync(fixture("states.pyebpf")));
  const whole = (await readContainer(bytes)).rows;
  let last = 0;
  for (let cut = 0; cut < bytes.length; cut += 397) {
    try {
      const trace = await readContainer(bytes.subarray(0, cut));
      assert.ok(trace.rows >= last);
      // After the rows come only the summary and the index.
      assert.ok(trace.torn || trace.rows === whole);
      last = trace.rows;
    } catch (error) {
      assert.ok(error instanceof TraceError, String(error));
      assert.equal(last, 0);
    }
  }
  assert.equal(last, whole);
});

test("bytes that begin otherwise are not read as a container", async () => {
  const bytes = new Uint8Array(readFileSync(fixture("small.pyebpf")));
  for (const at of [0, 1, 7]) {
    const other = bytes.slice();
    other[at] ^= 1;
    await assert.rejects(readContainer(other), /not a trace/);
  }
});

test("damaged containers and timelines fail with a message or open", async () => {
  const next = random(11);
  for (const name of ["small.pyebpf", "small.json"]) {
    const bytes = new Uint8Array(readFileSync(fixture(name)));
    for (let turn = 0; turn < 250; turn++) {
      const broken = bytes.slice(0, next(5) === 0 ? next(bytes.length) : bytes.length);
      for (let flips = 1 + next(4); flips > 0 && broken.length > 0; flips--) broken[next(broken.length)] = next(256);
      try {
        await open(broken);
      } catch (error) {
        assert.ok(error instanceof TraceError, `${name}: ${error instanceof Error ? error.stack : error}`);
      }
    }
  }
});

test("segments whose bytes are damaged but whose checksums hold fail with a message or open", async () => {
  const { crc32 } = await import("../../src/model/checksum.ts");
  const { inflate } = await import("../../src/model/inflate.ts");
  const next = random(5);
  const bytes = new Uint8Array(readFileSync(fixture("small.pyebpf")));
  const view = new DataView(bytes.buffer);
  let outcomes = 0;
  for (let at = 12; at + 16 < bytes.length - 16; ) {
    const stored = view.getUint32(at + 4, true);
    const raw = view.getUint32(at + 8, true);
    const data = bytes.subarray(at + 16, at + 16 + stored);
    const plain = bytes[at + 1] === 1 ? inflate(data, raw) : data;
    for (let turn = 0; turn < 120; turn++) {
      const broken = plain.slice(0, next(6) === 0 ? next(plain.length) : plain.length);
      for (let flips = 1 + next(4); flips > 0 && broken.length > 0; flips--) broken[next(broken.length)] = next(256);
      const head = new Uint8Array(16);
      const headView = new DataView(head.buffer);
      head[0] = bytes[at];
      headView.setUint32(4, broken.length, true);
      headView.setUint32(8, broken.length, true);
      headView.setUint32(12, crc32(broken, crc32(head.subarray(0, 12))), true);
      const file = new Uint8Array([...bytes.subarray(0, at), ...head, ...broken, ...bytes.subarray(at + 16 + stored)]);
      try {
        await readContainer(file);
      } catch (error) {
        assert.ok(error instanceof TraceError, error instanceof Error ? error.stack : String(error));
      }
      outcomes++;
    }
    at += 16 + stored;
  }
  assert.ok(outcomes > 400);
});

test("folded stacks open, with processes and threads where they are named", async () => {
  const trace = await open('process 12:"web";thread (7): main;run (app.py:3);read (app.py:9) 4\nrun (app.py:3) 2\n');
  assert.deepEqual(
    trace.tracks.map((track) => track.name),
    ["main", "stacks"],
  );
  assert.deepEqual(
    trace.processes.map((process) => process.pid),
    [12, 0],
  );
  assert.equal(trace.info.unixStartUs, 0);
  const { frames, strings } = trace;
  assert.deepEqual(
    [...frames.func].map((name) => strings[name]),
    ["run", "read"],
  );
  assert.deepEqual([...frames.line], [3, 9]);
  assert.equal(trace.end * trace.tickUs, 40_000);
});

test("stacks of other tools open as what they are", async () => {
  for (const text of [
    "[unknown];f 3\n",
    "[[vdso]];f 3\n",
    "\ufeff[12];f 3",
    "# mode: wall\n# interval: 100\n#\n[a];f 3",
  ]) {
    const { frames, strings, end, tickUs } = await open(text);
    assert.equal(strings[frames.func[1]], "f", text);
    assert.equal(end * tickUs, 30_000, text);
  }
  const marked = await open('\ufeff[\n[1.0,"1","t",[["a.py",1,"f","x"]]],\n[2.0,null,null,[]]]');
  assert.equal(marked.strings[marked.frames.func[0]], "f");
  const named = await open("main;worker 3 250\nmain 10\n");
  assert.equal(named.end * named.tickUs, 2_600_000);
});

test("what is no trace is refused by what is wrong with it", async () => {
  for (const [content, message] of [
    ["{}", /object/],
    ["[]", /no row/],
    ["[1, 2]", /not a timeline/],
    ["hello world\nmore", /no folded stack/],
    ["a;b 10 12\na;c 0 3.5\n", /two profiles/],
    ["# two\na 1 2", /two profiles/],
    ['[[5, 1, "a", 3]]', /no stack/],
    [Uint8Array.of(0, 1, 2, 3), /not a trace/],
    ["<!doctype html><p>nothing", /none in it/],
    [Uint8Array.of(0x89, 0x70, 0x79, 0x65, 0x62, 0x70, 0x66, 0x0a, 9, 0, 0, 0), /version 9/],
  ] as [string | Uint8Array, RegExp][]) {
    await assert.rejects(
      open(content),
      (error) => error instanceof TraceError && message.test(error.message),
      String(content),
    );
  }
});

test("long recordings keep their times in coarser ticks", async () => {
  const day = 86_400;
  const rows = [0, 1, 1.5 * day, 6 * day].map((time, at) => [
    1_700_000_000 + time,
    1,
    "t",
    at === 3 ? [] : [["a.py", at, "f", ""]],
  ]);
  const trace = await open(JSON.stringify([...rows, [1_700_000_000 + 6 * day, null, null, []]]));
  assert.equal(trace.tickUs, 1000);
  assert.deepEqual([...trace.tracks[0].start], [0, 1000, 1.5 * day * 1000, 6 * day * 1000]);
});
