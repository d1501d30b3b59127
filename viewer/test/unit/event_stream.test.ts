// SPDX-License-Identifier: MIT OR Apache-2.0

// Server-sent events: where the text is cut makes no difference, and what a lost connection cut
// off comes again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../src/live/backoff.ts";
import { EventParser, type ServerEvent } from "../../src/live/event_stream.ts";
import { Events } from "../../src/live/events.ts";
import { Server } from "../../src/live/server.ts";

const TEXT =
  ': a comment\n\nid: 7\nevent: status\ndata: {"a":\ndata:1}\n\nretry: 5\rdata:  two\r\r\nid: 8\r\nevent: mark\r\ndata\r\n\r\ndata: not complete\n';
const EVENTS: ServerEvent[] = [
  { kind: "status", data: '{"a":\n1}' },
  { kind: "message", data: " two" },
  { kind: "mark", data: "" },
];

test("events are the same wherever the text is cut", () => {
  for (let first = 0; first <= TEXT.length; first++) {
    for (const second of [first, first + 1, first + 5, TEXT.length]) {
      const parser = new EventParser();
      const pieces = [TEXT.slice(0, first), TEXT.slice(first, second), TEXT.slice(second)];
      assert.deepEqual(
        pieces.flatMap((piece) => parser.push(piece)),
        EVENTS,
        `cut at ${first} and ${second}`,
      );
      assert.equal(parser.lastId, "8");
    }
  }
});

test("what was cut off is not an event, and an event without an end is an error", () => {
  const parser = new EventParser();
  parser.push("id: 1\ndata: whole\n\nid: 2\ndata: ha");
  parser.reset();
  assert.equal(parser.lastId, "1");
  assert.deepEqual(parser.push("data: again\n\n"), [{ kind: "message", data: "again" }]);
  assert.equal(parser.lastId, "1");
  assert.throws(() => {
    for (;;) parser.push(`data: ${"x".repeat(1 << 16)}\n`);
  }, /too long/);
});

test("waits double up to half a minute, and begin again when something works", () => {
  const backoff = new Backoff(() => 0.5);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  backoff.reset();
  assert.equal(backoff.next(), 500);
  assert.equal(new Backoff(() => 0).next(), 400);
  assert.equal(Math.round(new Backoff(() => 1).next()), 600);
});

test("a listener goes on where the connection was lost, also when the server only falls silent", async () => {
  const answers = ["id: 4\nevent: status\ndata: 1\n\n", "", "id: 5\nevent: status\ndata: 2\n\n"];
  const asked: string[] = [];
  const heard: string[] = [];
  const lost: string[] = [];
  await new Promise<void>((resolve) => {
    const ask = (path: string, { headers, signal }: RequestInit = {}) => {
      asked.push(`${path} ${(headers as Record<string, string>)["Last-Event-ID"] ?? "-"}`);
      const answer = answers.shift();
      if (answer === undefined) return Promise.reject(new TypeError("refused"));
      const body = new ReadableStream({
        start(controller) {
          if (answer) controller.enqueue(new TextEncoder().encode(answer));
          // The second connection says nothing at all.
          if (answer) controller.close();
          else signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
        },
      });
      return Promise.resolve(new Response(body));
    };
    const events = new Events(
      new Server(ask),
      {
        event: ({ data }) => heard.push(data),
        lost: (reason) => {
          lost.push(reason);
          if (lost.length < 4) return;
          events.stop();
          resolve();
        },
      },
      new Backoff(() => -2),
      60,
    );
    events.start();
  });
  assert.deepEqual(heard, ["1", "2"]);
  assert.deepEqual(asked, ["api/v1/events -", "api/v1/events 4", "api/v1/events 4", "api/v1/events 5"]);
  assert.deepEqual(lost, [
    "the server ended the connection",
    "the server has been silent",
    "the server ended the connection",
    "the server cannot be reached",
  ]);
});
