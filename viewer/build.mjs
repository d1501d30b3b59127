// SPDX-License-Identifier: MIT OR Apache-2.0

// Builds the one page: bundles and minifies the sources, and pins the content-security
// policy to the hashes of exactly this script and this style. With `--check` it writes
// nothing and fails unless the committed page is what the sources give.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { minify } from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const page = join(here, "dist/viewer.html");
/** The most bytes that the gzipped page may have: 64 KiB. */
const BUDGET = 64 * 1024;

const bundled = await esbuild.build({
  entryPoints: [join(here, "src/main.ts")],
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
});
// terser names things so that they pack better: the page is three per cent smaller for it.
const minified = await minify(bundled.outputFiles[0].text, {
  ecma: 2020,
  toplevel: true,
  compress: { ecma: 2020, passes: 2, sequences: false },
});
// Inside a script, `</script` would end it early, and `<!--` would begin a comment.
const script = minified.code.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const styles = readFileSync(join(here, "src/style.css"), "utf8");
const style = (await esbuild.transform(styles, { loader: "css", minify: true })).code.trim();

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "worker-src blob:",
  "img-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types pyebpf",
].join("; ");

const parts = { POLICY: policy, STYLE: style, SCRIPT: script };
const template = readFileSync(join(here, "src/page.html"), "utf8").replace(/\n\s+/g, "\n");
const html = template.replace(/\{\{([A-Z]+)\}\}/g, (_, name) => parts[name]);

const size = Buffer.byteLength(html);
const packed = gzipSync(html, { level: 9 }).length;
if (packed > BUDGET) {
  console.error(`the page has ${packed} bytes when it is packed; it may have ${BUDGET}`);
  process.exit(1);
}
if (process.argv.includes("--check")) {
  if (readFileSync(page, "utf8") !== html) {
    console.error("viewer/dist/viewer.html is not what its sources give: run `cargo xtask viewer` and commit it");
    process.exit(1);
  }
  console.log(`viewer/dist/viewer.html is what its sources give: ${size} bytes, ${packed} packed`);
} else {
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, html);
  console.log(`viewer/dist/viewer.html: ${size} bytes, ${packed} packed`);
}
