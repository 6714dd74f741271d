// The app's HTTP API. A function key goes into a header of a request, never into an address.

import { noteTime } from "./words.js";

const ROOT = new URL("./", location.href.split(/[?#]/)[0]);
const STORED = "batchdrop.key";
const PATIENCE = 30_000;
/** What is asked of many tasks may take the app longer. */
export const LONG_PATIENCE = 90_000;
const MOST_KEPT = 60;

let key = sessionStorage.getItem(STORED);
let asking = null;
let isDeclined = false;
let ask = async () => null;
const kept = new Map();

/** A request that did not succeed: the message says why, and what to do about it where that is known. */
export class ApiError extends Error {
  constructor(message, { status = 0, retryAfter = 0, hasReason = false, isLate = false } = {}) {
    super(message);
    Object.assign(this, { status, retryAfter, hasReason, isLate });
  }
}

/** Have `function(isWrong)` ask for a key: it returns one, or null if it is not given. */
export function onKeyNeeded(askForKey) {
  ask = askForKey;
}

/** Ask for the key again, though it was not given before. */
export function allowAsking() {
  isDeclined = false;
}

/** Return the reply to a request, whatever its status but 401; raises `ApiError` where there is none. */
export async function send(path, { method = "GET", headers = {}, body, signal, patience = PATIENCE } = {}) {
  for (;;) {
    const used = key;
    const response = await sent(path, {
      method,
      body,
      signal,
      patience,
      headers: { ...headers, ...(used ? { "x-functions-key": used } : {}) },
    });
    noteTime(response.headers.get("date"));
    if (response.status !== 401) {
      return response;
    }
    await newKey(used);
  }
}

/** Return a document, and whether it is another than the last time: the app says 304 where it is not. */
export async function read(path, signal) {
  const last = kept.get(path);
  const response = await send(path, { signal, headers: last ? { "If-None-Match": last.etag } : {} });
  if (response.status === 304 && last) {
    return { document: last.document, isNew: false };
  }
  const found = await documentOf(response);
  keep(path, response.headers.get("etag"), found);
  return { document: found, isNew: true };
}

/** Ask for something to be done; returns the reply's document. */
export async function post(path, content, { signal, patience } = {}) {
  const body = content === undefined ? "" : JSON.stringify(content);
  return documentOf(
    await send(path, { method: "POST", body, signal, patience, headers: { "Content-Type": "application/json" } }),
  );
}

/** Return the error that a reply is. */
export async function errorOf(response) {
  const found = await response.json().catch(() => null);
  const status = response.status;
  const retryAfter = 1000 * (Number.parseInt(response.headers.get("retry-after"), 10) || 0);
  const problems = Array.isArray(found?.problems) ? found.problems.join("; ") : null;
  const reason = problems ?? found?.error;
  return new ApiError(String(reason ?? `the app answered ${status} without saying why`), {
    status,
    retryAfter,
    hasReason: Boolean(reason),
  });
}

/** What the app gives tasks as ids. */
export const TASK_ID = /^\d{8}T\d{6}-([a-z0-9-]+-)?[0-9a-f]{16}(-r\d{1,4})?$/;

export const taskPath = (id, rest = "") => `tasks/${encodeURIComponent(id)}${rest}`;

async function sent(path, { patience, ...options }) {
  const signals = [AbortSignal.timeout(patience), ...(options.signal ? [options.signal] : [])];
  try {
    return await fetch(new URL(path, ROOT), {
      ...options,
      body: options.body,
      cache: "no-store",
      signal: AbortSignal.any(signals),
    });
  } catch (error) {
    if (options.signal?.aborted) {
      throw error;
    }
    const isLate = error.name === "TimeoutError";
    throw new ApiError(
      isLate ? `the app has not answered within ${patience / 1000} seconds` : "the app does not answer; is it running?",
      { isLate },
    );
  }
}

async function documentOf(response) {
  if (!response.ok) {
    throw await errorOf(response);
  }
  return response.json();
}

function keep(path, etag, document) {
  kept.delete(path);
  if (etag) {
    kept.set(path, { etag, document });
  }
  if (kept.size > MOST_KEPT) {
    kept.delete(kept.keys().next().value);
  }
}

/** Ask for another key than the one that was refused, once for all requests that were; raises if it is not given. */
async function newKey(refused) {
  if (key !== refused) {
    return;
  }
  if (!isDeclined) {
    asking ??= ask(refused !== null).finally(() => (asking = null));
    const given = await asking;
    if (key === refused && given) {
      key = given;
      sessionStorage.setItem(STORED, key);
    }
    isDeclined = !given;
  }
  if (key === refused) {
    sessionStorage.removeItem(STORED);
    throw new ApiError("the app asks for a function key", { status: 401 });
  }
}
