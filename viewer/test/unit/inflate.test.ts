// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateSync } from "node:zlib";
import { crc32 } from "../../src/model/checksum.ts";
import { inflate, inflateLarge } from "../../src/model/inflate.ts";
import { TraceError } from "../../src/model/limits.ts";
import { random } from "./random.ts";

function samples(): Uint8Array[] {
  const next = random(7);
  const noise = Uint8Array.from({ length: 70_000 }, () => next(256));
  const text = new TextEncoder().encode("handle_request /srv/app/views.py ".repeat(900));
  const mixed = Uint8Array.from({ length: 200_000 }, () => (next(10) < 8 ? next(6) : next(256)));
  return [new Uint8Array(0), Uint8Array.of(1), text, noise, mixed, new Uint8Array(100_000)];
}

test("inflates what zlib deflates, at every level and strategy", () => {
  for (const data of samples()) {
    for (const level of [0, 1, 6, 9]) {
      for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY]) {
        const packed = deflateSync(data, { level, strategy });
        assert.deepEqual(inflate(packed, data.length), data);
      }
    }
  }
});

test("the browser's own way gives the same, and the same refusals", async () => {
  for (const data of samples()) assert.deepEqual(await inflateLarge(deflateSync(data), data.length), data);
  const packed = deflateSync(new Uint8Array(300_000).fill(7));
  await assert.rejects(inflateLarge(packed, 299_999), TraceError);
  await assert.rejects(inflateLarge(packed, 300_001), TraceError);
  await assert.rejects(inflateLarge(packed.subarray(0, 20), 300_000), TraceError);
  await assert.rejects(inflateLarge(Uint8Array.of(1, 2, 3), 3), TraceError);
});

test("refuses more or less than was promised", () => {
  const packed = deflateSync(new Uint8Array(5000).fill(7));
  assert.throws(() => inflate(packed, 4999), TraceError);
  assert.throws(() => inflate(packed, 5001), TraceError);
});

test("never does anything but fail or end on damaged bytes", () => {
  const next = random(3);
  const [, , text, , mixed] = samples();
  for (const data of [text, mixed.slice(0, 3000)]) {
    const packed = deflateSync(data);
    for (let turn = 0; turn < 3000; turn++) {
      const broken = packed.slice(0, next(4) === 0 ? next(packed.length) : packed.length);
      for (let flips = 1 + next(3); flips > 0 && broken.length > 0; flips--) broken[next(broken.length)] = next(256);
      try {
        inflate(broken, data.length);
      } catch (error) {
        assert.ok(error instanceof TraceError, String(error));
      }
    }
  }
});

test("checksums are those of CRC-32", () => {
  const bytes = new TextEncoder().encode("123456789");
  assert.equal(crc32(bytes), 0xcbf43926);
  assert.equal(crc32(bytes.slice(4), crc32(bytes.slice(0, 4))), 0xcbf43926);
});
