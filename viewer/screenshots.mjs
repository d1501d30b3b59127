// SPDX-License-Identifier: MIT OR Apache-2.0

// Takes the screenshots in docs/ from a trace that was just recorded, and from a server.
// Arguments: the page with the trace, and the directory for the pictures. PYEBPF_SERVER and
// PYEBPF_TOKEN name the server.
import { join } from "node:path";
import { chromium } from "playwright-core";

const [trace, out] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.PYEBPF_CHROMIUM || "/usr/bin/chromium",
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

const { PYEBPF_SERVER: server, PYEBPF_TOKEN: password } = process.env;

async function picture(name, width, height, colorScheme, run, url = `file://${trace}`) {
  const httpCredentials = url === server ? { username: "any", password } : undefined;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, httpCredentials });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => "__pyebpf" in window);
  await run(page);
  // No outline around what a key or the search was typed into.
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(out, name) });
  await page.context().close();
}

/** Waits until a server answers, which it does at once. */
async function answering(url) {
  for (let tries = 0; ; tries++) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Searches for a function and selects the 40th sample that is found. */
async function find(page, name) {
  await page.fill("#search", name);
  for (let hit = 0; hit < 40; hit++) await page.press("#search", "Enter");
  await page.fill("#search", "");
}

/** How long a server's recording has to be, in units of 10 microseconds. */
const LONG_ENOUGH = 2.5e6;
// First, since the server ends by itself.
await answering(server);
await picture(
  "live.png",
  1280,
  840,
  "light",
  (page) => page.waitForFunction((end) => window.__pyebpf.endAt > end, LONG_ENOUGH, { timeout: 60_000 }),
  server,
);
await picture("viewer.png", 1280, 840, "light", async (page) => {
  await find(page, "sign_answer");
  await page.locator("#stack").evaluate((panel) => panel.scrollTo(0, panel.scrollHeight));
});
await picture("viewer-dark.png", 1280, 840, "dark", async (page) => {
  await find(page, "find_references");
  await page.keyboard.press("Escape");
  await page.focus("#tracks");
  await page.keyboard.press("x");
  await page.keyboard.press("z");
  for (let turn = 0; turn < 6; turn++) await page.keyboard.press("s");
  await page.keyboard.press("5");
});
await browser.close();
