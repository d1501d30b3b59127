// SPDX-License-Identifier: MIT OR Apache-2.0

// A container that comes in pieces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Block, BlockReader, KIND } from "../../src/model/blocks.ts";
import { container } from "../container_writer.ts";

const bytes = container({
  mode: "wall",
  endUs: 4000,
  segments: [
    [{ period: 1000, rows: [{ us: 0, stack: 1, state: 1, samples: 2, system: 1 }] }],
    [{ period: 1000, rows: [{ us: 2000, stack: 0, state: 9, samples: 1 }] }],
  ],
  account: { process: { kernel_cpu_us: 5 }, tracks: [[0, 3, 2]] },
});

/** The blocks as they come, each as its kind and its data. */
function read(pieces: Uint8Array[]): { blocks: string[]; reader: BlockReader } {
  const reader = new BlockReader();
  const blocks: string[] = [];
  const keep = ({ kind, encoding, raw, stored }: Block) => blocks.push(`${kind} ${encoding} ${raw} ${stored.join()}`);
  for (const piece of pieces) {
    reader.push(piece);
    for (let block = reader.next(); block; block = reader.next()) keep(block);
  }
  return { blocks, reader };
}

test("blocks are the same wherever the bytes are cut", () => {
  const whole = read([bytes]);
  assert.deepEqual(
    whole.blocks.map((block) => Number(block.split(" ")[0])),
    [KIND.header, KIND.segment, KIND.segment, KIND.account, KIND.summary],
  );
  assert.equal(whole.reader.at, bytes.length);
  for (let first = 0; first <= bytes.length; first++) {
    for (const second of [first, Math.min(bytes.length, first + 7), bytes.length]) {
      const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      const { blocks, reader } = read(pieces.map((piece) => piece.slice()));
      assert.deepEqual(blocks, whole.blocks, `cut at ${first} and ${second}`);
      assert.equal(reader.at, bytes.length);
    }
  }
  for (const size of [1, 2, 3, 64]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    assert.deepEqual(read(pieces).blocks, whole.blocks, `pieces of ${size}`);
  }
});

test("a piece is not read again once its blocks were returned", () => {
  const reader = new BlockReader();
  const piece = bytes.slice(0, bytes.length - 1);
  reader.push(piece);
  let last = 0;
  for (let block = reader.next(); block; block = reader.next()) last = block.kind;
  assert.equal(last, KIND.account);
  const { at } = reader;
  reader.push(new Uint8Array(0));
  assert.equal(reader.next(), null);
  // The memory of the caller's may be used for something else by now.
  piece.fill(0);
  reader.push(bytes.subarray(bytes.length - 1));
  assert.equal(reader.next()?.kind, KIND.summary);
  assert.ok(reader.at > at);
});

test("a damaged block ends the reading, wherever the damage is", () => {
  const whole = read([bytes]).blocks;
  for (let at = 12; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] ^= 0x40;
    const { blocks, reader } = read([damaged.subarray(0, at), damaged.subarray(at)]);
    assert.ok(blocks.length < whole.length, `byte ${at}`);
    assert.deepEqual(blocks, whole.slice(0, blocks.length), `byte ${at}`);
    // A length that became larger waits for bytes that do not come.
    if (!reader.damaged) assert.ok(blocks.length < whole.length && reader.at < bytes.length, `byte ${at}`);
  }
});

test("what is no container, or of another version, says so as soon as it is known", () => {
  const reader = new BlockReader();
  reader.push(Uint8Array.of(0x89, 0x70));
  assert.equal(reader.next(), null, "not known yet");
  reader.push(new Uint8Array(10));
  assert.throws(() => reader.next(), /no container/);
  const other = bytes.slice();
  other[8] = 2;
  assert.throws(() => read([other]), /version 2 of the format; this page reads 1/);
});
