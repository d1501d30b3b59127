// SPDX-License-Identifier: MIT OR Apache-2.0

// A headless browser, and watched pages in it: an error, a policy violation or a network
// request of a page fails its test.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { repository } from "../fixtures.ts";
import { service } from "../made_up.ts";

export const EMPTY_PAGE = repository("viewer/dist/viewer.html");

let browser: Browser | null = null;
const scratch = mkdtempSync(join(tmpdir(), "pyebpf-viewer-"));

async function start(): Promise<Browser> {
  browser ??= await chromium.launch({
    executablePath: process.env.PYEBPF_CHROMIUM || "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return browser;
}

after(async () => {
  await browser?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Writes a file for one test, and returns its path. It is removed after all tests. */
export function scratchFile(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

export interface Options {
  width?: number;
  height?: number;
  dark?: boolean;
  hash?: string;
  forcedColors?: boolean;
  /** Messages of the browser that are no fault, such as those about a server that is gone. */
  expects?: RegExp;
}

/** An open page, what went wrong on it, and what the tests ask of it repeatedly. */
export class Viewer {
  private trouble: string[] = [];

  private constructor(readonly page: Page) {}

  /** Opens a file from disk or the page of a server, and waits until it shows its trace or says why not. */
  static async open(file: string, options: Options = {}): Promise<Viewer> {
    const context = await (await start()).newContext({
      viewport: { width: options.width ?? 1300, height: options.height ?? 900 },
      colorScheme: options.dark ? "dark" : "light",
      forcedColors: options.forcedColors ? "active" : "none",
      acceptDownloads: true,
      reducedMotion: "reduce",
    });
    const isServed = file.startsWith("http:");
    const { origin } = new URL(isServed ? file : `file://${file}`);
    const viewer = new Viewer(await context.newPage());
    const { page } = viewer;
    await page.addInitScript(() => {
      const found: string[] = [];
      Object.assign(window, { violations: found });
      document.addEventListener("securitypolicyviolation", (event) =>
        found.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
      );
    });
    page.on("pageerror", (error) => viewer.trouble.push(`error: ${error.stack}`));
    page.on("console", (message) => {
      // Ignores a warning about reading pixels back, which the tests do and the page does not.
      const isExpected = message.text().includes("willReadFrequently") || options.expects?.test(message.text());
      if (!isExpected) viewer.trouble.push(`console: ${message.text()}`);
    });
    page.on("dialog", (dialog) => {
      viewer.trouble.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!/^(file|blob|data):/.test(url) && !(isServed && new URL(url).origin === origin))
        viewer.trouble.push(`request: ${url}`);
    });
    await page.goto(`${isServed ? "" : "file://"}${file}${options.hash ?? ""}`);
    await viewer.settled();
    return viewer;
  }

  /** Waits until a trace is shown, or a message. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(() => {
      const welcome = document.getElementById("welcome");
      return ("__pyebpf" in window && welcome?.hidden) || welcome?.querySelector("button,.error");
    });
    await this.frame();
  }

  /** Waits until changes are drawn and the panels have followed. */
  async frame(): Promise<void> {
    await this.page.evaluate(
      () =>
        new Promise<void>((resolve) =>
          setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => resolve())), 130),
        ),
    );
  }

  /** Closes the page, and fails if anything went wrong on it. */
  async close(): Promise<void> {
    const violations = await this.page.evaluate(() => (window as unknown as { violations: string[] }).violations);
    await this.page.context().close();
    assert.deepEqual([...this.trouble, ...violations], []);
  }

  async now(): Promise<Now> {
    return this.page.evaluate(() => (window as unknown as { __pyebpf: { now(): Now } }).__pyebpf.now());
  }

  async threads(): Promise<[string, number][]> {
    return this.page.evaluate(
      () => (window as unknown as { __pyebpf: { threads: [string, number][] } }).__pyebpf.threads,
    );
  }

  async sample(track: number, row: number): Promise<Sample> {
    return this.page.evaluate(
      ([track, row]) =>
        (window as unknown as { __pyebpf: { sampleAt(track: number, row: number): Sample } }).__pyebpf.sampleAt(
          track,
          row,
        ),
      [track, row],
    );
  }

  /** Where a time is in the picture, in CSS pixels from its left. */
  async pixel(time: number): Promise<number> {
    return this.page.evaluate(
      (time) => (window as unknown as { __pyebpf: { pixel(time: number): number } }).__pyebpf.pixel(time),
      time,
    );
  }

  async text(selector: string): Promise<string> {
    return (await this.page.textContent(selector)) ?? "";
  }

  /** The rectangle of a track's row in the picture, in CSS pixels. */
  async placeOf(track: number): Promise<{ left: number; width: number; top: number; height: number }> {
    const place = await this.page.evaluate((track) => {
      const name = document.querySelector<HTMLElement>(`[data-key=track${track}]`);
      const canvas = document.getElementById("tracks")!.getBoundingClientRect();
      const own = name?.getBoundingClientRect();
      return own && { left: canvas.left, width: canvas.width, top: own.top, height: own.height };
    }, track);
    assert.ok(place, `track ${track} is not on the page`);
    return place;
  }

  /**
   * Clicks a sample of a track, the first one more than 3 pixels wide or else the widest, and
   * returns its row. Starts at the fraction `from` of the track's rows.
   */
  async clickSample(track: number, from = 0.5, modifiers: "Shift"[] = []): Promise<number> {
    const place = await this.placeOf(track);
    const wanted = await this.page.evaluate(
      ([track, from]) => {
        const api = (
          window as unknown as {
            __pyebpf: {
              threads: [string, number][];
              sampleAt(t: number, r: number): Sample;
              pixel(time: number): number;
            };
          }
        ).__pyebpf;
        const rows = api.threads[track][1];
        let best = { row: -1, x: 0, width: 0 };
        for (let row = Math.floor(rows * from); row + 1 < rows; row++) {
          const sample = api.sampleAt(track, row);
          if (sample.deep === 0) continue;
          const [left, right] = [api.pixel(sample.from), api.pixel(api.sampleAt(track, row + 1).from)];
          if (right - left > best.width) best = { row, x: (left + right) / 2, width: right - left };
          if (best.width > 3) break;
        }
        return best;
      },
      [track, from],
    );
    assert.ok(wanted.row >= 0, `track ${track} has no sample`);
    for (const modifier of modifiers) await this.page.keyboard.down(modifier);
    await this.page.mouse.click(place.left + wanted.x, place.top + place.height / 2);
    for (const modifier of modifiers) await this.page.keyboard.up(modifier);
    await this.frame();
    return wanted.row;
  }

  /** The colours of one column of pixels of a canvas, from `top` on. */
  async column(canvas: string, x: number, top: number, height: number): Promise<string[]> {
    return this.page.evaluate(
      ([canvas, x, top, height]) => {
        const element = document.querySelector<HTMLCanvasElement>(canvas as string)!;
        const ratio = element.width / element.clientWidth;
        const column = (x as number) * ratio;
        const image = element
          .getContext("2d")!
          .getImageData(column, (top as number) * ratio, 1, (height as number) * ratio);
        const colours: string[] = [];
        for (let at = 0; at < image.data.length; at += 4) {
          colours.push([0, 1, 2].map((part) => image.data[at + part].toString(16).padStart(2, "0")).join(""));
        }
        return colours;
      },
      [canvas, x, top, height] as const,
    );
  }

  /** The colours of every column of pixels of a canvas, each from `top` on. */
  async columns(canvas: string, top: number, height: number): Promise<string[][]> {
    return this.page.evaluate(
      ([canvas, top, height]) => {
        const element = document.querySelector<HTMLCanvasElement>(canvas as string)!;
        const { data, width } = element
          .getContext("2d")!
          .getImageData(0, top as number, element.width, height as number);
        const colour = (at: number) => [0, 1, 2].map((part) => data[at + part].toString(16).padStart(2, "0")).join("");
        return Array.from({ length: width }, (_, x) =>
          Array.from({ length: height as number }, (_, y) => colour((y * width + x) * 4)),
        );
      },
      [canvas, top, height] as const,
    );
  }

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
    await this.frame();
  }

  /** Drops a file on the page; with `compares`, on the half that compares. */
  async drop(name: string, content: Uint8Array | string, compares = false): Promise<void> {
    const base64 = Buffer.from(content as Uint8Array).toString("base64");
    await this.page.evaluate(
      ([name, base64, compares]) => {
        const bytes = Uint8Array.from(atob(base64 as string), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name as string));
        const over = (target: Element, type: string) =>
          target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
        over(document.body, "dragenter");
        over(document.body, "dragover");
        const zones = document.querySelectorAll("#drop > div");
        over(zones[compares ? 1 : 0], "drop");
      },
      [name, base64, compares] as const,
    );
  }
}

