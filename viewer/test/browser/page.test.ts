// SPDX-License-Identifier: MIT OR Apache-2.0

// The page itself: what it opens, its address, its look, its use by keyboard alone, its
// accessibility, and that whatever is in a trace stays text.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { repository, trace } from "../fixtures.ts";
import { service } from "../made_up.ts";
import { audit, EMPTY_PAGE, scratchFile, Viewer, withService, withViewer } from "./harness.ts";

const LIVE = trace("live.html");
const STATES = trace("states.html");

const threads = (viewer: Viewer) => viewer.threads().then((all) => all.map(([name]) => name));

test("the page alone invites, and opens whatever is dropped", () =>
  withViewer(EMPTY_PAGE, {}, async (viewer) => {
    assert.match(await viewer.text("#welcome"), /Drop a file here/);
    const original = JSON.stringify([
      [1352241181.539376, 140007464703744, "MainThread", [["/srv/will.py", 3, "run", "loop()"]]],
      [
        1352241182.1,
        140007464703744,
        "MainThread",
        [
          ["/srv/will.py", 3, "run", "loop()"],
          ["/srv/will.py", 9, "loop", "poll()"],
        ],
      ],
      [1352241199.120001, null, null, []],
    ]);
    const recording = readFileSync(trace("live.pyebpf"));
    const timeline = readFileSync(trace("live.json"));
    // Of the same length in every run, so that what is left of them has samples.
    const made = readFileSync(trace("small.json"));
    const states = readFileSync(trace("states.pyebpf"));
    const files: [string, Uint8Array | string, RegExp, boolean][] = [
      ["original.json", original, /^MainThread$/, false],
      ["original-torn.json", original.slice(0, -60), /^MainThread$/, true],
      ["live.json", timeline, /worker-\d/, false],
      ["torn.json", made.subarray(0, made.length * 0.6), /^\S+/, true],
      ["live.json.gz", gzipSync(timeline), /worker-\d/, false],
      ["live.pyebpf", recording, /worker-\d/, false],
      ["torn.pyebpf", states.subarray(0, states.length * 0.8), /worker-\d/, true],
      ["live.html", readFileSync(LIVE), /worker-\d/, false],
      ["stacks.folded", "run (app.py:3);read (app.py:9) 4\nrun (app.py:3) 2\n", /^stacks$/, false],
    ];
    let before = await viewer.page.evaluate(() => 0);
    for (const [name, content, expected, torn] of files) {
      await viewer.drop(name, content);
      await viewer.page.waitForFunction(
        (last) => ((window as unknown as { __pyebpf?: { readyAt: number } }).__pyebpf?.readyAt ?? 0) > last,
        before,
      );
      before = await viewer.page.evaluate(
        () => (window as unknown as { __pyebpf: { readyAt: number } }).__pyebpf.readyAt,
      );
      await viewer.frame();
      assert.match((await threads(viewer)).join(), expected, name);
      assert.equal((await viewer.page.locator(".warn").count()) > 0, torn, name);
    }
    await viewer.drop("noise.bin", Uint8Array.of(1, 2, 3, 0));
    await viewer.page.waitForSelector(".warn:has-text('not a trace')");
  }));

test("a file that is no trace is refused with its reason", () =>
  withViewer(EMPTY_PAGE, {}, async (viewer) => {
    const [chooser] = await Promise.all([
      viewer.page.waitForEvent("filechooser"),
      viewer.page.click("text=Choose a file…"),
    ]);
    await chooser.setFiles(scratchFile("no.json", "{}"));
    await viewer.page.waitForSelector("#welcome .error");
    assert.match(await viewer.text("#welcome .error"), /a JSON object, not a list/);
  }));

test("what our own golden timelines hold is shown", () =>
  withViewer(EMPTY_PAGE, {}, async (viewer) => {
    await viewer.drop("wall.json", readFileSync(repository("tests/golden/wall.json")));
    await viewer.page.waitForFunction(() => "__pyebpf" in window);
    await viewer.frame();
    assert.deepEqual((await threads(viewer)).sort(), ["MainThread", "MainThread", 'späte "Arbeit"\\n'].sort());
    assert.match(await viewer.text("#labels"), /gunicorn \[1234\]/);
    assert.match(await viewer.text("#labels"), /gunicorn \[1240\]/);
  }));

