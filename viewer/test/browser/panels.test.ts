// SPDX-License-Identifier: MIT OR Apache-2.0

// What the panels show of a window, and what search, filters, transforms and exports do with
// it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { container } from "../container_writer.ts";
import { trace } from "../fixtures.ts";
import { scratchFile, type Viewer, withService, withViewer } from "./harness.ts";

const LIVE = trace("live.html");
const STATES = trace("states.html");

/** The page with a container in it, as the recorder writes one. */
function pageWith(bytes: Uint8Array): string {
  const live = readFileSync(LIVE, "utf8");
  const mark = ' id="trace">';
  const from = live.lastIndexOf(mark) + mark.length;
  return live.slice(0, from) + Buffer.from(bytes).toString("base64") + live.slice(live.indexOf("<", from));
}

const functionsOf = (viewer: Viewer) =>
  viewer.page.$$eval("#pane tbody td button", (all) => all.map((one) => one.textContent ?? ""));

test("the top table names what the service does, and follows the window", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("5");
    const functions = await functionsOf(viewer);
    for (const name of ["sign_answer", "findall"])
      assert.ok(functions.slice(0, 6).includes(name), functions.slice(0, 6).join());
    const shares = await page.$$eval("#pane tbody tr", (all) =>
      all.map((row) => parseFloat(row.querySelector("td")!.textContent!.replace("<", ""))),
    );
    assert.deepEqual(
      shares,
      [...shares].sort((a, b) => b - a),
    );
    await page.click("th[data-column=total] button");
    const totals = await page.$$eval("#pane tbody tr", (all) =>
      all.map((row) => parseFloat(row.querySelectorAll("td")[1].textContent!.replace("<", ""))),
    );
    assert.ok(totals[0] >= 90 && totals[0] >= totals[1]);
    await page.click("text=Lines");
    assert.match(await viewer.text("#pane tbody"), /service\.py:\d+ · /);
    await page.click("text=Lines");
    await page.fill("#pane input[type=search]", "json");
    assert.ok((await functionsOf(viewer)).includes("JSONDecoder.raw_decode"));
    assert.ok(!(await functionsOf(viewer)).includes("sign_answer"));
    await page.fill("#pane input[type=search]", "");

    const before = await viewer.text("#pane .tools");
    const box = (await page.locator("#tracks").boundingBox())!;
    await page.mouse.move(box.x + 100, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 180, box.y + 60, { steps: 3 });
    await page.mouse.up();
    await viewer.frame();
    assert.notEqual(await viewer.text("#pane .tools"), before);
  }));

test("times are those of samples and of the kernel, not of what is drawn", async () => {
  // Half a second of samples in a row of four seconds, one in five in the kernel.
  const rows = [
    { us: 0, stack: 1 as const, state: 1, samples: 50, system: 10 },
    { us: 4_000_000, stack: 0 as const, state: 0 },
  ];
  const account = {
    process: { kernel_cpu_us: 530_000, kernel_user_us: 410_000, kernel_system_us: 120_000 },
    tracks: [[0, 410_000, 110_000]],
  };
  const bytes = container({ mode: "cpu", endUs: 5_000_000, segments: [[{ period: 10_000_000, rows }]], account });
  await withViewer(scratchFile("page.html", pageWith(bytes)), {}, async (viewer) => {
    const { page } = viewer;
    assert.match(await viewer.text("#labels"), /ran 10 %/);
    const titles = await page.$$eval("#labels .row", (all) => all.map((one) => one.getAttribute("title") ?? ""));
    assert.match(titles[0], /530 ms of CPU, 500 ms seen \(410 ms user, 120 ms system\)/);
    assert.match(titles[1], /520 ms of CPU, 500 ms seen \(410 ms user, 110 ms system\)/);
    assert.match((await page.getAttribute("#window [data-state='1']", "title")) ?? "", /^500 ms, 100 ms in the kernel/);
    await viewer.clickSample(0, 0);
    assert.match(await viewer.text("#stack"), /4\.00 s · running 500 ms, 100 ms in the kernel · depth\s1/);
    assert.match(await viewer.text("#stack"), /thread 520 ms of CPU, 500 ms seen/);
    await viewer.press("5");
    assert.match(await viewer.text("#pane .tools"), /1 functions in 500 ms/);
    const cells = await page.$$eval("#pane tbody td", (all) =>
      all.map((one) => `${one.textContent} ${one.getAttribute("title") ?? ""}`.trim()),
    );
    assert.deepEqual(cells.slice(0, 3), [
      "100 % 500 ms, 100 ms in the kernel",
      "100 % 500 ms, 100 ms in the kernel",
      "20 % 100 ms",
    ]);
    await page.click("th[data-column=system] button");
    assert.equal(await page.getAttribute("th[data-column=system]", "aria-sort"), "descending");
    await viewer.press("2");
    const box = (await page.locator("#pane canvas").boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + box.height - 10);
    await viewer.frame();
    assert.match(await viewer.text("#pane .tools"), /100 % · 500 ms, 100 ms in the kernel/);
  });
  // If a trace has no such times, the page does not mention them.
  await withViewer(STATES, {}, async (viewer) => {
    await viewer.press("5");
    assert.equal(await viewer.page.$("th[data-column=system]"), null);
    assert.doesNotMatch(await viewer.text("#main"), /kernel/);
  });
});

