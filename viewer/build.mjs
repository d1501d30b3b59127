// Builds the one page: bundles, minifies, and fixes the content-security policy
// to the hashes of exactly this script and this style. `--check` only says
// whether the committed page is what the sources give.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const page = join(here, "dist/viewer.html");
/** The most the page may have, in bytes: 120 KiB. */
const BUDGET = 120 * 1024;

const filesBelow = (folder, ending) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => readFileSync(join(folder, name), "utf8"));

/** Names that documents have, and what TypeScript does not know of the browser. */
const FOREIGN = `
  hz mode host kernel program command counts threads rows pid tid name process cmdline python order cols state thread
  exporter activeProfileIndex shared frames profiles samples weights startValue endValue
  createScriptURL createPolicy trustedTypes fromBase64 constructor __pyebpf
`;

/** Names that the browser has as well, but that we use for ourselves alone. */
const OWN = `
  canvas changed columns depth element focused frame functions grid kind level levels line metadata number panel parent
  processes range running scope selection settings stack stacks states strings symbols threshold total trace track tracks
  tree view
`;

/** A key in quotes: in brackets behind a name, before a colon, before `in`; not a case, not the last of a list. */
const SPELLED_OUT = /(?:(?<=[\w)\]]\[)"(\w+)"(?=\])|(?<!case )"(\w+)"(?=\??:| in ))/g;

/**
 * Names of our own members, which may be shortened: declared in a class or an
 * interface, not known to the browser, and never spelled out as a key.
 */
function ownNames() {
  const sources = filesBelow(join(here, "src"), ".ts").join("\n");
  const declared = sources.matchAll(
    /^ {2,4}(?:(?:private|readonly|async|get|set) )*\*?([A-Za-z_]\w{3,})[?!]?(?:\(|:| =|;)|(?:private|readonly) (?:readonly )?(\w{4,}):/gm,
  );
  const taken = new Set(FOREIGN.trim().split(/\s+/));
  for (const library of filesBelow(libraries(), ".d.ts")) {
    const plain = library.replace(/\/\*[^]*?\*\//g, "");
    for (const [, name] of plain.matchAll(/(?:^\s+|[({,;]\s*|\b(?:get|set|readonly|var|function) )(\w+)\??[:(<]/gm)) taken.add(name);
  }
  for (const name of OWN.trim().split(/\s+/)) taken.delete(name);
  for (const [, one, two] of sources.matchAll(SPELLED_OUT)) taken.add(one ?? two);
  const names = new Set([...declared].map(([, one, two]) => one ?? two));
  return [...names].filter((name) => !taken.has(name)).sort();
}

/** Where TypeScript keeps what it knows of the browser. */
function libraries() {
  const scope = join(here, "node_modules/@typescript");
  const native = readdirSync(scope).find((name) => readdirSync(join(scope, name)).includes("lib"));
  return join(scope, native, "lib");
}

const bundled = await esbuild.build({
  entryPoints: [join(here, "src/main.ts")],
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  mangleProps: new RegExp(`^(?:${ownNames().join("|")})$`),
});
// A script that holds these would end early, or begin a comment.
const script = bundled.outputFiles[0].text.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
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
if (size > BUDGET) {
  console.error(`the page has ${size} bytes; it may have ${BUDGET}`);
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
