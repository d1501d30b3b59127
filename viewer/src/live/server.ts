// SPDX-License-Identifier: MIT OR Apache-2.0

// Asks the server that the page came from. What it says is not trusted: an error is text, as
// long as a line.

import { plainText } from "../model/container.ts";
import { safeText } from "../model/safe_text.ts";

/** The longest reason that is shown. */
const LONGEST_REASON = 300;

/** Like `fetch`, which the tests replace. */
export type Ask = (path: string, options?: RequestInit) => Promise<Response>;

/** The server said no, or could not be reached; the message can be shown to the user. */
export class ServerError extends Error {}

const asked = fetch.bind(globalThis);

/** The page may have been opened with a token in its address, which is refused in a request. */
const plainAsk: Ask = (path, options) => {
  const url = new URL(path, location.href);
  url.username = url.password = "";
  return asked(url, options);
};

export class Server {
  constructor(private ask: Ask = plainAsk) {}

  /** Asks for something; rejects unless the answer is a good one. */
  async get(path: string, options: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.ask(`api/v1/${path}`, { cache: "no-store", credentials: "same-origin", ...options });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ServerError("the server cannot be reached");
    }
    if (!response.ok) throw new ServerError(await reasonOf(response));
    return response;
  }

  async json(path: string): Promise<unknown> {
    return this.body(await this.get(path));
  }

  /** Changes something, and returns the answer. */
  async post(path: string, body: object = {}, method = "POST"): Promise<unknown> {
    const headers = { "Content-Type": "application/json" };
    return this.body(await this.get(path, { method, headers, body: JSON.stringify(body) }));
  }

  private async body(response: Response): Promise<unknown> {
    if (response.status === 204) return null;
    try {
      return await response.json();
    } catch {
      throw new ServerError("the server's answer is no JSON");
    }
  }
}

async function reasonOf(response: Response): Promise<string> {
  let said = "";
  try {
    said = plainText(((await response.json()) as Record<string, unknown>)?.error);
  } catch {
    // Not one of the server's own errors.
  }
  return safeText(said).slice(0, LONGEST_REASON) || `the server answered ${response.status}`;
}

/** The message of an error, for the user. */
export function messageOf(error: unknown): string {
  return safeText(error instanceof Error ? error.message : String(error)).slice(0, LONGEST_REASON);
}
