// SPDX-License-Identifier: MIT OR Apache-2.0

// Starts the worker and gives it a trace to read.

import type { Trace } from "../model/trace.ts";
import type { Answer, Request } from "./messages.ts";

/** The text of this script, which the worker runs too. Known only while it first runs. */
const ownText = typeof document === "undefined" ? "" : (document.currentScript?.textContent ?? "");

type Policy = { createScriptURL: (url: string) => string };
type TrustedTypes = { createPolicy: (name: string, rules: Policy) => Policy };

let workerUrl: string | null = null;

/** The URL of the worker's program. This is the only place that creates a script. */
function address(): string {
  if (workerUrl !== null) return workerUrl;
  const url = URL.createObjectURL(new Blob([ownText], { type: "text/javascript" }));
  const { trustedTypes } = window as unknown as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy("pyebpf", {
    createScriptURL: (wanted) => {
      if (wanted !== url) throw new TypeError("not the worker");
      return wanted;
    },
  });
  workerUrl = policy ? policy.createScriptURL(url) : url;
  return workerUrl;
}

/** Reads a trace; rejects with an error whose message can be shown to the user. */
export function load(request: Request, onProgress: (part: number) => void): Promise<Trace> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(address());
    const end = () => worker.terminate();
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.progress !== undefined) return onProgress(data.progress);
      end();
      if (data.trace) resolve(data.trace);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => {
      end();
      reject(new Error(event.message || "the page's worker did not start"));
    };
    worker.postMessage(request);
  });
}