test("the address brings everything back", async () => {
  const viewer = await Viewer.open(STATES);
  const { page } = viewer;
  const { shown } = await viewer.now();
  await viewer.clickSample(shown[1]);
  await viewer.press("w", "d", "c", "l", "t", "5");
  await page.click("#window .chip[data-state='4']");
  await page.fill("#search", "Queue");
  await viewer.press("Enter");
  await page.focus("#tracks");
  await viewer.press("x");
  await page.selectOption("#corner select", "name");
  await page.selectOption("#bar select", "process");
  await viewer.frame();
  await page.waitForFunction(() => /scope=process/.test(location.hash) && /sort=name/.test(location.hash));
  const before = await viewer.now();
  const hash = await page.evaluate(() => location.hash);
  const table = await viewer.text("#pane");
  await viewer.close();
  await withViewer(STATES, { hash }, async (again) => {
    const after = await again.now();
    assert.deepEqual(after, before);
    assert.equal(await again.text("#pane"), table);
    assert.equal(await again.page.inputValue("#search"), "Queue");
    assert.match(await again.text("#bar"), /Same function/);
  });
  for (const nonsense of [
    "#t=5,1&sel=99,x&tr=[[1]]&view=nothing&states=-1&open=7e9",
    "#tr={&q=%E0%A4%A&t=a",
    '#tr=[["subtree","x"],"mine",5]&range=1e99,2e99',
  ]) {
    await withViewer(STATES, { hash: nonsense }, async (again) => assert.equal((await again.threads()).length, 10));
  }
});

test("dark as the system, or as was chosen; classic colours", () =>
  withService({ dark: true }, async (viewer) => {
    const { page } = viewer;
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await back(), "rgb(13, 17, 23)");
    await page.click("[data-key=look]");
    await viewer.frame();
    assert.equal(await back(), "rgb(255, 255, 255)");
    await page.reload();
    await viewer.settled();
    await viewer.drop("service.json", service());
    await viewer.settled();
    assert.equal(await back(), "rgb(255, 255, 255)");
    await page.click("[data-key=menu]");
    await page.click("menu >> text=classic");
    await viewer.clickSample((await viewer.now()).shown[0]);
    const [track] = (await viewer.now()).sample!;
    const place = await viewer.placeOf(track);
    const canvas = (await page.locator("#tracks").boundingBox())!;
    const seen = new Set<string>();
    for (let x = 0; x < place.width; x += 3)
      for (const colour of await viewer.column("#tracks", x, place.top - canvas.y + 5, place.height - 10))
        seen.add(colour);
    assert.ok(seen.has("e00000") && seen.has("2a2aff"), [...seen].join());
  }));

test("everything by keyboard", () =>
  withViewer(STATES, {}, async (viewer) => {
    const { page } = viewer;
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /Skip to the timeline/);
    await viewer.press("Enter");
    await page.focus("#tracks");
    await viewer.press("Enter");
    const first = (await viewer.now()).sample!;
    assert.ok(first);
    assert.match(await viewer.text("#live"), /depth \d+, .*, shares \d+ of \d+ frames/);
    await viewer.press("]");
    assert.equal((await viewer.now()).sample![1] > first[1], true);
    await viewer.press("[");
    assert.deepEqual((await viewer.now()).sample, first);
    await viewer.press("}");
    const other = (await viewer.now()).sample!;
    assert.ok(other[1] !== first[1]);
    await viewer.press("{");
    const { shown } = await viewer.now();
    await viewer.press("n");
    assert.equal((await viewer.now()).sample![0], shown[shown.indexOf(first[0]) + 1]);
    await viewer.press("N", "ArrowDown", "ArrowUp");
    assert.equal((await viewer.now()).sample![0], first[0]);
    const span = async () => {
      const [from, to] = (await viewer.now()).visible;
      return to - from;
    };
    const whole = await span();
    await viewer.press("w", "+");
    assert.ok((await span()) < whole * 0.6);
    const left = (await viewer.now()).visible[0];
    await viewer.press("d", "ArrowRight");
    assert.ok((await viewer.now()).visible[0] > left);
    await viewer.press("a", "ArrowLeft", "s", "-", "0");
    assert.equal(await span(), whole);
    await viewer.press("z");
    assert.ok((await span()) < whole);
    await viewer.press("0");
    for (const [key, name] of [
      ["1", "stack"],
      ["2", "flame"],
      ["3", "heavy"],
      ["4", "sandwich"],
      ["5", "top"],
      ["6", "heat"],
      ["7", "compare"],
    ]) {
      await viewer.press(key);
      assert.equal(await page.getAttribute(`#tab-${name}`, "aria-selected"), "true");
    }
    await page.focus("#tab-compare");
    await viewer.press("ArrowRight");
    assert.equal(await page.getAttribute("#tab-stack", "aria-selected"), "true");
    await page.focus("#split");
    const high = await page.getAttribute("#split", "aria-valuenow");
    await viewer.press("ArrowUp");
    assert.notEqual(await page.getAttribute("#split", "aria-valuenow"), high);

    await page.focus("#tracks");
    await viewer.press("?");
    assert.ok(await page.isVisible("#help"));
    await viewer.press("Escape");
    assert.ok(!(await page.isVisible("#help")));
    // The list of threads.
    await page.focus("#labels [tabindex='0']");
    await viewer.press("ArrowDown", "ArrowRight");
    const open = await page.evaluate(() => document.activeElement?.getAttribute("data-key"));
    assert.ok((await page.locator(`[data-key=${open}]`).boundingBox())!.height > 60);
    await viewer.press("ArrowLeft", " ");
    assert.match((await page.getAttribute(`[data-key=${open}]`, "class")) ?? "", /off/);
    await viewer.press(" ", "Enter", "Home", "ArrowLeft");
    assert.deepEqual((await viewer.now()).shown, []);
    await viewer.press("ArrowRight", "End");
    // The menu.
    await page.focus("[data-key=menu]");
    await viewer.press("Enter", "ArrowDown", "Escape");
    assert.equal(await page.locator("menu").count(), 0);
    await page.focus("#tracks");
    await viewer.press("Escape");
    assert.equal((await viewer.now()).sample, null);
  }));

