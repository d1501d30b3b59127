// SPDX-License-Identifier: MIT OR Apache-2.0

// Exports the window as folded stacks, one line for each stack.

import { pathOf } from "../model/trace.ts";
import { LIBRARY } from "../model/tree.ts";
import type { Session } from "../session/session.ts";

/** Microseconds that a weight of one stands for. */
const UNIT_US = 1000;

export function foldedStacks(session: Session): string {
  const { symbols } = session;
  const { byTree } = session.derived;
  const name = (frame: number) => {
    const place = frame === LIBRARY ? "" : ` (${symbols.file(frame)}:${symbols.line(frame)})`;
    return `${symbols.func(frame)}${place}`.replaceAll(";", ":");
  };
  const lines: string[] = [];
  byTree.self.forEach((time, node) => {
    if (time <= 0 || node === 0) return;
    const path = pathOf(byTree.parent, node).map((at) => name(byTree.frame[at]));
    lines.push(`${path.join(";")} ${Math.max(1, Math.round(session.us(time) / UNIT_US))}`);
  });
  return `${lines.join("\n")}\n`;
}
