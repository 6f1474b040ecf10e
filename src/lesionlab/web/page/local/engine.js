/** The engine that is the model itself, in a worker of this browser. Images go to the worker and nowhere else. */

import { EngineError } from "../engine.js";

/** @typedef {import("../engine.js").Engine} Engine */
/** @typedef {import("./worker.js").Question} Question */
/** @typedef {import("./worker.js").Reply} Reply */

/**
 * @typedef {object} Open A question that waits for its answer.
 * @property {(answer: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {((why: string) => void) | undefined} onWait
 */

/** @implements {Engine} */
export class LocalEngine {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Map<number, Open>} */
  #open = new Map();
  /** @type {WeakMap<Blob, number>} */
  #keys = new WeakMap();
  #ids = 0;
  /** How far the model is loaded, in words; empty once it is. */
  #news = "";

  /** @type {Engine["predict"]} */
  predict(image, { patient, ...asking } = {}) {
    return this.#ask({ ask: "predict", image, key: this.#key(image), patient: patient ?? {} }, asking);
  }

  /** @type {Engine["explain"]} */
  explain(image, diagnosis, { patient, ...asking } = {}) {
    return this.#ask({ ask: "explain", image, key: this.#key(image), diagnosis, patient: patient ?? {} }, asking);
  }

  /** @type {Engine["model"]} */
  model() {
    return this.#ask({ ask: "model" });
  }

  /** @type {Engine["evaluation"]} */
  evaluation() {
    return this.#ask({ ask: "evaluation" });
  }

  /**
   * @param {Omit<Question, "id">} question
   * @param {Omit<import("../engine.js").Asking, "patient">} [asking]
   * @returns {Promise<any>}
   */
  #ask(question, { onWait, signal } = {}) {
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", () => this.#settle(id)?.reject(signal.reason), { once: true });
      this.#open.set(id, { resolve, reject, onWait });
      this.#worker ??= this.#started();
      this.#worker.postMessage({ id, ...question });
      if (this.#news) onWait?.(this.#news);
    });
  }

  #started() {
    // A worker that comes from a file has a policy of its own, which hosts of static files do not send. One from here
    // has the page's, and so cannot reach any other place either.
    const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
    const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    worker.addEventListener("message", ({ data }) => this.#heard(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#lost(event.message);
    });
    return worker;
  }

  /** @param {Reply} reply */
  #heard({ id, answer, problem, loaded }) {
    if (loaded !== undefined) {
      this.#news = loaded < 1 ? `Loading the model: ${Math.floor(100 * loaded)}%` : "";
      for (const { onWait } of this.#open.values()) onWait?.(this.#news);
    }
    const open = id === undefined ? null : this.#settle(id);
    if (problem) open?.reject(new EngineError(problem.kind, problem.message));
    else open?.resolve(answer);
  }

  /**
   * The worker has ended, or never began.
   * @param {string} [why]
   */
  #lost(why) {
    this.#worker?.terminate();
    this.#worker = null;
    const cause = why || "its files do not arrive, or this browser is too old";
    for (const id of [...this.#open.keys()]) this.#settle(id)?.reject(new EngineError("fault", `The model stopped: ${cause}.`));
  }

  /** @param {number} id */
  #settle(id) {
    const open = this.#open.get(id);
    this.#open.delete(id);
    return open;
  }

  /** @param {Blob} image */
  #key(image) {
    const key = this.#keys.get(image) ?? ++this.#ids;
    this.#keys.set(image, key);
    return key;
  }
}