test("flame graph, left-heavy, inverted and zoomed", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    for (const [key, label] of [
      ["2", /^Flame graph/],
      ["3", /^Left-heavy/],
    ] as const) {
      await viewer.press(key);
      const canvas = page.locator("#pane canvas");
      assert.match((await canvas.getAttribute("aria-label")) ?? "", label);
      const box = (await canvas.boundingBox())!;
      const x = box.x + box.width * 0.3;
      // The root is the lowest box of a flame graph, the highest of a left-heavy one.
      await page.mouse.move(x, key === "2" ? box.y + box.height - 10 : box.y + 8);
      await viewer.frame();
      assert.match(await viewer.text("#pane .tools"), /^all .*100 %/);
    }
    const canvas = page.locator("#pane canvas");
    await canvas.focus();
    await viewer.press("ArrowDown", "ArrowDown", "ArrowDown");
    const described = await viewer.text("#live");
    assert.match(described, /% · .* · self/);
    await viewer.press("Enter");
    await viewer.press("z");
    assert.match(await viewer.text("#pane .tools"), /Zoom out/);
    await viewer.press("Backspace");
    assert.doesNotMatch(await viewer.text("#pane .tools"), /Zoom out/);
    await page.focus("#tracks");
    await viewer.press("i");
    assert.match((await canvas.getAttribute("aria-label")) ?? "", /from the innermost/);
  }));

test("the root of the flame graph stays in sight", () =>
  withViewer(STATES, { height: 700 }, async (viewer) => {
    const { page } = viewer;
    const below = () =>
      page.$eval("#pane .canvasbox .canvasbox", (box) => {
        if (box.scrollHeight <= box.clientHeight) throw new Error("the graph fits, and proves nothing");
        return box.scrollHeight - box.clientHeight - box.scrollTop;
      });
    const height = () => page.$eval("#pane canvas", (canvas) => canvas.clientHeight);
    assert.ok((await below()) < 2);
    await viewer.press("1", "2");
    assert.ok((await below()) < 2, "after another tab with the same graph");
    await viewer.press("5", "2");
    assert.ok((await below()) < 2, "after another tab");
    // A transform makes it lower, and its undo higher.
    const whole = await height();
    await viewer.press("c");
    assert.ok((await height()) < whole);
    await viewer.press("c");
    assert.equal(await height(), whole);
    assert.ok((await below()) < 2, "after it grew");
  }));

test("a function between its callers and its callees", () =>
  withService({}, async (viewer) => {
    await viewer.press("5");
    await viewer.page.click("#pane tbody button:text-is('handle_job')");
    await viewer.press("4");
    assert.match(await viewer.text("#pane"), /handle_job service\.py · [\d.]+ % of the window/);
    const labels = await viewer.page.$$eval("#pane canvas", (all) => all.map((one) => one.getAttribute("aria-label")));
    assert.deepEqual(labels, ["Callers of handle_job", "Callees of handle_job"]);
  }));

test("a double click on a function of the table opens the sandwich", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("5");
    // The first click marks the row, in the table that the second one lands on.
    const table = await page.$("#pane table");
    await page.click("#pane tbody button:text-is('worker_loop')");
    await viewer.frame();
    assert.equal(await page.textContent("#pane tr.current button"), "worker_loop");
    assert.ok(await table!.evaluate((element) => element.isConnected), "the table was made anew");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "worker_loop");
    const box = (await page.locator("#pane tbody button:text-is('handle_job')").boundingBox())!;
    await page.mouse.move(box.x + 5, box.y + 5);
    for (const clickCount of [1, 2]) {
      await page.mouse.down({ clickCount });
      await page.mouse.up({ clickCount });
      await viewer.frame();
    }
    assert.match(await viewer.text("#pane"), /^handle_job/);
  }));

