// SPDX-License-Identifier: MIT OR Apache-2.0

// Exports the window in one of several formats, as a download.

import type { Session } from "../session/session.ts";
import { foldedStacks } from "./folded.ts";
import { timelinePng, timelineSvg } from "./picture.ts";
import { speedscope } from "./speedscope.ts";

export const EXPORTS = [
  { kind: "svg", label: "Picture (SVG)" },
  { kind: "png", label: "Picture (PNG)" },
  { kind: "folded", label: "Folded stacks" },
  { kind: "speedscope", label: "speedscope" },
] as const;

export type ExportKind = (typeof EXPORTS)[number]["kind"];

export async function exportWindow(session: Session, kind: ExportKind, stem: string): Promise<void> {
  switch (kind) {
    case "svg":
      return save(new Blob([timelineSvg(session)], { type: "image/svg+xml" }), `${stem}.svg`);
    case "png":
      return save(await timelinePng(session), `${stem}.png`);
    case "folded":
      return save(new Blob([foldedStacks(session)], { type: "text/plain" }), `${stem}.folded`);
    case "speedscope":
      return save(new Blob([speedscope(session)], { type: "application/json" }), `${stem}.speedscope.json`);
  }
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
