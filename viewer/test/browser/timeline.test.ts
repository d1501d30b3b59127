// SPDX-License-Identifier: MIT OR Apache-2.0

// The picture and the pointer: on a trace of a real service that was recorded in this test run,
// as far as that does not depend on what was recorded, else on a made-up one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { trace } from "../fixtures.ts";
import { DEEPEST } from "../made_up.ts";
import { withService, withViewer } from "./harness.ts";

const LIVE = trace("live.html");

/** Whether a colour is nearer to that of the common base than to that of the rest. */
const isRed = (colour: string) => {
  const [red, , blue] = [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return red > blue + 40;
};
const isBlue = (colour: string) => {
  const [red, , blue] = [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return blue > red + 40;
};

test("the threads of the service are there, by their Python names, busiest first", () =>
  withViewer(LIVE, {}, async (viewer) => {
    const names = (await viewer.threads()).map(([name]) => name);
    assert.ok(
      names.some((name) => /^worker-\d$/.test(name)),
      names.join(),
    );
    assert.match(await viewer.text("#labels"), /\[\d+\]/);
    const { shown } = await viewer.now();
    const shares = await viewer.page.$$eval(".row.track small", (all) =>
      all.map((one) => parseFloat(/ran <?([\d.]+)/.exec(one.textContent ?? "")?.[1] ?? "-1")),
    );
    const main = names[shown[0]] === "MainThread" ? 1 : 0;
    assert.deepEqual(
      shares.slice(main),
      [...shares.slice(main)].sort((a, b) => b - a),
    );
  }));

test("a click shows the stack, and lights up what all others share with it", () =>
  withViewer(LIVE, {}, async (viewer) => {
    const names = (await viewer.threads()).map(([name]) => name);
    const workers = names.map((name, track) => ({ name, track })).filter(({ name }) => name.startsWith("worker"));
    const row = await viewer.clickSample(workers[0].track, 0);
    const now = await viewer.now();
    assert.equal(now.sample?.[0], workers[0].track);
    const chosen = await viewer.sample(workers[0].track, now.sample![1]);
    assert.equal(chosen.shared, chosen.deep);
    assert.ok(row >= 0);

    const functions = await viewer.page.$$eval("#stack li .func", (all) => all.map((one) => one.textContent));
    assert.equal(functions.length, chosen.deep);
    assert.ok(functions.includes("worker_loop"), functions.join());
    const text = await viewer.text("#stack ol");
    assert.match(text, /demo_service\.py:\d+/);
    assert.match(text, /handle_job\(jobs\.get\(\)\)/);
    assert.match(text, /% below/);
    assert.match(await viewer.text("#live"), new RegExp(`${workers[0].name}, .*depth ${chosen.deep}`));
  }));

test("the pixels of a sample show its depth, and how much it shares with the selected one", () =>
  withService({}, async (viewer) => {
    const workers = (await viewer.threads()).map(([, rows], track) => ({ track, rows }));
    assert.equal(workers.length, 3);
    await viewer.clickSample(0);
    const [selectedTrack, selectedRow] = (await viewer.now()).sample!;
    const canvas = (await viewer.page.locator("#tracks").boundingBox())!;
    let looked = 0;
    for (const { track, rows } of workers) {
      const place = await viewer.placeOf(track);
      const columns = await viewer.columns("#tracks", place.top - canvas.y + 4, place.height - 8);
      const perFrame = (place.height - 8) / DEEPEST;
      for (let row = 0; row + 1 < rows; row++) {
        const sample = await viewer.sample(track, row);
        const left = await viewer.pixel(sample.from);
        const right = await viewer.pixel((await viewer.sample(track, row + 1)).from);
        // The selected sample has an outline, which covers up to two pixels of its neighbours.
        if (track === selectedTrack && Math.abs(row - selectedRow) < 2) continue;
        const where = `row ${row} of worker ${track}, ${sample.shared} of ${sample.deep} frames`;
        assert.ok(sample.deep === 0 || (sample.shared >= 1 && sample.shared <= sample.deep), where);
        // The columns that this sample has for itself.
        for (let x = Math.ceil(left); x + 1 <= right; x++) {
          const red = columns[x].filter(isRed).length;
          const blue = columns[x].filter(isBlue).length;
          assert.ok(Math.abs(red - sample.shared * perFrame) <= 1, `${red} red pixels at ${x}: ${where}`);
          assert.ok(
            Math.abs(blue - (sample.deep - sample.shared) * perFrame) <= 1,
            `${blue} blue pixels at ${x}: ${where}`,
          );
          // Colour is not the only sign: the common part is hatched.
          if (red > 6) assert.ok(new Set(columns[x].filter(isRed)).size > 1, where);
          looked++;
        }
      }
    }
    assert.ok(looked > 2000, `only ${looked} columns were looked at`);
  }));

test("hovering a frame lights up only what shares so much", () =>
  withService({}, async (viewer) => {
    await viewer.clickSample((await viewer.now()).shown.find((track) => track >= 0)!);
    const [track, row] = (await viewer.now()).sample!;
    const { deep } = await viewer.sample(track, row);
    await viewer.page.hover("#stack li:nth-child(2) button");
    await viewer.frame();
    assert.equal((await viewer.now()).litFrom, 2);
    assert.equal((await viewer.sample(track, row)).shared, 2);
    await viewer.page.mouse.move(400, 300);
    await viewer.frame();
    assert.equal((await viewer.now()).litFrom, 0);
    assert.equal((await viewer.sample(track, row)).shared, deep);
    // The keyboard does the same.
    await viewer.page.focus("#stack li:nth-child(1) button");
    await viewer.press("ArrowDown");
    assert.equal((await viewer.now()).litFrom, 2);
  }));

test("hovering a sample tells what it is", () =>
  withService({}, async (viewer) => {
    const track = (await viewer.now()).shown[0];
    await viewer.clickSample(track);
    const place = await viewer.placeOf(track);
    const [, row] = (await viewer.now()).sample!;
    const sample = await viewer.sample(track, row);
    const x = await viewer.page.evaluate(
      (time) => (window as unknown as { __pyebpf: { pixel(time: number): number } }).__pyebpf.pixel(time),
      sample.from,
    );
    await viewer.page.mouse.move(place.left + x + 1, place.top + 20);
    await viewer.frame();
    assert.match(
      await viewer.text("#tip"),
      /running( [\d.]+ m?s(, [\d.]+ m?s in the kernel)?)? · depth \d+ · shares \d+ of \d+/,
    );
  }));

test("a second stack can be pinned", () =>
  withService({}, async (viewer) => {
    const [first, second] = (await viewer.now()).shown;
    await viewer.clickSample(first);
    await viewer.clickSample(second, 0.3, ["Shift"]);
    assert.ok((await viewer.now()).pin > 0);
    assert.equal((await viewer.now()).sample![0], first);
    await viewer.press("p");
    assert.equal((await viewer.now()).pin, 0);
    await viewer.press("p");
    assert.ok((await viewer.now()).pin > 0);
  }));

test("wheel, drag and double-click move and choose time", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    const box = (await page.locator("#tracks").boundingBox())!;
    const at = (part: number) => box.x + box.width * part;
    const y = box.y + 60;
    const span = async () => {
      const [from, to] = (await viewer.now()).visible;
      return to - from;
    };
    const whole = await span();
    await page.mouse.move(at(0.25), y);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -400);
    await page.keyboard.up("Control");
    await viewer.frame();
    const zoomed = (await viewer.now()).visible;
    assert.ok((await span()) < whole / 3);
    // What was under the pointer stays there.
    assert.ok(Math.abs((zoomed[0] + (zoomed[1] - zoomed[0]) * 0.25) / whole - 0.25) < 0.01);

    await page.mouse.wheel(200, 0);
    await viewer.frame();
    const panned = (await viewer.now()).visible;
    assert.ok(panned[0] > zoomed[0]);
    await page.keyboard.down("Shift");
    await page.mouse.wheel(0, -150);
    await page.keyboard.up("Shift");
    await viewer.frame();
    assert.ok((await viewer.now()).visible[0] < panned[0]);

    await page.keyboard.down("Shift");
    await page.mouse.move(at(0.5), y);
    await page.mouse.down();
    await page.mouse.move(at(0.6), y, { steps: 3 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    await viewer.frame();
    assert.equal((await viewer.now()).chosen, null);

    const beforeRuler = (await viewer.now()).visible;
    const ruler = (await page.locator("#ruler").boundingBox())!;
    await page.mouse.move(ruler.x + 300, ruler.y + 10);
    await page.mouse.down();
    await page.mouse.move(ruler.x + 200, ruler.y + 10, { steps: 3 });
    await page.mouse.up();
    await viewer.frame();
    assert.ok((await viewer.now()).visible[0] > beforeRuler[0]);

    await page.mouse.move(at(0.2), y);
    await page.mouse.down();
    await page.mouse.move(at(0.7), y, { steps: 4 });
    await page.mouse.up();
    await viewer.frame();
    const [from, to] = (await viewer.now()).visible;
    const chosen = (await viewer.now()).chosen!;
    assert.ok(Math.abs((chosen[1] - chosen[0]) / (to - from) - 0.5) < 0.01);
    assert.match(await viewer.text("#window"), /^Range: /);
    await page.click("text=Zoom to range");
    await viewer.frame();
    assert.deepEqual((await viewer.now()).visible.map(Math.round), chosen.map(Math.round));
    await viewer.press("Escape");
    assert.equal((await viewer.now()).chosen, null);
    assert.match(await viewer.text("#window"), /^Visible: /);

    await viewer.press("0");
    assert.equal(await span(), whole);
    await viewer.clickSample((await viewer.now()).shown[0]);
    const [track, row] = (await viewer.now()).sample!;
    const sample = await viewer.sample(track, row);
    const x = await page.evaluate(
      (time) => (window as unknown as { __pyebpf: { pixel(time: number): number } }).__pyebpf.pixel(time),
      sample.from,
    );
    const place = await viewer.placeOf(track);
    await page.mouse.dblclick(place.left + x + 1, place.top + 25);
    await viewer.frame();
    assert.ok((await span()) < whole);
    const [left, right] = (await viewer.now()).visible;
    assert.ok(left <= sample.from && sample.from < right);
  }));

test("the overview moves the view", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    const box = (await page.locator("#overview").boundingBox())!;
    const end = (await viewer.now()).visible[1];
    const drag = async (from: number, to: number) => {
      await page.mouse.move(box.x + box.width * from, box.y + 20);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * to, box.y + 20, { steps: 4 });
      await page.mouse.up();
      await viewer.frame();
      return (await viewer.now()).visible.map((time) => time / end);
    };
    const near = (found: number[], wanted: number[]) => found.every((value, at) => Math.abs(value - wanted[at]) < 0.01);
    assert.ok(near(await drag(0.2, 0.4), [0.2, 0.4]));
    assert.ok(near(await drag(0.3, 0.5), [0.4, 0.6]));
    await page.mouse.click(box.x + box.width * 0.9, box.y + 20);
    await viewer.frame();
    assert.ok((await viewer.now()).visible[0] > end * 0.75);
    await page.focus("#overview");
    await viewer.press("ArrowLeft");
    assert.ok((await viewer.now()).visible[0] < end * 0.8);
    await page.mouse.dblclick(box.x + 5, box.y + 20);
    await viewer.frame();
    assert.deepEqual((await viewer.now()).visible, [0, end]);
  }));