test("the heat map chooses a range", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("6");
    const canvas = page.locator("#pane canvas");
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.5);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.4, box.y + box.height * 0.5, { steps: 3 });
    await page.mouse.up();
    await viewer.frame();
    const [from, to] = (await viewer.now()).chosen!;
    const [, end] = (await viewer.now()).visible;
    assert.ok(Math.abs((to - from) / end - 0.1) < 0.04);
    await canvas.focus();
    await viewer.press("ArrowRight", "ArrowUp");
    assert.match(await viewer.text("#live"), /threads on average/);
    await viewer.press("Enter");
    const chosen = (await viewer.now()).chosen!;
    assert.ok(chosen[1] - chosen[0] < to - from);
  }));

test("states are switches: what is blocked, and where", () =>
  withViewer(STATES, {}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("5");
    assert.match(await viewer.text("#window"), /running \d+ %.*lock \d+ %.*I\/O \d/);
    await page.click("#window .chip[data-state='4']");
    await viewer.frame();
    assert.deepEqual((await functionsOf(viewer)).slice(0, 2).sort(), ["Ledger.acquire_lock", "Queue.get"]);
    await page.click("#window .chip[data-state='4']");
    await viewer.frame();
    assert.ok((await functionsOf(viewer)).length > 20);
    await viewer.press("h");
    assert.ok(!(await functionsOf(viewer)).includes("Queue.get"));
    await viewer.press("h");
    // The lane under a thread has the colours of its states.
    const track = (await viewer.now()).shown[0];
    const place = await viewer.placeOf(track);
    const canvas = (await page.locator("#tracks").boundingBox())!;
    const colours = new Set<string>();
    for (let x = 5; x < place.width; x += 7) {
      for (const colour of await viewer.column("#tracks", x, place.top - canvas.y + place.height - 8, 4))
        colours.add(colour);
    }
    for (const state of ["009e73", "8a1538"]) assert.ok(colours.has(state), [...colours].join());
  }));

test("what blocks the server: a few clicks on a recording of it", () =>
  withViewer(trace("wall.html"), {}, async (viewer) => {
    const { page } = viewer;
    // The service waits for locks; the switch of that state shows where.
    assert.match(await viewer.text("#window"), /lock \d+ %/);
    await page.click("#window .chip[data-state='4']");
    await page.click("#tab-top");
    await viewer.frame();
    assert.ok(
      (await functionsOf(viewer)).slice(0, 3).some((name) => /wait|acquire/.test(name)),
      (await functionsOf(viewer)).join(),
    );
    // Hiding the libraries shows in which of its own functions.
    await page.click("text=My code");
    await viewer.frame();
    const mine = await functionsOf(viewer);
    assert.ok(mine.slice(0, 2).includes("OrderHandler.do_POST") || mine.slice(0, 2).includes("do_POST"), mine.join());
    await page.click("th[data-column=total] button");
    await page.click("text=Lines");
    assert.match(await viewer.text("#pane tbody"), /job\.done\.wait\(\)/);
    // A click shows the stack of a thread that runs while others wait.
    await page.click("#window .chip[data-state='4']");
    const { shown } = await viewer.now();
    await viewer.clickSample(shown[1]);
    assert.ok((await page.locator("#stack li").count()) > 0);
  }));

