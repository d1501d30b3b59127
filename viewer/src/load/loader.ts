// Starts the worker and gives it a trace. It refuses to know what is done with
// what comes back.

import type { Trace } from "../model/trace.ts";
import type { Answer, Request } from "./messages.ts";

/** The text of this very script: the worker runs it too. Known only while it runs first. */
const ownText = typeof document === "undefined" ? "" : (document.currentScript?.textContent ?? "");

type Policy = { createScriptURL: (url: string) => string };
type TrustedTypes = { createPolicy: (name: string, rules: Policy) => Policy };

let workerUrl: string | null = null;

/** The worker's program as an address; the one place that makes a script. */
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

/** Reads a trace; fails with a message for people. */
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