export interface Now {
  visible: [number, number];
  chosen: [number, number] | null;
  sample: [number, number] | null;
  pin: number;
  litFrom: number;
  transformed: number;
  shown: number[];
  following: boolean;
}

export interface Sample {
  from: number;
  deep: number;
  shared: number;
  doing: number;
}

/** Fails if axe finds something serious on the page. */
export async function audit(viewer: Viewer, where: string): Promise<void> {
  const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  // The page allows no script but its own; the debugger may add another.
  const session = await viewer.page.context().newCDPSession(viewer.page);
  await session.send("Runtime.evaluate", { expression: source });
  const { result } = await session.send("Runtime.evaluate", {
    expression:
      "axe.run({resultTypes:['violations']}).then((found) => JSON.stringify(found.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.map((n) => n.html.slice(0, 160) + ' ' + n.failureSummary) }))))",
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  const found = JSON.parse(String(result.value)) as { id: string; impact: string; nodes: string[] }[];
  const bad = found.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(bad, [], `${where}: ${JSON.stringify(bad, null, 1)}`);
}

/** Opens a page, runs one test on it, and closes it. */
export async function withViewer(
  file: string,
  options: Options,
  run: (viewer: Viewer) => Promise<void>,
): Promise<void> {
  const viewer = await Viewer.open(file, options);
  await run(viewer);
  await viewer.close();
}

/** Like [`withViewer`], on the made-up service: it has the same rows in every run. */
export async function withService(options: Options, run: (viewer: Viewer) => Promise<void>): Promise<void> {
  await withViewer(EMPTY_PAGE, options, async (viewer) => {
    await viewer.drop("service.json", service());
    await viewer.settled();
    await run(viewer);
  });
}