test("no serious finding of axe, in any view, light or dark", async () => {
  await withViewer(EMPTY_PAGE, {}, (viewer) => audit(viewer, "alone"));
  for (const dark of [false, true]) {
    await withViewer(STATES, { dark }, async (viewer) => {
      await audit(viewer, `dark ${dark}, nothing selected`);
      await viewer.clickSample((await viewer.now()).shown[0]);
      await viewer.press("x", "c");
      // The dark colours are the same in all panels; the slow audit looks at three.
      for (const panel of dark ? [1, 5, 7] : [1, 2, 3, 4, 5, 6, 7]) {
        await viewer.press(String(panel));
        await audit(viewer, `dark ${dark}, panel ${panel}`);
      }
      await viewer.press("?");
      await audit(viewer, `dark ${dark}, help`);
      await viewer.press("Escape");
      await viewer.page.click("[data-key=menu]");
      await audit(viewer, `dark ${dark}, menu`);
    });
  }
});

test("at 800 pixels every tab is in sight, and the help begins at its top", () =>
  withViewer(LIVE, { width: 800, height: 500 }, async (viewer) => {
    const { page } = viewer;
    assert.equal(await page.$eval("#tabs", (tabs) => tabs.scrollWidth - tabs.clientWidth), 0);
    await page.click("[data-key=help]");
    const help = await page.$eval("#help", (sheet) => [sheet.scrollHeight - sheet.clientHeight, sheet.scrollTop]);
    assert.ok(help[0] > 0, "it is higher than the page");
    assert.equal(help[1], 0);
    await page.click("#help button");
    assert.ok(!(await page.isVisible("#help")));
  }));

