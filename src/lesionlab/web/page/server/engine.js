/**
 * The engine that sends requests to the server of the page.
 *
 * @typedef {import("../engine.js").RequestOptions} RequestOptions
 * @typedef {import("../engine.js").Engine} Engine
 * @typedef {import("../types.js").BatchResponse} BatchResponse
 * @typedef {import("../types.js").Problem} Problem
 *
 * @typedef {(rejected: boolean) => Promise<string | null>} RequestKey Requests the API key from the reader; null for none.
 *   `rejected`: the last key was not accepted.
 */

import { EngineError } from "../engine.js";
import { t } from "../messages.js";

const ATTEMPTS = 6;
const MAX_WAIT_S = 30;
const TIMEOUT_MS = 90_000;
const KEY_HEADER = "X-API-Key";

/** @implements {Engine} */
export class ServerEngine {
  #requestKey;
  #key = "";
  /** @type {Promise<string | null> | null} */
  #keyRequest = null;

  /** @param {RequestKey} requestKey */
  constructor(requestKey) {
    this.#requestKey = requestKey;
  }

  /** @type {Engine["predict"]} */
  async predict(images, options = {}) {
    const [image] = images;
    if (image && images.length === 1) {
      const response = this.#request("v1/predict", options, form("file", image));
      return [await response.catch((error) => (error instanceof EngineError && error.kind === "image" ? error : Promise.reject(error)))];
    }
    /** @type {BatchResponse} */
    const { results, ...fields } = await this.#request("v1/predict/batch", options, form("files", ...images));
    return results.map(({ result, problem }) => (result ? { ...fields, result } : problemError(problem ?? {})));
  }

  /** @type {Engine["explain"]} */
  explain(image, code, options = {}) {
    const body = form("file", image);
    if (code !== null) body.set("diagnosis", code);
    return this.#request("v1/explain", options, body);
  }

  /** @type {Engine["model"]} */
  model() {
    return this.#request("v1/model", {});
  }

  /** @type {Engine["evaluation"]} */
  async evaluation() {
    try {
      return await this.#request("v1/model/evaluation", {});
    } catch (error) {
      if (error instanceof EngineError && error.kind === "unavailable") return null;
      throw error;
    }
  }

  /**
   * Send a request; repeat it while the server is busy, and request the key if one is needed.
   * @param {string} path
   * @param {RequestOptions} options
   * @param {FormData} [body]
   * @returns {Promise<any>}
   */
  async #request(path, { onWait, signal }, body) {
    for (let attempt = 1; ; ) {
      const key = this.#key;
      const response = await this.#send(path, key, signal, body);
      if (response.ok) return parse(response);
      if (response.status === 401) {
        await this.#replaceKey(key);
        continue;
      }
      const busy = response.status === 503 || response.status === 429;
      if (!busy || attempt === ATTEMPTS) throw await toError(response);
      const seconds = waitSeconds(response.headers.get("Retry-After"), attempt);
      onWait?.(t("error.waiting", { seconds, attempt: attempt + 1, attempts: ATTEMPTS }));
      await sleep(1000 * seconds, signal);
      attempt += 1;
    }
  }

  /**
   * @param {string} path
   * @param {string} key
   * @param {AbortSignal | undefined} signal
   * @param {FormData | undefined} body
   */
  async #send(path, key, signal, body) {
    // AbortSignal.any() is missing in Safari before 17.4 and in Firefox before 124.
    const controller = new AbortController();
    const abort = () => controller.abort();
    setTimeout(abort, TIMEOUT_MS);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await fetch(path, {
        method: body ? "POST" : "GET",
        headers: key ? { [KEY_HEADER]: key } : {},
        body: body ?? null,
        signal: controller.signal,
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new EngineError("unreachable", t("error.unreachable"));
    }
  }

  /**
   * Request a key from the reader, once for all pending requests.
   * @param {string} rejected The key that was not accepted.
   */
  async #replaceKey(rejected) {
    if (this.#key !== rejected) return;
    this.#keyRequest ??= this.#requestKey(rejected !== "").finally(() => (this.#keyRequest = null));
    const key = await this.#keyRequest;
    if (!key) throw new EngineError("key", t("error.key"));
    this.#key = key;
  }
}

/**
 * @param {string} field
 * @param {Blob[]} images
 */
function form(field, ...images) {
  const body = new FormData();
  // The file's name may contain the patient's name, so it is not sent.
  for (const image of images) body.append(field, image, "image");
  return body;
}

/** @param {Response} response */
async function parse(response) {
  try {
    return await response.json();
  } catch {
    throw new EngineError("internal", t("error.json"));
  }
}

/**
 * @param {Response} response
 * @returns {Promise<EngineError>}
 */
async function toError(response) {
  /** @type {Partial<Problem>} */
  const problem = await response.json().catch(() => ({}));
  return problemError({ status: response.status, request_id: response.headers.get("X-Request-ID") ?? "", ...problem });
}

/**
 * @param {Partial<Problem>} problem
 * @returns {EngineError}
 */
function problemError({ status = 500, detail, title, request_id: id = "" }) {
  const cause = detail || title || t("error.status", { status });
  if (status === 503 || status === 429) return new EngineError("busy", t("error.busy", { detail: cause }), id);
  if (status === 404 || status === 409) return new EngineError("unavailable", cause, id);
  if (status === 408) return new EngineError("unreachable", t("error.slow", { detail: cause }), id);
  if (status >= 500 || status === 421) return new EngineError("internal", t("error.failed", { detail: cause }), id);
  return new EngineError("image", cause, id);
}

/**
 * Seconds until the next attempt: `Retry-After`, otherwise 1, 2, 4 ...
 * @param {string | null} retryAfter
 * @param {number} attempt
 */
function waitSeconds(retryAfter, attempt) {
  const requested = Number(retryAfter ?? Number.NaN);
  const seconds = Number.isFinite(requested) ? requested : 2 ** (attempt - 1);
  return Math.min(Math.max(seconds, 1), MAX_WAIT_S);
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
