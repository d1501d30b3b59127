// SPDX-License-Identifier: MIT OR Apache-2.0

// Measures the page on a long recording in a headless browser: how soon it is ready, how
// much memory it uses, how smoothly it moves, and how soon a click recolours it. Prints the
// numbers and has no thresholds. Arguments: the page with the trace, and the same trace as
// a container, which is opened in the empty page.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [page, container] = process.argv.slice(2);
const empty = join(dirname(fileURLToPath(import.meta.url)), "../dist/viewer.html");
const LAUNCH = {
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
};
const SIZE = { width: 1600, height: 1000 };
const TIMES = 3;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values, digits = 0) =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}..${Math.max(...values).toFixed(digits)})`;

/** Private memory of the largest renderer process of this browser, in MiB. */
function privateMemory(parent) {
  let most = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) continue;
      if (!isBelow(pid, parent)) continue;
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(rollup)?.[1] ?? 0);
      most = Math.max(most, (of("Private_Dirty") + of("Private_Clean")) / 1024);
    } catch {
      // The process ended while it was being read.
    }
  }
  return most;
}

/**
 * CPU time so far of the busiest renderer process of this browser, in ms. Unlike elapsed
 * time, it does not depend on what else runs. Assumes clock ticks of 10 ms.
 */
function processorTime(parent) {
  let most = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer") || !isBelow(pid, parent)) continue;
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
      most = Math.max(most, (Number(fields[11]) + Number(fields[12])) * 10);
    } catch {
      // The process ended while it was being read.
    }
  }
  return most;
}

function isBelow(pid, ancestor) {
  for (let at = Number(pid); at > 1; ) {
    if (at === ancestor) return true;
    at = Number(readFileSync(`/proc/${at}/stat`, "utf8").split(") ")[1].split(" ")[1]);
  }
  return false;
}

/** Opens the trace; returns the server, the page, how long it took in ms, and a way to close. */
async function open(drops, onStart = () => {}) {
  const server = await chromium.launchServer(LAUNCH);
  const browser = await chromium.connect(server.wsEndpoint());
  const view = await (await browser.newContext({ viewport: SIZE })).newPage();
  onStart(server.process().pid);
  let ready;
  if (drops) {
    await view.goto(`file://${empty}`);
    const input = view.locator("input[type=file]");
    // Measured from the input's change event, the moment the page learns of the file.
    await view.evaluate(() =>
      document
        .querySelector("input[type=file]")
        .addEventListener("change", () => (window.told = performance.now()), true),
    );
    await input.setInputFiles(container);
    await view.waitForFunction(() => "__pyebpf" in window, null, { timeout: 60_000 });
    ready = await view.evaluate(() => window.__pyebpf.readyAt - window.told);
  } else {
    await view.goto(`file://${page}`, { waitUntil: "commit" });
    await view.waitForFunction(() => "__pyebpf" in window, null, { timeout: 60_000 });
    // Measured from the start of the navigation to the first picture.
    ready = await view.evaluate(() => window.__pyebpf.readyAt);
  }
  const close = () => browser.close().then(() => server.close());
  return { server, view, ready, close };
}

/** Peak memory while a trace opens. In a run of its own, since polling slows the page down. */
async function peakOf(drops) {
  let peak = 0;
  let watching;
  const { close } = await open(drops, (pid) => {
    watching = setInterval(() => (peak = Math.max(peak, privateMemory(pid))), 20);
  });
  clearInterval(watching);
  await close();
  return peak;
}

async function once(drops) {
  const { server, view, ready, close } = await open(drops);
  const result = { ready };
  result.processor = processorTime(server.process().pid);
  result.rows = await view.evaluate(() => window.__pyebpf.rowCount);
  result.threads = await view.evaluate(() => window.__pyebpf.threads.length);
  await view.waitForTimeout(1500);
  result.memory = privateMemory(server.process().pid);

  result.clicks = await view.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const taken = [];
    const { threads, sampleAt, choose } = window.__pyebpf;
    for (let turn = 0; turn < 24; turn++) {
      const track = (turn * 7) % threads.length;
      let row = Math.floor((threads[track][1] * (turn + 1)) / 26);
      while (sampleAt(track, row).deep === 0) row++;
      const before = performance.now();
      choose(track, row);
      await frame();
      taken.push(performance.now() - before);
    }
    return taken;
  });
  result.rates = await view.evaluate(async () => {
    const end = window.__pyebpf.endAt;
    const rates = {};
    const run = (name, at) =>
      new Promise((resolve) => {
        let frames = 0;
        const begin = performance.now();
        const step = (now) => {
          const part = (now - begin) / 3000;
          if (part >= 1) {
            rates[name] = frames / 3;
            return resolve();
          }
          frames++;
          window.__pyebpf.look(...at(part));
          requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      });
    await run("pan", (part) => [part * end * 0.5, part * end * 0.5 + end * 0.5]);
    await run("zoom", (part) => {
      const length = end * Math.exp(-12 * part);
      return [end * 0.37 - length * 0.37, end * 0.37 + length * 0.63];
    });
    await run("pan, an hour", (part) => [part * end * 0.8, part * end * 0.8 + end / 9]);
    return rates;
  });
  await close();
  return result;
}

console.log(`${cpus().length} CPUs, load average ${loadavg()[0].toFixed(1)}`);
for (const [name, drops] of [
  ["the page", false],
  ["the container, dropped", true],
]) {
  const results = [];
  const peaks = [];
  for (let turn = 0; turn < TIMES; turn++) {
    results.push(await once(drops));
    peaks.push(await peakOf(drops));
  }
  const all = (key) => results.map((result) => result[key]);
  console.log(
    `${name}: ${results[0].rows} rows, ${results[0].threads} threads, file ${(statSync(drops ? container : page).size / 1e6).toFixed(1)} MB`,
  );
  console.log(`  ready                    ${spread(all("ready"))} ms`);
  console.log(`  CPU time until then      ${spread(all("processor"))} ms, of all threads of the page`);
  console.log(`  memory, at rest          ${spread(all("memory"))} MB; the most while loading ${spread(peaks)} MB`);
  const clicks = results.flatMap(({ clicks }) => clicks);
  console.log(`  a click, until painted   ${spread(clicks)} ms`);
  for (const rate of Object.keys(results[0].rates)) {
    console.log(
      `  ${rate.padEnd(24)} ${spread(
        results.map(({ rates }) => rates[rate]),
        1,
      )} frames a second`,
    );
  }
}
console.log(`the page itself: ${statSync(empty).size} bytes`);
