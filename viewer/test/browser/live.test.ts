// SPDX-License-Identifier: MIT OR Apache-2.0

// The live page, fed by a server that answers as `pyebpf serve` does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { audit, type Options, Viewer } from "./harness.ts";
import { LiveServer } from "./live_server.ts";

const SERVICE = { processes: 3, threads: 4, busy: 2 };
/** What a browser says of a server that is gone or refuses. */
const GONE = /net::ERR_|status of 503/;

async function withLive(
  options: Options,
  run: (viewer: Viewer, server: LiveServer) => Promise<void>,
  prepare: (server: LiveServer) => void = () => {},
): Promise<void> {
  const server = await LiveServer.start({ ...SERVICE, startS: Math.floor(Date.now() / 1000) - 120 });
  try {
    prepare(server);
    const viewer = await Viewer.open(server.url, options);
    await run(viewer, server);
    await viewer.close();
  } finally {
    await server.close();
  }
}

const endOf = (viewer: Viewer) =>
  viewer.page.evaluate(() => (window as unknown as { __pyebpf: { endAt: number } }).__pyebpf.endAt);

/** Lets two seconds pass on the server, and waits until the page shows them. */
async function grow(viewer: Viewer, server: LiveServer): Promise<void> {
  const end = await endOf(viewer);
  server.grow();
  await viewer.page.waitForFunction(
    (end) => (window as unknown as { __pyebpf: { endAt: number } }).__pyebpf.endAt > end,
    end,
  );
  await viewer.frame();
}

const state = (viewer: Viewer) => viewer.text("#server .state");
const says = (viewer: Viewer, text: string) => viewer.page.waitForSelector(`#server .state:has-text('${text}')`);

test("the page works with a token in its address", async () => {
  const server = await LiveServer.start({ ...SERVICE, startS: Math.floor(Date.now() / 1000) - 120 });
  try {
    const viewer = await Viewer.open(server.url.replace("//", "//x:secret@"), {});
    await says(viewer, "Live");
    await viewer.close();
  } finally {
    await server.close();
  }
});

test("the picture follows what happens, and stands still for whoever looks at something", () =>
  withLive({}, async (viewer, server) => {
    const { page } = viewer;
    await says(viewer, "Live");
    const before = await viewer.now();
    assert.ok(before.following);
    assert.equal(before.visible[1], await endOf(viewer));
    assert.match(await viewer.text("#window"), /1 min 00 s · 12 threads/);
    await grow(viewer, server);
    const after = await viewer.now();
    assert.equal(after.visible[1], await endOf(viewer));
    assert.equal(after.visible[1] - after.visible[0], before.visible[1] - before.visible[0]);
    assert.deepEqual(after.shown, before.shown, "rows keep their order");
    assert.equal(await page.getAttribute("[data-key=follow]", "aria-pressed"), "true");

    // A click selects, and the picture stops where it is.
    await viewer.clickSample(after.shown[0]);
    const chosen = await viewer.now();
    assert.ok(chosen.sample && !chosen.following);
    const stack = await viewer.text("#stack");
    for (let turn = 0; turn < 3; turn++) await grow(viewer, server);
    assert.deepEqual(await viewer.now(), chosen);
    assert.equal(await viewer.text("#stack"), stack);
    assert.match(await state(viewer), /Not following, 6\.00 s behind/);
    assert.match(await viewer.text("#live"), /MainThread|thread-1/, "what was selected is what is announced");
    // Samples that came since light up as the others do.
    const [, rows] = (await viewer.threads())[chosen.sample[0]];
    const selected = await viewer.sample(...chosen.sample);
    const last = await viewer.sample(chosen.sample[0], rows - 2);
    assert.ok(selected.shared === selected.deep && last.shared > 0 && last.shared <= selected.deep);

    await page.focus("#tracks");
    await viewer.press("e");
    await says(viewer, "Live");
    const again = await viewer.now();
    assert.equal(await viewer.text("#live"), "following");
    assert.equal(again.visible[1], await endOf(viewer));
    assert.deepEqual(again.sample, chosen.sample, "what is selected stays selected");
    await viewer.press("a");
    assert.ok(!(await viewer.now()).following, "moved");
    await viewer.press("End");
    assert.ok((await viewer.now()).following);
    await viewer.press("0");
    await grow(viewer, server);
    assert.deepEqual((await viewer.now()).visible, [0, await endOf(viewer)], "all, and what is added");
    await viewer.press("s", "5");
    await grow(viewer, server);
    assert.match(await viewer.text("#pane"), /render/);
  }));

