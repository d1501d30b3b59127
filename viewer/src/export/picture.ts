// SPDX-License-Identifier: MIT OR Apache-2.0

// Exports the timeline as a picture. The SVG is drawn anew for the window; the PNG copies the
// canvases of the page.

import { moment } from "../model/format.ts";
import { STATE_NAMES, State } from "../model/state.ts";
import { contextOf, rectangle } from "../paint/canvas.ts";
import { makeColumns, sampleColumns } from "../paint/columns.ts";
import { mix } from "../paint/palette.ts";
import type { Session } from "../session/session.ts";
import { byId } from "../ui/dom.ts";
import { look } from "../ui/look.ts";
import { tickStep } from "../ui/ruler.ts";

const WIDTH = 1200;
const LABELS = 220;
const TALL = 44;

const escaped = (text: string) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

export function timelineSvg(session: Session): string {
  const { trace, symbols } = session;
  const { palette } = look;
  const { from, to } = session.viewport.window;
  const perColumn = (to - from) / WIDTH;
  const columns = makeColumns(WIDTH);
  const parts: string[] = [];
  let top = 30;
  const rect = (x: number, y: number, w: number, h: number, ink: string) =>
    parts.push(`<rect x="${x}" y="${y.toFixed(1)}" width="${w}" height="${h.toFixed(1)}" fill="${ink}"/>`);
  const text = (x: number, y: number, content: string, size = 12) =>
    parts.push(`<text x="${x}" y="${y}" font-size="${size}" fill="${palette.text}">${escaped(content)}</text>`);
  const start = session.settings.relative ? 0 : trace.info.unixStartUs;
  const step = tickStep(session.us(perColumn));
  for (let at = Math.ceil(session.us(from) / step) * step; at < session.us(to); at += step) {
    const x = LABELS + Math.round((at / trace.tickUs - from) / perColumn);
    rect(x, 0, 1, 26, palette.line);
    text(x + 3, 16, moment(at, start, step >= 1e6 ? 0 : 3), 11);
  }
  for (const row of session.derived.rows) {
    if (row.kind === "process") {
      text(8, top + 16, symbols.process(row.number), 13);
      top += 24;
      continue;
    }
    text(16, top + 26, symbols.track(row.number));
    sampleColumns(trace.tracks[row.number], from, perColumn, columns);
    const { depth, common } = session.derived.shares(row.number);
    const scale = TALL / Math.max(1, session.derived.deepest(row.number));
    const bottom = top + TALL;
    for (let x = 0; x < WIDTH; ) {
      const stack = columns.stack[x];
      const state = columns.state[x];
      let end = x + 1;
      while (end < WIDTH && columns.stack[end] === stack && columns.state[end] === state) end++;
      if (stack !== 0) {
        const waiting = state > State.runnable;
        const tall = Math.max(1, depth[stack] * scale);
        const shared = common.length > 0 ? common[stack] * scale : 0;
        rect(
          LABELS + x,
          bottom - tall,
          end - x,
          tall - shared,
          waiting ? mix(palette.background, palette.rest, 0.4) : palette.rest,
        );
        if (shared > 0) {
          rect(
            LABELS + x,
            bottom - shared,
            end - x,
            shared,
            waiting ? mix(palette.background, palette.common, 0.55) : palette.common,
          );
          rect(LABELS + x, bottom - shared, end - x, shared, "url(#hatch)");
        }
        if (session.trace.hasStates) {
          parts.push(
            `<rect x="${LABELS + x}" y="${bottom + 2}" width="${end - x}" height="5" fill="${palette.states[state]}"><title>${STATE_NAMES[state]}</title></rect>`,
          );
        }
      }
      x = end;
    }
    top += TALL + 12;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LABELS + WIDTH}" height="${top + 10}" font-family="sans-serif">`,
    `<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="6" fill="${mix(palette.common, palette.background, 0.5)}"/></pattern></defs>`,
    `<rect width="100%" height="100%" fill="${palette.background}"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** The part of the timeline that the page shows, with the names of its rows, as a PNG. */
export function timelinePng(session: Session): Promise<Blob> {
  const ruler = byId<HTMLCanvasElement>("ruler");
  const tracks = byId<HTMLCanvasElement>("tracks");
  const ratio = tracks.width / Math.max(1, tracks.clientWidth);
  const labels = Math.round(LABELS * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = labels + tracks.width;
  canvas.height = ruler.height + tracks.height;
  const context = contextOf(canvas);
  const { palette } = look;
  rectangle(context, palette.background, 0, 0, canvas.width, canvas.height);
  context.drawImage(ruler, labels, 0);
  context.drawImage(tracks, labels, ruler.height);
  context.scale(ratio, ratio);
  context.fillStyle = palette.text;
  const scrolled = byId("scroll").scrollTop;
  for (const row of session.derived.rows) {
    const y = ruler.height / ratio + row.top - scrolled + Math.min(row.height, 50) / 2 + 4;
    if (y < ruler.height / ratio + 10 || y > canvas.height / ratio) continue;
    context.font = row.kind === "process" ? "bold 13px sans-serif" : "12px sans-serif";
    const name =
      row.kind === "process" ? session.symbols.process(row.number) : `  ${session.symbols.track(row.number)}`;
    context.fillText(name, 8, y, LABELS - 16);
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large")))),
  );
}
