/** The engine that runs the model in a worker of this browser. Images are passed to the worker only. */

import { EngineError } from "../engine.js";
import { t } from "../messages.js";

/** @typedef {import("../engine.js").Engine} Engine */
/** @typedef {import("./worker.js").WorkerRequest} WorkerRequest */
/** @typedef {import("./worker.js").WorkerMessage} WorkerMessage */

/**
 * @typedef {object} PendingRequest
 * @property {(response: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {((reason: string) => void) | undefined} onWait
 */

/** @implements {Engine} */
export class LocalEngine {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Map<number, PendingRequest>} */
  #pending = new Map();
  /** @type {WeakMap<Blob, number>} */
  #keys = new WeakMap();
  #ids = 0;
  /** Progress of loading the model, in words; empty once it is loaded. */
  #progress = "";

  /** @type {Engine["predict"]} */
  predict(images, options) {
    return Promise.all(
      images.map((image) => this.#request({ method: "predict", image, key: this.#key(image) }, options).catch((error) => {
        if (error instanceof EngineError) return error;
        throw error;
      })),
    );
  }

  /** @type {Engine["explain"]} */
  explain(image, code, options) {
    return this.#request({ method: "explain", image, key: this.#key(image), code }, options);
  }

  /** @type {Engine["model"]} */
  model() {
    return this.#request({ method: "model" });
  }

  /** @type {Engine["evaluation"]} */
  evaluation() {
    return this.#request({ method: "evaluation" });
  }

  /**
   * @param {Omit<WorkerRequest, "id">} request
   * @param {import("../engine.js").RequestOptions} [options]
   * @returns {Promise<any>}
   */
  #request(request, { onWait, signal } = {}) {
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", () => this.#take(id)?.reject(signal.reason), { once: true });
      this.#pending.set(id, { resolve, reject, onWait });
      this.#worker ??= this.#startWorker();
      this.#worker.postMessage({ id, ...request });
      if (this.#progress) onWait?.(this.#progress);
    });
  }

  #startWorker() {
    // A worker from a file has a content security policy of its own, which static hosts do not send. A worker from a
    // blob inherits the page's policy, and so cannot reach another host either.
    const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    worker.addEventListener("message", ({ data }) => this.#receive(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(event.message);
    });
    return worker;
  }

  /** @param {WorkerMessage} message */
  #receive({ id, response, problem, loaded }) {
    if (loaded !== undefined) {
      this.#progress = loaded < 1 ? t("error.loading", { share: `${Math.floor(100 * loaded)}%` }) : "";
      for (const { onWait } of this.#pending.values()) onWait?.(this.#progress);
    }
    const pending = id === undefined ? null : this.#take(id);
    if (problem) pending?.reject(new EngineError(problem.kind, problem.message));
    else pending?.resolve(response);
  }

  /**
   * Reject all requests after the worker has ended or failed to start.
   * @param {string} [reason]
   */
  #fail(reason) {
    this.#worker?.terminate();
    this.#worker = null;
    const cause = reason || t("error.noWorker");
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(new EngineError("internal", t("error.stopped", { cause })));
  }

  /** @param {number} id */
  #take(id) {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** @param {Blob} image */
  #key(image) {
    const key = this.#keys.get(image) ?? ++this.#ids;
    this.#keys.set(image, key);
    return key;
  }
}
