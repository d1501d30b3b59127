// SPDX-License-Identifier: MIT OR Apache-2.0

// Takes the screenshots in docs/ from a trace that was just recorded. Arguments: the page
// with the trace, and the directory for the pictures.
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

async function picture(name, width, height, colorScheme, run) {
  const page = await (await browser.newContext({ viewport: { width, height }, colorScheme })).newPage();
  await page.goto(`file://${trace}`);
  await page.waitForFunction(() => "__pyebpf" in window);
  await run(page);
  // No outline around what a key or the search was typed into.
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(out, name) });
  await page.context().close();
}

/** Searches for a function and selects the 40th sample that is found. */
async function find(page, name) {
  await page.fill("#search", name);
  for (let hit = 0; hit < 40; hit++) await page.press("#search", "Enter");
  await page.fill("#search", "");
}

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
