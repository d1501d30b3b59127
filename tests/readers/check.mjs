// SPDX-License-Identifier: MIT OR Apache-2.0

// Hands files of every format to the programs that people open them with, or
// to their own readers, and compares what those found with the trace.
//
//   node check.mjs NODE_MODULES PYTHON_SITE DIRECTORY
//
// DIRECTORY holds NAME.json, a timeline, and NAME.<ending> for each format.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import test from "node:test";
import zlib from "node:zlib";

import { merged, names, sums, threads, waiting } from "./expected.mjs";
import { perfetto } from "./perfetto.mjs";
import { speedscope } from "./speedscope.mjs";

const [modules, site, directory] = process.argv.slice(2);
const require = createRequire(path.join(modules, "x.js"));
const importFile = speedscope(modules);
const loadTrace = await perfetto(modules, site);

const bases = fs
  .readdirSync(directory)
  .filter((name) => /^[a-z]+\.json$/.test(name))
  .map((name) => name.replace(/\.json$/, ""));
assert.ok(bases.length > 0, `no traces in ${directory}`);

// The segments of a profile that speedscope imported.
function segmentsOf(profile, name = (frame) => frame.name) {
  const segments = [];
  const open = [];
  let since = 0;
  const until = (now) => {
    if (open.length && now > since) segments.push({ from: since, to: now, names: [...open] });
    since = now;
  };
  profile.forEachCall(
    (node, now) => {
      until(now);
      open.push(name(node.frame));
    },
    (_node, now) => {
      until(now);
      open.pop();
    },
  );
  return merged(segments);
}

// Perfetto leaves escapes of letters as they are in the file. Ours are of those
// that could not be seen.
const unescaped = (name) =>
  (name ?? "").replace(/\\u([0-9a-f]{4})/g, (_, code) =>
    String.fromCharCode(parseInt(code, 16)),
  );

const expectedSegments = (thread) =>
  merged(thread.segments.map((of) => ({ from: of.from, to: of.to, names: names(of) })));

