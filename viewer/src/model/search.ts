// SPDX-License-Identifier: MIT OR Apache-2.0

// Parses a search, and finds the frames and stacks that match it.

import type { Trace } from "./trace.ts";

const NONE = new Uint8Array(0);

export type Query = { matches: (func: string, file: string, line: number) => boolean } | { error: string } | null;

/** Parses plain text, `/a regular expression/`, or `file:line`; null for an empty search. */
export function parseQuery(text: string, asExpression: boolean): Query {
  if (text.trim() === "") return null;
  const slashes = /^\/(.+)\/(i?)$/.exec(text);
  if (slashes || asExpression) {
    try {
      const expression = new RegExp(slashes ? slashes[1] : text, slashes ? slashes[2] : "i");
      return { matches: (func, file, line) => expression.test(func) || expression.test(`${file}:${line}`) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }
  const place = /^(.*[^:\d].*):(\d{1,9})$/.exec(text);
  if (place) {
    const [, name, line] = place;
    const ending = name.toLowerCase();
    return { matches: (_, file, at) => at === Number(line) && endsAsPath(file.toLowerCase(), ending) };
  }
  const plain = text.toLowerCase();
  return { matches: (func, file) => func.toLowerCase().includes(plain) || file.toLowerCase().includes(plain) };
}

function endsAsPath(file: string, ending: string): boolean {
  return file === ending || file.endsWith(`/${ending}`) || file.endsWith(`\\${ending}`);
}

/** 1 for each frame that matches; `known` says it of the first ones already. */
export function matchFrames(trace: Trace, query: NonNullable<Query>, known: Uint8Array = NONE): Uint8Array {
  const { file, func, line } = trace.frames;
  const found = new Uint8Array(file.length);
  if ("error" in query) return found;
  found.set(known);
  for (let frame = known.length; frame < file.length; frame++) {
    found[frame] = Number(query.matches(trace.strings[func[frame]], trace.strings[file[frame]], line[frame]));
  }
  return found;
}

/** 1 for each stack that has a matching frame anywhere; `known` says it of the first ones already. */
export function matchStacks(trace: Trace, frames: Uint8Array, known: Uint8Array = NONE): Uint8Array {
  const { parent, frame } = trace.stacks;
  const found = new Uint8Array(parent.length);
  found.set(known);
  for (let stack = Math.max(1, known.length); stack < parent.length; stack++) {
    found[stack] = found[parent[stack]] | frames[frame[stack]];
  }
  return found;
}