test("back to what was kept, by steps, by time and by address, and back to now", () =>
  withLive({}, async (viewer, server) => {
    const { page } = viewer;
    const { startS } = server.options;
    await viewer.press("e");
    await page.click("[data-key=earlier]");
    await page.waitForFunction(() => /at=/.test(location.hash));
    await viewer.frame();
    assert.ok(server.asked.some(({ url }) => url === `/api/v1/trace?from=@${startS - 600}&to=@${startS}`));
    assert.equal(await page.textContent("[data-key=follow]"), "Back to live");
    assert.match(await page.title(), /past/);
    await viewer.clickSample((await viewer.now()).shown[0]);
    assert.ok((await viewer.now()).sample);
    server.grow();
    await viewer.press("PageUp");
    await page.waitForFunction((from) => location.hash.includes(`at=${from},`), startS - 1200);
    const hash = await page.evaluate(() => location.hash);
    await viewer.press("PageDown");
    await page.waitForFunction((from) => location.hash.includes(`at=${from},`), startS - 600);
    await viewer.press("e");
    await says(viewer, "Live");
    const { visible, following } = await viewer.now();
    assert.ok(following);
    assert.equal(visible[1], await endOf(viewer));

    await page.click("[data-key=moments]");
    await page.press(".sheet input[type=datetime-local]", "Enter");
    await page.waitForFunction(() => /at=/.test(location.hash));
    await viewer.page.reload();
    await viewer.settled();
    await says(viewer, "–");

    const other = await Viewer.open(server.url, { hash });
    await says(other, "–");
    assert.ok(server.asked.some(({ url }) => url === `/api/v1/trace?from=@${startS - 1200}&to=@${startS - 600}`));
    await other.close();
  }));

test("a recording is started and stopped, and a moment marked, from the page", () =>
  withLive(
    { expects: GONE },
    async (viewer, server) => {
      const { page } = viewer;
      await page.click("[data-key=record]");
      await page.fill(".sheet input[type=number] >> nth=0", "250");
      await page.fill(".sheet input[type=number] >> nth=1", "");
      await page.fill(".sheet input[type=text]", "load test");
      await page.click(".sheet .primary");
      await page.waitForSelector("[data-key=record]:has-text('Recording at 250 Hz')");
      const started = server.asked.find(({ url, method }) => method === "POST" && url === "/api/v1/recordings");
      assert.deepEqual(started?.body, { hz: 250, name: "load test" });
      assert.equal(started?.type, "application/json");
      await page.waitForSelector(".sheet", { state: "detached" });
      await page.click("[data-key=record]");
      await page.click(".sheet button:has-text('Stop')");
      await page.waitForSelector("[data-key=record]:has-text('Record ▾')");
      await page.keyboard.press("Escape");
      await page.waitForSelector(".sheet", { state: "detached" });
      assert.ok(server.asked.some(({ url, method }) => method === "POST" && url === "/api/v1/recordings/1/stop"));
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("data-key")), "record");

      await page.focus("#tracks");
      await page.keyboard.press("M");
      await page.keyboard.type("deploy 42");
      await page.keyboard.press("Enter");
      await page.waitForSelector("[data-key=moments]:has-text('(2)')");
      const marked = server.asked.find(({ url, method }) => method === "POST" && url === "/api/v1/marks");
      assert.deepEqual(marked?.body, { name: "deploy 42", before_s: 300, after_s: 60 });

      // The flag is in the ruler; a click shows what is around it, and what it keeps begins earlier.
      const ruler = (await page.locator("#ruler").boundingBox())!;
      await grow(viewer, server);
      const at = (await viewer.now()).visible;
      const x = await viewer.pixel(at[1] - (2e6 + 1e5) / 10);
      await page.mouse.move(ruler.x + x + 4, ruler.y + ruler.height - 6);
      assert.match((await page.getAttribute("#ruler", "title")) ?? "", /deploy 42|load test/);
      await page.click("[data-key=moments]");
      await page.click(".sheet button:has-text('deploy 42')");
      await page.waitForFunction(() => /at=/.test(location.hash));

      server.refuses = 503;
      await page.click("[data-key=mark]");
      await page.fill(".sheet input[type=text]", "again");
      await page.click(".sheet .primary");
      await page.waitForSelector(".sheet .said:has-text('the recorder is restarting')");
    },
    undefined,
  ));

