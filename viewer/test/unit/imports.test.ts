// SPDX-License-Identifier: MIT OR Apache-2.0

// No file of the page imports itself through others, types included.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { repository } from "../fixtures.ts";

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : [];
  });
}

/** The files of a circle, the first one again at the end; null if there is none. */
function circle(imports: Map<string, string[]>): string[] | null {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const other of imports.get(file) ?? []) {
      const found = visit(other, [...path, file]);
      if (found) return found;
    }
    done.add(file);
    return null;
  };
  for (const file of imports.keys()) {
    const found = visit(file, []);
    if (found) return found;
  }
  return null;
}

test("no circle of imports", () => {
  assert.deepEqual(
    circle(
      new Map([
        ["a", ["b"]],
        ["b", ["c", "d"]],
        ["c", []],
        ["d", ["b"]],
      ]),
    ),
    ["b", "d", "b"],
  );
  const files = filesBelow(repository("viewer/src"));
  assert.ok(files.length > 40);
  const importsOf = (file: string) =>
    [...readFileSync(file, "utf8").matchAll(/\bfrom "(\.[^"]+)"/g)].map(([, path]) => join(dirname(file), path));
  assert.equal(circle(new Map(files.map((file) => [file, importsOf(file)]))), null);
});
