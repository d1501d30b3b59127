// SPDX-License-Identifier: MIT OR Apache-2.0

// The trace that a server sends without an end: how it is opened, grows, and comes back after the
// connection was lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/live/backoff.ts";
import { carryOver } from "../../src/live/carry_over.ts";
import { Feed } from "../../src/live/feed.ts";
import { Server } from "../../src/live/server.ts";
import type { Trace } from "../../src/model/trace.ts";
import { Session } from "../../src/session/session.ts";
import { MadeUpStream, type StreamOptions } from "../made_up_stream.ts";

/** A connection of which the test decides what comes. */
class Connection {
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly stream: MadeUpStream;
  readonly response: Response;

  constructor(options: StreamOptions, segments: number) {
    this.stream = new MadeUpStream(options);
    const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      this.controller = controller;
    };
    this.response = new Response(new ReadableStream({ start }));
    this.send(this.stream.header());
    for (let at = 0; at < segments; at++) this.send(this.stream.segment());
  }

  /** Sends bytes in two pieces, as a network does. */
  send(bytes: Uint8Array): void {
    const middle = Math.floor(bytes.length / 3);
    this.controller.enqueue(bytes.slice(0, middle));
    this.controller.enqueue(bytes.slice(middle));
  }

  end(): void {
    this.controller.close();
  }

  break(): void {
    this.controller.error(new TypeError("network error"));
  }
}

/** A feed whose server answers with these connections, or with an error. */
function feedOf(answers: (Connection | Response)[]) {
  const asked: string[] = [];
  const told: string[] = [];
  const waiting: { what: string; resolve: () => void }[] = [];
  let trace: Trace | null = null;
  const tell = (what: string) => {
    told.push(what);
    for (const one of waiting.splice(0)) {
      if (what.startsWith(one.what)) one.resolve();
      else waiting.push(one);
    }
  };
  const server = new Server((path) => {
    asked.push(path);
    const answer = answers.shift();
    if (!answer) return Promise.reject(new TypeError("refused"));
    return Promise.resolve(answer instanceof Connection ? answer.response : answer);
  });
  const feed = new Feed(
    server,
    {
      query: () => "last=10m&follow=1",
      opened: (opened) => {
        trace = opened;
        tell("opened");
      },
      grown: () => tell("grown"),
      empty: () => tell("empty"),
      lost: (reason) => tell(`lost ${reason}`),
    },
    new Backoff(() => -2),
  );
  /** Waits until the feed tells this again. */
  const next = (what: string) => new Promise<void>((resolve) => waiting.push({ what, resolve }));
  return { feed, asked, told, next, trace: () => trace! };
}

const options = { busy: 1, threads: 3 };

test("a trace opens once what was there has come, and then grows with each segment", async () => {
  const connection = new Connection(options, 5);
  const { feed, next, trace, told, asked } = feedOf([connection]);
  feed.start();
  await next("opened");
  assert.deepEqual(asked, ["api/v1/trace?last=10m&follow=1"]);
  assert.deepEqual(told, ["opened"]);
  assert.equal(trace().end * trace().tickUs, 10e6);
  const { rows } = trace();
  const grown = next("grown");
  connection.send(connection.stream.segment());
  await grown;
  assert.equal(trace().end * trace().tickUs, 12e6);
  assert.ok(trace().rows > rows);
  feed.stop();
});

test("while it is held the trace stays as it is, and nothing is lost", async () => {
  const connection = new Connection(options, 5);
  const { feed, next, trace, told } = feedOf([connection]);
  feed.start();
  await next("opened");
  feed.hold(true);
  const { end } = trace();
  for (let at = 0; at < 3; at++) connection.send(connection.stream.segment());
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(trace().end, end);
  const grown = next("grown");
  feed.hold(false);
  await grown;
  assert.deepEqual(told, ["opened", "grown"]);
  assert.equal(trace().end * trace().tickUs, 16e6);
  feed.stop();
});

test("a connection that breaks, ends or is refused is followed by another one", async () => {
  const [first, second] = [new Connection(options, 3), new Connection(options, 4)];
  const refusal = new Response(JSON.stringify({ error: "the recorder is restarting\u202e" }), { status: 503 });
  const damaged = new Connection(options, 0);
  const { feed, next, told, trace } = feedOf([first, refusal, second, damaged]);
  feed.start();
  await next("opened");
  const refused = next("lost the recorder");
  const again = next("opened");
  first.break();
  await refused;
  await again;
  assert.deepEqual(told, ["opened", "lost network error", "lost the recorder is restarting\\u{202e}", "opened"]);
  assert.equal(trace().end * trace().tickUs, 8e6);
  const lost = next("lost the stream is damaged");
  second.end();
  const segment = damaged.stream.segment();
  segment[40] ^= 1;
  damaged.send(segment);
  await lost;
  feed.stop();
});

test("a stream without a sample says so, and opens with the first", async () => {
  const connection = new Connection({ ...options, processes: 0 }, 2);
  const { feed, next, told } = feedOf([connection]);
  feed.start();
  await next("empty");
  assert.deepEqual(told, ["empty"]);
  feed.stop();
});

test("what was chosen comes along to a trace that begins at another time, with other numbers", async () => {
  const { startS } = { startS: 1_800_000_000 };
  const open = async (from: StreamOptions, segments: number) => {
    const { feed, next, trace } = feedOf([new Connection({ ...options, ...from }, segments)]);
    feed.start();
    await next("opened");
    feed.stop();
    return new Session(trace(), () => () => {});
  };
  const before = await open({ startS }, 20);
  const after = await open({ startS: startS - 10 }, 40);
  before.settings.show("top");
  before.search.find("render");
  before.transforms.add({ kind: "mine" });
  before.tracks.check(1, false);
  before.tracks.toggleProcess(1);
  before.viewport.show(1e6, 2e6);
  before.selection.select(0, 7);
  carryOver(before, after);
  assert.equal(after.settings.panel, "top");
  assert.equal(after.search.text, "render");
  assert.deepEqual(after.transforms.list, [{ kind: "mine" }]);
  const [one] = after.tracks.unchecked;
  assert.equal(after.trace.tracks[one].tid, before.trace.tracks[1].tid);
  const [process] = after.tracks.collapsed;
  assert.equal(after.trace.processes[process].pid, before.trace.processes[1].pid);
  assert.deepEqual(after.viewport.view, { from: 2e6, to: 3e6 }, "ten seconds later in its own time");
  const { sample } = after.selection;
  const time = ({ trace }: Session, { track, row }: { track: number; row: number }) =>
    trace.info.unixStartUs + trace.tracks[track].start[row] * trace.tickUs;
  assert.ok(sample && before.selection.sample);
  assert.equal(after.trace.tracks[sample.track].tid, before.trace.tracks[0].tid);
  assert.ok(Math.abs(time(after, sample) - time(before, before.selection.sample)) <= 100_000);
});
