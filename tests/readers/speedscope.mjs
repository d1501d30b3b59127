// SPDX-License-Identifier: MIT OR Apache-2.0

// The importer of speedscope, out of its published package, run without a
// browser: the page's script is loaded and its import function is called.

import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

// What the page looks for among the globals of a window to decide how it works;
// it is not there in a browser either.
const ABSENT = ["dcodeIO", "Long", "process", "global"];

// Whatever the page does with the document when it is loaded does nothing.
function nothing() {
  const target = function () {};
  const proxy = new Proxy(target, {
    get: (_, key) =>
      key === Symbol.toPrimitive
        ? () => ""
        : key === "length"
          ? 0
          : ABSENT.includes(key)
            ? undefined
            : proxy,
    set: () => true,
    apply: () => proxy,
    construct: () => proxy,
  });
  return proxy;
}

function importer(directory) {
  const file = fs
    .readdirSync(directory)
    .find((name) => /^speedscope-[A-Z0-9]+\.js$/.test(name));
  const script = fs.readFileSync(path.join(directory, file), "utf8");
  const call = /loadFileFromBase64:\(\w+,\w+\)=>\{this\.loadProfile\(\(\)=>(\w+)\(/.exec(script);
  const head = /^"use strict";\(\(\)=>\{/.exec(script);
  if (!call || !head) throw new Error("speedscope's script is not as it was: look for its importer");
  const hooked =
    head[0] + `globalThis.importFromBase64=(n,b)=>${call[1]}(n,b);` + script.slice(head[0].length);
  const context = vm.createContext({
    window: nothing(),
    self: nothing(),
    document: nothing(),
    navigator: nothing(),
    location: nothing(),
    performance,
    console: { log() {}, warn: console.warn, error() {} },
    setTimeout: () => 0,
    requestAnimationFrame: () => 0,
    TextDecoder,
    TextEncoder,
    DecompressionStream,
    Response,
    Blob,
    atob,
    URL,
  });
  try {
    vm.runInContext(hooked, context);
  } catch (error) {
    // The page cannot be shown here; its importer is defined all the same.
    if (!context.importFromBase64) throw error;
  }
  return (file) =>
    context.importFromBase64(path.basename(file), fs.readFileSync(file).toString("base64"));
}

export function speedscope(modules) {
  return importer(path.join(modules, "speedscope/dist/release"));
}
