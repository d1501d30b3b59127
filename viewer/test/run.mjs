// SPDX-License-Identifier: MIT OR Apache-2.0

// Runs the tests of one kind, `unit` or `browser`, with Node's own test runner. A second
// argument selects the files whose names contain it.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const kind = process.argv[2];
const wanted = process.argv[3] ?? "";
const out = join(here, "../node_modules/.cache/tests", kind);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const tests = readdirSync(join(here, kind)).filter((name) => name.endsWith(".test.ts") && name.includes(wanted));
await esbuild.build({
  entryPoints: tests.map((name) => join(here, kind, name)),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  packages: "external",
  sourcemap: "inline",
  outdir: out,
  outExtension: { ".js": ".mjs" },
});
const files = tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
const run = spawnSync(
  process.execPath,
  [
    "--enable-source-maps",
    "--test",
    "--test-reporter=tap",
    ...(kind === "browser" ? ["--test-concurrency=1"] : []),
    ...files,
  ],
  { stdio: "inherit" },
);
process.exit(run.status ?? 1);