test("searching by text, place and expression", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("/");
    await page.keyboard.type("sign_answer");
    await viewer.press("Enter");
    assert.match(await viewer.text("#bar output"), /% of the window/);
    const [track, row] = (await viewer.now()).sample!;
    assert.ok(
      (await page.$$eval("#stack li .func", (all) => all.map((one) => one.textContent))).includes("sign_answer"),
    );
    await viewer.press("Enter");
    assert.notDeepEqual((await viewer.now()).sample, [track, row]);
    await viewer.press("Shift+Enter");
    assert.deepEqual((await viewer.now()).sample, [track, row]);
    // Hits are marked in the overview and over the threads.
    const marks = async () => {
      const width = (await page.locator("#overview").boundingBox())!.width;
      let found = 0;
      for (let x = 1; x < width; x += 5) if ((await viewer.column("#overview", x, 1, 1))[0] === "8250df") found++;
      return found;
    };
    await viewer.frame();
    assert.ok((await marks()) > 5);
    await page.fill("#search", "service.py:59");
    await viewer.press("Enter");
    const share = await viewer.text("#bar output");
    await page.fill("#search", "/^sign_/");
    await viewer.press("Enter");
    assert.match(await viewer.text("#bar output"), /% of the window/);
    assert.match(share, /%/);
    await page.fill("#search", "/(/");
    await viewer.press("Enter");
    assert.match((await page.getAttribute("#bar output", "class")) ?? "", /error/);
    await page.fill("#search", "no_such_function");
    await viewer.press("Enter");
    assert.match(await viewer.text("#bar output"), /^0 %/);
    await viewer.press("Escape");
    assert.equal(await page.inputValue("#search"), "");
    assert.equal(await marks(), 0);
  }));

test("my code only, collapsed libraries, and the transforms, each taken back", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("5");
    await page.click("text=My code");
    await viewer.frame();
    const mine = await page.$$eval("#pane tbody .place", (all) => all.map((one) => one.textContent!.trim()));
    assert.ok(mine.length >= 3 && mine.every((place) => place.startsWith("service.py")), mine.join());
    assert.match(await viewer.text("#window .crumbs"), /my code/);
    await page.click("#window .crumbs button");
    await viewer.frame();
    assert.ok((await functionsOf(viewer)).includes("Thread.run"));

    await viewer.press("c");
    assert.ok((await functionsOf(viewer)).includes("[libraries]"));
    await viewer.press("Control+z");
    assert.ok(!(await functionsOf(viewer)).includes("[libraries]"));

    const total = async (name: string) => {
      await page.click("th[data-column=total] button");
      return page.$$eval(
        "#pane tbody tr",
        (all, name) =>
          all.find((row) => row.querySelector("button")?.textContent === name)?.querySelectorAll("td")[1].textContent,
        name,
      );
    };
    await page.click("#pane tbody button:text-is('handle_job')");
    await page.focus("#tracks");
    await viewer.press("f");
    assert.match((await total("handle_job")) ?? "", /^\d+ %$/);
    assert.equal(await total("Thread.run"), undefined);
    await viewer.press("Control+z");
    await page.click("#pane tbody button:text-is('handle_job')");
    await page.focus("#tracks");
    await viewer.press("m");
    assert.equal(await total("handle_job"), undefined);
    assert.match((await total("worker_loop")) ?? "", /%/);
    await viewer.press("Control+z");
    await page.click("#pane tbody button:text-is('sign_answer')");
    await page.focus("#tracks");
    await viewer.press("Shift+D");
    assert.equal(await total("sign_answer"), undefined);
    assert.equal((await viewer.now()).transformed, 1);
    await viewer.press("Control+z");
    assert.equal((await viewer.now()).transformed, 0);
    await viewer.press("r");
    await viewer.press("Control+z");

    // A subtree keeps exactly these callers.
    await page.focus("#search");
    await page.keyboard.type("handle_job");
    await viewer.press("Enter");
    await page.click("#stack li:has(.func:text-is('handle_job')) button");
    await page.click("#stack .actions >> text=Subtree");
    await viewer.frame();
    assert.equal((await page.$$eval("#stack li .func", (all) => all.map((one) => one.textContent)))[0], "handle_job");
    await page.click("text=Undo");
    await viewer.frame();
    assert.equal((await viewer.now()).transformed, 0);
  }));

test("line or function, and where the base lights up", () =>
  withViewer(STATES, {}, async (viewer) => {
    const { page } = viewer;
    const { shown } = await viewer.now();
    await viewer.clickSample(shown[0]);
    const other = shown[1];
    const shared = async () =>
      (await Promise.all([1, 5, 9, 30, 60].map((row) => viewer.sample(other, row)))).map((sample) => sample.shared);
    const byLine = await shared();
    await page.click("text=Same line");
    await viewer.frame();
    const byFunction = await shared();
    assert.ok(byFunction.every((count, at) => count >= byLine[at]));
    await viewer.press("l");
    assert.deepEqual(await shared(), byLine);
    await page.selectOption("#bar select", "thread");
    await viewer.frame();
    assert.ok((await shared()).every((count) => count === 0));
    assert.match(await viewer.text("#window .what"), / 1 thread$/);
    await viewer.press("o");
    assert.deepEqual(await shared(), byLine);
  }));