test("a narrow page and large text lose nothing", async () => {
  for (const [width, height] of [
    [390, 800],
    [650, 450],
  ]) {
    await withViewer(STATES, { width, height }, async (viewer) => {
      const wide = await viewer.page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} at ${width}`);
      await viewer.clickSample((await viewer.now()).shown[0]);
      await viewer.page.click("#tab-stack");
      await viewer.frame();
      assert.ok(await viewer.page.isVisible("#stack li button"));
    });
  }
  await withViewer(STATES, { forcedColors: true }, async (viewer) => assert.ok(await viewer.page.isVisible("#tracks")));
});

const HOSTILE = [
  "<img src=x onerror=window.pwned=1>",
  "</script><script>window.pwned=1</script>",
  '"><svg onload=window.pwned=1>',
  "javascript:window.pwned=1",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: no template, but text that looks like one.
  "${window.pwned=1}",
  "user\u202egpj.exe\u0000\u001b[2J",
  "__proto__",
  "constructor",
  "' onclick='window.pwned=1",
];

test("names that are markup stay text, everywhere", () =>
  withViewer(EMPTY_PAGE, {}, async (viewer) => {
    const { page } = viewer;
    const rows = HOSTILE.map((name, at) => [
      1000 + at,
      1,
      HOSTILE[at],
      [
        [`/srv/${name}.py`, 3, name, name],
        [name, 4, `inner ${name}`, name],
      ],
    ]);
    const more = {
      pyebpf: 1,
      order: "thread",
      host: HOSTILE[0],
      mode: HOSTILE[1],
      program: HOSTILE[2],
      threads: rows.map((_, at) => ({
        rows: [at, at + 1],
        pid: at + 1,
        tid: at,
        process: HOSTILE[at],
        cmdline: HOSTILE[(at + 1) % HOSTILE.length],
        python: HOSTILE[0],
        name: HOSTILE[at],
      })),
      counts: JSON.parse('{"__proto__": 5, "<b>": 1}'),
    };
    const text = JSON.stringify([...rows, [1000 + rows.length, null, null, [], more]]);
    await viewer.drop(`${HOSTILE[0].replaceAll("/", "")}.json`, text);
    await page.waitForFunction(() => "__pyebpf" in window);
    await viewer.frame();
    const { shown } = await viewer.now();
    assert.equal(shown.length, HOSTILE.length);
    for (const track of shown) {
      await page.evaluate(
        (track) =>
          (window as unknown as { __pyebpf: { choose(track: number, row: number): void } }).__pyebpf.choose(track, 0),
        track,
      );
      for (let panel = 1; panel <= 7; panel++) await page.keyboard.press(String(panel));
    }
    await viewer.frame();
    await viewer.press("5");
    assert.ok(
      (await page.$$eval("#pane tbody button", (all) => all.map((one) => one.textContent))).includes(HOSTILE[0]),
    );
    const shownText = await viewer.text("body");
    assert.ok(shownText.includes("user\\u{202e}gpj.exe\\u{0}\\u{1b}[2J"));
    assert.ok(!shownText.includes("\u202e"));
    await page.click("[data-key=menu]");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("menu >> text=Picture (SVG)")]);
    const svg = readFileSync((await download.path())!, "utf8");
    assert.ok(!/<img|<script|onload=|<svg [^>]*onload/.test(svg.replaceAll("&#60;", "")) || !svg.includes("<img"));
    assert.ok(!svg.includes("<img") && !svg.includes("<script"));
    // No name became an element, and nothing ran.
    assert.equal(
      await page
        .locator("#main img, #main script, #bar img, #main svg[onload], [onclick], [onerror], a[href^=javascript]")
        .count(),
      0,
    );
    assert.equal(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned), undefined);
    assert.equal(await page.evaluate(() => (({}) as { polluted?: number }).polluted), undefined);
    await page.waitForFunction(() => location.hash.includes("view=top"));
    assert.ok(!/[<>"]/.test(await page.evaluate(() => location.hash)));
  }));

test("the policy forbids what the page does not need", () =>
  withViewer(LIVE, {}, async (viewer) => {
    const policy = (await viewer.page.getAttribute("meta[http-equiv]", "content")) ?? "";
    for (const rule of [
      "default-src 'none'",
      "script-src 'sha256-",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ])
      assert.ok(policy.includes(rule), rule);
    assert.ok(!/unsafe|\*|https?:/.test(policy), policy);
    const page = readFileSync(LIVE, "utf8");
    assert.ok(
      !/\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|fetch\(|XMLHttpRequest|WebSocket)/.test(
        page.slice(0, page.lastIndexOf('<template id="trace">')),
      ),
      "the script reaches for what it may not",
    );
  }));

test("the policy holds: markup, scripts and requests are stopped", async () => {
  const viewer = await Viewer.open(LIVE);
  const stopped = await viewer.page.evaluate(async () => {
    const tries: Record<string, () => unknown> = {
      markup: () => (document.createElement("div").innerHTML = "<b>x</b>"),
      // biome-ignore lint/security/noGlobalEval: the policy has to stop it.
      evaluation: () => globalThis.eval("1"),
      request: () => fetch("https://example.invalid/"),
    };
    const stopped: string[] = [];
    for (const [name, attempt] of Object.entries(tries)) {
      // In a task of its own: code called by the debugger may do more.
      await new Promise<void>((resolve) =>
        setTimeout(async () => {
          try {
            await attempt();
          } catch {
            stopped.push(name);
          }
          resolve();
        }),
      );
    }
    return stopped;
  });
  assert.deepEqual(stopped, ["markup", "evaluation", "request"]);
  await viewer.page.context().close();
});
