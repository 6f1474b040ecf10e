/**
 * The engine that is the server which sent the page.
 *
 * @typedef {import("../engine.js").Asking} Asking
 * @typedef {import("../engine.js").Engine} Engine
 * @typedef {import("../contract.js").Patient} Patient
 * @typedef {import("../contract.js").Problem} Problem
 *
 * @typedef {(wrong: boolean) => Promise<string | null>} AskKey Asks the reader for the API key; null: none given.
 */

import { EngineError } from "../engine.js";

const TRIES = 6;
const LONGEST_WAIT = 30;
const PATIENCE = 90_000;
const KEY_HEADER = "X-API-Key";

/** @implements {Engine} */
export class ServerEngine {
  #askKey;
  #key = "";
  /** @type {Promise<string | null> | null} */
  #keyAsked = null;

  /** @param {AskKey} askKey */
  constructor(askKey) {
    this.#askKey = askKey;
  }

  /** @type {Engine["predict"]} */
  predict(image, asking = {}) {
    return this.#ask("v1/predict", asking, form(image, asking.patient));
  }

  /** @type {Engine["explain"]} */
  explain(image, diagnosis, asking = {}) {
    const body = form(image, asking.patient);
    if (diagnosis !== null) body.set("diagnosis", diagnosis);
    return this.#ask("v1/explain", asking, body);
  }

  /** @type {Engine["model"]} */
  model() {
    return this.#ask("v1/model", {});
  }

  /** @type {Engine["evaluation"]} */
  async evaluation() {
    try {
      return await this.#ask("v1/model/evaluation", {});
    } catch (error) {
      if (error instanceof EngineError && error.kind === "absent") return null;
      throw error;
    }
  }

  /**
   * Ask until there is an answer or no hope: a busy server is asked again, a missing key is asked for.
   * @param {string} path
   * @param {Asking} asking
   * @param {FormData} [body]
   * @returns {Promise<any>}
   */
  async #ask(path, { onWait, signal }, body) {
    for (let attempt = 1; ; ) {
      const key = this.#key;
      const response = await this.#send(path, key, signal, body);
      if (response.ok) return read(response);
      if (response.status === 401) {
        await this.#newKey(key);
        continue;
      }
      const waiting = response.status === 503 || response.status === 429;
      if (!waiting || attempt === TRIES) throw await explained(response);
      const seconds = wait(response.headers.get("Retry-After"), attempt);
      onWait?.(`The server is busy. Trying again in ${seconds} s (try ${attempt + 1} of ${TRIES}).`);
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
    const limits = [AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])];
    try {
      return await fetch(path, {
        method: body ? "POST" : "GET",
        headers: key ? { [KEY_HEADER]: key } : {},
        body: body ?? null,
        signal: AbortSignal.any(limits),
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new EngineError("gone", "The server does not answer. Is lesionlab serve still running, and the network up?");
    }
  }

  /**
   * Ask the reader for a key, once for all questions that wait for it.
   * @param {string} refused The key that was not accepted.
   */
  async #newKey(refused) {
    if (this.#key !== refused) return;
    this.#keyAsked ??= this.#askKey(refused !== "").finally(() => (this.#keyAsked = null));
    const key = await this.#keyAsked;
    if (!key) throw new EngineError("key", "The server answers only with its API key.");
    this.#key = key;
  }
}

/**
 * @param {Blob} image
 * @param {Patient} [patient]
 */
function form(image, patient = {}) {
  const body = new FormData();
  // The file's own name may name the patient: it stays in the browser.
  body.set("file", image, "image");
  for (const [field, value] of Object.entries(patient)) if (value !== "") body.set(field, String(value));
  return body;
}

/** @param {Response} response */
async function read(response) {
  try {
    return await response.json();
  } catch {
    throw new EngineError("fault", "The server's answer cannot be read. Does something stand between it and this page?");
  }
}

/**
 * @param {Response} response
 * @returns {Promise<EngineError>}
 */
async function explained(response) {
  /** @type {Partial<Problem>} */
  const problem = await response.json().catch(() => ({}));
  const { status } = response;
  const said = problem.detail || problem.title || `The server answered with status ${status}.`;
  const id = problem.request_id ?? response.headers.get("X-Request-ID") ?? "";
  if (status === 503 || status === 429) return new EngineError("busy", `The server is still busy. ${said}`, id);
  if (status === 404 || status === 409) return new EngineError("absent", said, id);
  if (status === 408) return new EngineError("gone", `The network is too slow. ${said}`, id);
  if (status >= 500 || status === 421) return new EngineError("fault", `The server cannot do this now. ${said}`, id);
  return new EngineError("image", said, id);
}

/**
 * Seconds until the next try: what the server asks for, else 1, 2, 4 ...
 * @param {string | null} retryAfter
 * @param {number} attempt
 */
function wait(retryAfter, attempt) {
  const asked = Number(retryAfter ?? Number.NaN);
  const seconds = Number.isFinite(asked) ? asked : 2 ** (attempt - 1);
  return Math.min(Math.max(seconds, 1), LONGEST_WAIT);
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