test("processes collapse, threads open, are left out, filtered, sorted and moved", () =>
  withService({}, async (viewer) => {
    const { page } = viewer;
    const all = (await viewer.now()).shown;
    await page.click(".row.process button");
    await viewer.frame();
    assert.deepEqual((await viewer.now()).shown, []);
    const density = await viewer.column("#tracks", 200, 0, 26);
    assert.ok(density.length > 0);
    await page.click(".row.process button");
    await viewer.frame();

    const tall = (await viewer.placeOf(all[0])).height;
    await page.click(`[data-key=track${all[0]}] button`);
    await viewer.frame();
    assert.ok((await viewer.placeOf(all[0])).height > tall * 1.5);
    await viewer.clickSample(all[0]);
    await page.click(`[data-key=track${all[0]}] button`);
    await viewer.frame();

    const counted = await viewer.text("#window .what");
    await page.click(`[data-key=track${all[0]}] input`);
    await viewer.frame();
    assert.notEqual(await viewer.text("#window .what"), counted);
    await page.click(`[data-key=track${all[0]}] input`);

    await page.fill("#corner input", "worker-1");
    await viewer.frame();
    assert.equal((await viewer.now()).shown.length, 1);
    await page.fill("#corner input", "");
    await page.selectOption("#corner select", "name");
    await viewer.frame();
    const names = (await viewer.threads()).map(([name]) => name);
    const sorted = (await viewer.now()).shown.map((track) => names[track]);
    assert.deepEqual(
      sorted,
      [...sorted].sort((a, b) => a.localeCompare(b)),
    );

    const order = (await viewer.now()).shown;
    await page.dragAndDrop(`[data-key=track${order[0]}] .names`, `[data-key=track${order[2]}] .names`);
    await viewer.frame();
    assert.deepEqual((await viewer.now()).shown.slice(0, 3), [order[1], order[2], order[0]]);
  }));