for (const base of bases) {
  const trace = threads(path.join(directory, `${base}.json`));
  const file = (ending) => path.join(directory, `${base}.${ending}`);
  const label = (thread) =>
    trace.several ? `${thread.name} · ${thread.program}[${thread.pid}]` : thread.name;
  const plain = base !== "hostile";

  test(`${base}: speedscope imports its JSON`, async () => {
    const group = await importFile(file("speedscope.json"));
    assert.deepEqual([...group.profiles.map((of) => of.getName())], trace.threads.map(label));
    group.profiles.forEach((profile, position) => {
      const thread = trace.threads[position];
      assert.equal(profile.getTotalWeight(), trace.end, "every thread is on the whole clock");
      assert.deepEqual(segmentsOf(profile), expectedSegments(thread));
      const lines = new Set();
      profile.forEachFrame((frame) => lines.add(`${frame.file}:${frame.line ?? 0}`));
      for (const { stack } of thread.segments) {
        for (const frame of stack) assert.ok(lines.has(`${frame.file}:${frame.line}`));
      }
    });
  });

  test(`${base}: speedscope imports collapsed stacks`, async () => {
    const group = await importFile(file("folded"));
    const found = segmentsOf(group.profiles[0]).map((of) => [of.names.join(";"), of.to - of.from]);
    const total = found.reduce((sum, [, time]) => sum + time, 0);
    const all = trace.threads.flatMap((of) => of.segments);
    assert.equal(total, all.reduce((sum, of) => sum + of.to - of.from, 0));
    if (!plain) return;
    const expected = trace.threads.flatMap((thread) =>
      thread.segments.map((of) => {
        const frames = of.stack.map(({ name, file, line }) =>
          line ? `${name} (${file}:${line})` : `${name} (${file})`,
        );
        const state = waiting(of.state);
        const thread_name = thread.name.replaceAll("\n", "\\n");
        const root = [
          `process ${thread.pid}:"${thread.process}"`,
          `thread (${thread.tid}): "${thread_name}"`,
        ];
        return [[...root, ...frames, ...(state ? [state] : [])].join(";"), of.to - of.from];
      }),
    );
    assert.deepEqual(sums(found), sums(expected));
  });

  test(`${base}: a parser made from pprof's schema reads the protocol buffers`, () => {
    const { perftools } = require("pprof/proto/profile.js");
    const bytes = zlib.gunzipSync(fs.readFileSync(file("pb.gz")));
    const profile = perftools.profiles.Profile.toObject(
      perftools.profiles.Profile.decode(bytes),
      { longs: Number, defaults: true, arrays: true },
    );
    const text = (number) => {
      assert.ok(number >= 0 && number < profile.stringTable.length, "a string is there");
      return profile.stringTable[number];
    };
    assert.equal(text(0), "");
    const locations = new Map(profile.location.map((of) => [of.id, of]));
    const functions = new Map(profile.function.map((of) => [of.id, of]));
    assert.ok(!locations.has(0) && !functions.has(0), "no id is 0");
    const types = profile.sampleType.map((of) => `${text(of.type)}/${text(of.unit)}`);
    assert.equal(types[0], "samples/count");
    assert.match(types[1], /^(cpu|wall)\/nanoseconds$/);
    const found = profile.sample.map((sample) => {
      assert.equal(sample.value.length, types.length);
      const stack = sample.locationId.map((id) => {
        const [line] = locations.get(id).line;
        const of = functions.get(line.functionId);
        return `${text(of.name)}\0${text(of.filename)}\0${line.line}`;
      });
      const labels = Object.fromEntries(
        sample.label.map((of) => [text(of.key), of.str ? text(of.str) : of.num]),
      );
      assert.equal(Object.keys(labels).length, sample.label.length, "one value for each key");
      const { pid, tid, process, thread, state } = labels;
      const key = [pid, tid, process, thread || "", state, ...stack.reverse()];
      return [JSON.stringify(key), sample.value[1]];
    });
    const expected = trace.threads.flatMap((thread) =>
      thread.segments.map((of) => {
        const stack = of.stack.map(({ name, file, line }) => `${name}\0${file}\0${line}`);
        const key = [thread.pid, thread.tid, thread.process, thread.name, of.state, ...stack];
        return [JSON.stringify(key), (of.to - of.from) * 1000];
      }),
    );
    assert.deepEqual(sums(found), sums(expected));
  });

  test(`${base}: Perfetto's trace processor reads the trace events`, async () => {
    const query = await loadTrace(file("chrome.json"));
    const errors = await query(
      "select name, value from stats where severity in ('error', 'data_loss') and value > 0",
    );
    assert.deepEqual(errors, []);
    const slices = await query(
      `select s.ts, s.dur, s.depth, s.name, t.tid, t.name as thread, p.pid, p.name as process
       from slice s join thread_track tt on s.track_id = tt.id
       join thread t using (utid) left join process p using (upid)
       order by t.utid, s.ts, s.depth`,
    );
    for (const thread of trace.threads) {
      const own = slices.filter((of) => of.tid === thread.tid && of.pid === thread.pid);
      for (const slice of own) {
        assert.equal(unescaped(slice.thread), thread.name);
        assert.equal(unescaped(slice.process), thread.process);
      }
      // At the middle of each segment, the slices there are its frames.
      for (const segment of thread.segments) {
        const middle = ((segment.from + segment.to) / 2) * 1000;
        const there = own.filter((of) => of.ts <= middle && middle < of.ts + of.dur);
        there.sort((a, b) => a.depth - b.depth);
        assert.deepEqual(there.map((of) => of.depth), there.map((_, depth) => depth));
        if (plain) assert.deepEqual(there.map((of) => of.name), names(segment));
        else assert.equal(there.length, names(segment).length);
      }
      const busy = own.filter((of) => of.depth === 0).reduce((sum, of) => sum + of.dur, 0);
      assert.equal(busy, 1000 * thread.segments.reduce((sum, of) => sum + of.to - of.from, 0));
    }
  });

  test(`${base}: the Firefox Profiler's own reader reads its profile`, () => {
    const sessions = fs.mkdtempSync(path.join(os.tmpdir(), "pf"));
    const cli = path.join(modules, "@firefox-devtools/profiler-cli/dist/profiler-cli.js");
    const run = (...words) =>
      execFileSync(process.execPath, [cli, ...words], {
        env: { ...process.env, PROFILER_CLI_SESSION_DIR: sessions },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
    const json = (...words) => JSON.parse(run(...words, "--json"));
    // It gives its daemon half a second to start, which a busy machine may not.
    const load = (attempts) => {
      try {
        run("load", file("firefox.json"));
      } catch (error) {
        const daemon = /did not become ready[^]* running as pid (\d+)/.exec(error.stderr);
        if (!daemon || attempts === 1) throw error;
        try {
          process.kill(Number(daemon[1]));
        } catch {
          // It has ended by itself.
        }
        load(attempts - 1);
      }
    };
    load(10);
    try {
      const list = json("thread", "list", "--limit", "0").threads;
      const of = (thread) => list.find((own) => own.tid === thread.tid && own.pid === `${thread.pid}`);
      assert.equal(list.length, trace.threads.length);
      for (const thread of trace.threads) {
        const own = of(thread);
        assert.equal(own.name, thread.name);
        assert.equal(own.processName, thread.process);
        const ran = thread.segments.filter((of) => of.state === "running");
        const cpu = ran.reduce((sum, of) => sum + of.to - of.from, 0) / 1000;
        assert.ok(Math.abs(own.cpuMs - cpu) < 0.01, `${own.cpuMs} ms of CPU, not ${cpu}`);
        const waits = merged(
          thread.segments.map((of) => ({ from: of.from, to: of.to, names: [of.state] })),
        ).filter((of) => waiting(of.names[0]));
        assert.equal(own.markerCount, waits.length);
        const functions = json(
          "thread", "functions", "--thread", own.threadHandle, "--limit", "0", "--include-idle",
        ).functions;
        const found = (field) => sums(functions.map((of) => [of.name, Math.round(of[field] * 1000)]));
        const leaf = (segment) => segment.stack[segment.stack.length - 1].name;
        const self = thread.segments.map((of) => [
          waiting(of.state) ? of.state : leaf(of),
          of.to - of.from,
        ]);
        const total = thread.segments.flatMap((of) => {
          const all = new Set(of.stack.map((frame) => JSON.stringify([frame.name, frame.file])));
          const state = waiting(of.state) ? [[of.state, of.to - of.from]] : [];
          return [...state, ...[...all].map((key) => [JSON.parse(key)[0], of.to - of.from])];
        });
        // The reader shows some names without what it takes for arguments of
        // templates; of hostile names only the times are compared.
        const positive = (sums) => {
          const times = Object.entries(sums).filter(([, time]) => time > 0);
          if (plain) return Object.fromEntries(times);
          return times.map(([, time]) => time).sort((a, b) => a - b);
        };
        assert.deepEqual(positive(found("selfSamples")), positive(sums(self)));
        assert.deepEqual(positive(found("totalSamples")), positive(sums(total)));
      }
    } finally {
      run("stop", "--all");
      fs.rmSync(sessions, { recursive: true, force: true });
    }
  });

  for (const ending of ["svg", "flamechart.svg"]) {
    test(`${base}: an XML parser reads the ${ending}`, () => {
      const script = `
import sys, json, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
name = "{http://www.w3.org/2000/svg}title"
print(json.dumps([root.tag, [title.text for title in root.iter(name)]]))`;
      const [tag, titles] = JSON.parse(
        execFileSync("python3", ["-c", script, file(ending)], { encoding: "utf8" }),
      );
      assert.equal(tag, "{http://www.w3.org/2000/svg}svg");
      const frames = titles.map((title) => /^(.*) \(([\d,]+) us, [\d.]+%\)$/s.exec(title));
      assert.ok(frames.every((frame) => frame), titles.join("\n"));
      const times = sums(frames.map(([, name, time]) => [name, Number(time.replaceAll(",", ""))]));
      const span = ending === "svg" ? null : trace.end * trace.threads.length;
      const busy = trace.threads
        .flatMap((of) => of.segments)
        .reduce((sum, of) => sum + of.to - of.from, 0);
      assert.equal(times.all, span ?? busy);
      if (!plain) return;
      const expected = trace.threads.flatMap((thread) =>
        thread.segments.flatMap(({ from, to, stack }) =>
          stack.map(({ name, file, line }) => [
            line ? `${name} (${file}:${line})` : `${name} (${file})`,
            to - from,
          ]),
        ),
      );
      for (const [name, time] of Object.entries(sums(expected))) assert.equal(times[name], time);
    });
  }
}
