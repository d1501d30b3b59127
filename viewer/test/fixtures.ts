// Where the traces of a test run are. It refuses to make them: `cargo xtask
// test` does.

import { existsSync } from "node:fs";
import { join } from "node:path";

const directory = process.env.PYEBPF_VIEWER_TRACES ?? "";

/** A trace that was made for this run. */
export function trace(name: string): string {
  const path = join(directory, name);
  if (directory === "" || !existsSync(path)) {
    throw new Error(`PYEBPF_VIEWER_TRACES has no ${name}: run \`cargo xtask viewer test\``);
  }
  return path;
}

/** A file of this clone. */
export function repository(path: string): string {
  return join(process.env.PYEBPF_CLONE ?? join(process.cwd(), ".."), path);
}