test("exports: picture, folded stacks, speedscope", () =>
  withViewer(STATES, {}, async (viewer) => {
    const { page } = viewer;
    await viewer.clickSample((await viewer.now()).shown[0]);
    const save = async (label: string): Promise<{ name: string; bytes: Buffer }> => {
      await page.click("[data-key=menu]");
      const downloaded = page.waitForEvent("download");
      await page.click(`menu >> text=${label}`);
      const download = await downloaded;
      return { name: download.suggestedFilename(), bytes: readFileSync((await download.path())!) };
    };
    const svg = await save("Picture (SVG)");
    assert.match(svg.name, /\.svg$/);
    const picture = svg.bytes.toString();
    assert.match(picture, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.match(picture, /worker-\d/);
    assert.ok((picture.match(/<rect/g) ?? []).length > 500);
    const errors = await page.evaluate((text) => new DOMParser().parseFromString.length && text.length, picture);
    assert.ok(errors > 0);
    const png = await save("Picture (PNG)");
    assert.deepEqual([...png.bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const folded = (await save("Folded stacks")).bytes.toString().trim().split("\n");
    assert.ok(
      folded.every((line) => /^[^;]+(;[^;]+)* \d+$/.test(line)),
      folded[0],
    );
    const milliseconds = folded.reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)![1]), 0);
    const scope = JSON.parse((await save("speedscope")).bytes.toString());
    assert.equal(scope.$schema, "https://www.speedscope.app/file-format-schema.json");
    assert.equal(scope.profiles.length, 10);
    let busy = 0;
    for (const profile of scope.profiles) {
      assert.equal(profile.type, "sampled");
      assert.equal(profile.samples.length, profile.weights.length);
      const sum = profile.weights.reduce((total: number, weight: number) => total + weight, 0);
      assert.ok(Math.abs(sum - profile.endValue) < 2, "every thread has the whole window");
      profile.samples.forEach((sample: number[], at: number) => {
        if (sample.length > 0) busy += profile.weights[at];
        assert.ok(sample.every((frame) => frame >= 0 && frame < scope.shared.frames.length));
      });
    }
    assert.ok(Math.abs(busy / 1000 / milliseconds - 1) < 0.01, `${busy / 1000} ms against ${milliseconds}`);
  }));

test("two traces on one clock, and what changed", () =>
  withViewer(STATES, {}, async (viewer) => {
    const { page } = viewer;
    await viewer.press("7");
    assert.match(await viewer.text("#pane"), /second trace/);
    const threads = (await viewer.threads()).length;
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("text=Open a second trace…")]);
    await chooser.setFiles(trace("second.pyebpf"));
    await page.waitForFunction(
      (before) => (window as unknown as { __pyebpf: { threads: unknown[] } }).__pyebpf.threads.length > before,
      threads,
    );
    await viewer.frame();
    assert.match(await viewer.text("#labels"), /A · gunicorn/);
    assert.equal(await page.getAttribute("#tab-compare", "aria-selected"), "true");
    const changes = await page.$$eval("#pane tbody tr", (all) =>
      all.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? "")),
    );
    assert.ok(changes.length > 10);
    for (const [before, after, change] of changes.slice(0, 5)) {
      const points = (text: string) => parseFloat(text.replace("−", "-").replace("<", ""));
      assert.ok(Math.abs(points(after) - points(before) - points(change)) < 1.1, `${before} ${after} ${change}`);
    }
    // A click in one trace lights up the other.
    const { shown } = await viewer.now();
    await viewer.clickSample(shown[0]);
    const otherSide = await viewer.page.evaluate(
      () => (window as unknown as { __pyebpf: { threads: unknown[] } }).__pyebpf.threads.length - 1,
    );
    const shared = await Promise.all([2, 3, 10, 20].map((row) => viewer.sample(otherSide, row)));
    assert.ok(shared.some((sample) => sample.shared > 0));
    // A third trace replaces the second.
    await viewer.drop("third.pyebpf", readFileSync(trace("small.pyebpf")), true);
    await page.waitForFunction(
      () => (window as unknown as { __pyebpf: { threads: unknown[] } }).__pyebpf.threads.length === 13,
    );
    await viewer.frame();
  }));
