// SPDX-License-Identifier: MIT OR Apache-2.0

// Finds the traces of a test run, which `cargo xtask test` makes.

import { existsSync } from "node:fs";
import { join } from "node:path";

const directory = process.env.PYEBPF_VIEWER_TRACES ?? "";

/** The path of a trace that was made for this run. */
export function trace(name: string): string {
  const path = join(directory, name);
  if (directory === "" || !existsSync(path)) {
    throw new Error(`PYEBPF_VIEWER_TRACES has no ${name}: run \`cargo xtask viewer test\``);
  }
  return path;
}

/** The path of a file in this clone. */
export function repository(path: string): string {
  return join(process.env.PYEBPF_CLONE ?? join(process.cwd(), ".."), path);
}
