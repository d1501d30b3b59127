// SPDX-License-Identifier: MIT OR Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { cutTo } from "../../src/paint/canvas.ts";

/** A context in whose font a capital is three times as wide as any other letter. */
const context = {
  measureText: (text: string) => ({
    width: [...text].reduce((sum, letter) => sum + (/[A-Z]/.test(letter) ? 12 : 4), 0),
  }),
} as unknown as CanvasRenderingContext2D;

test("text that is cut fits, whatever its letters", () => {
  assert.equal(cutTo(context, "handle_job", 40), "handle_job");
  for (const text of ["handle_requests", "HTTPHandler.handle", "handle.HTTPHANDLER", "HTTPHANDLER"]) {
    for (let width = 0; width < 150; width++) {
      const cut = cutTo(context, text, width);
      assert.ok(context.measureText(cut).width <= width, `${cut} in ${width}`);
      assert.ok(cut === "" || cut === text || (cut.endsWith("…") && text.startsWith(cut.slice(0, -1))));
    }
  }
  assert.equal(cutTo(context, "HTTPHandler.handle", 60), "HTTP…");
});