test("one process is shown, and what is shown is saved", () =>
  withLive(
    {},
    async (viewer, server) => {
      const { page } = viewer;
      await page.click("[data-key=target]");
      await page.waitForSelector(".sheet li:has-text('celery')");
      assert.deepEqual(await page.locator(".sheet li b").allTextContents(), [
        "All processes",
        "gunicorn [800]",
        "celery [801]",
        "<img src=x onerror=alert(1)>\\u{202e} [802]",
      ]);
      await page.fill(".sheet input", "gun");
      assert.equal(await page.locator(".sheet li").count(), 1);
      await page.click(".sheet li button");
      await page.waitForFunction(
        () => (window as unknown as { __pyebpf: { threads: unknown[] } }).__pyebpf.threads.length === 4,
      );
      await says(viewer, "Live");
      assert.ok(server.asked.some(({ url }) => url === "/api/v1/trace?last=10m&pid=800&follow=1"));
      const { startS } = server.options;
      await page.click("[data-key=save]");
      const links = await page.locator(".sheet a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
      assert.equal(links.length, 9);
      for (const format of ["pyebpf", "html", "svg", "folded", "pprof", "speedscope", "firefox", "chrome", "json"])
        assert.ok(
          links.includes(`api/v1/trace?from=@${startS + 60}&to=@${startS + 120}&pid=800&format=${format}`),
          format,
        );
      await page.keyboard.press("Escape");
      await page.waitForSelector(".sheet", { state: "detached" });
      await page.click("[data-key=problems]");
      assert.match(await viewer.text(".sheet"), /chunk 12 is damaged/);
    },
    (server) => {
      const cpu = { python: "3.12.1", threads: 7, ended: false };
      server.processes = [
        { ...cpu, pid: 801, name: "celery", cmdline: "celery worker", cpu_percent: 0.4 },
        { ...cpu, pid: 800, name: "gunicorn", cmdline: "gunicorn app:app", cpu_percent: 12 },
        { ...cpu, pid: 802, name: "<img src=x onerror=alert(1)>\u202e", cmdline: "", cpu_percent: 0, ended: true },
      ];
      server.problems = ["chunk 12 is damaged"];
    },
  ));

test("a lost connection is said, and found again where it was", () =>
  withLive({ expects: GONE }, async (viewer, server) => {
    const { page } = viewer;
    await viewer.clickSample((await viewer.now()).shown[0]);
    const before = await viewer.now();
    server.refuses = 503;
    server.drop();
    await says(viewer, "Connection lost, reconnecting");
    assert.deepEqual(await viewer.now(), before, "what was there stays on the page");
    await says(viewer, "the recorder is restarting");
    server.refuses = 0;
    server.grow();
    await says(viewer, "Not following");
    await viewer.frame();
    assert.deepEqual(await viewer.now(), before, "and what was chosen, too");
    const { startS } = server.options;
    assert.ok(server.asked.some(({ url }) => url === `/api/v1/trace?from=@${startS}&follow=1`));
    await page.waitForFunction(() => !document.querySelector("#server .bad"));
    while (server.asked.filter(({ lastEventId }) => lastEventId !== "").length === 0) await viewer.frame();
    await viewer.press("e");
    await grow(viewer, server);
    assert.ok((await viewer.now()).following);
  }));

test("a file can be opened instead, and left again", () =>
  withLive({}, async (viewer, server) => {
    const { page } = viewer;
    await viewer.drop("one.folded", "main;work 5\n");
    await page.waitForFunction(
      () => (window as unknown as { __pyebpf: { threads: unknown[] } }).__pyebpf.threads.length === 1,
    );
    assert.equal(await state(viewer), "a file");
    server.grow();
    await viewer.frame();
    assert.equal((await viewer.threads()).length, 1);
    await page.click("[data-key=follow]");
    await says(viewer, "Live");
    assert.equal((await viewer.threads()).length, 12);
  }));

test("no serious finding of axe on the live page, wide or narrow, light or dark", async () => {
  for (const [width, dark] of [
    [1280, false],
    [1280, true],
    [390, false],
  ] as const) {
    await withLive(
      { dark, width },
      async (viewer) => {
        for (const control of ["", "target", "record", "mark", "moments", "save"]) {
          if (control) await viewer.page.click(`[data-key=${control}]`);
          await viewer.frame();
          await audit(viewer, `${control} at ${width}`);
          assert.equal(await viewer.page.evaluate(() => document.documentElement.scrollWidth), width);
          if (control) await viewer.page.keyboard.press("Escape");
        }
      },
      (server) => {
        server.problems = ["one"];
        server.processes = [{ pid: 800, name: "a", threads: 1, cpu_percent: 1, ended: false }];
        server.marks = [{ id: 1, name: "deploy", at_us: (server.nowS - 9) * 1e6 }];
        server.recordings = [
          { id: 1, name: "r", hz: 100, from_us: (server.nowS - 8) * 1e6, to_us: null, state: "running" },
        ];
      },
    );
  }
});
