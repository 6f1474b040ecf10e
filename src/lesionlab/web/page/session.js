/** The state of the page: images, results, and the choices that all views share. */

import { EngineError } from "./engine.js";
import { headline } from "./headline.js";
import { thumbnail, unsupportedReason } from "./image_file.js";
import { t } from "./messages.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./messages.js").MessageKey} MessageKey */
/** @typedef {import("./types.js").PredictResponse} PredictResponse */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").ExplainResult} ExplainResult */
/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {import("./types.js").EvaluationSummary} Evaluation */
/** @typedef {import("./types.js").Patient} Patient */

/**
 * @typedef {object} Item An image with its result.
 * @property {number} id
 * @property {Blob} file
 * @property {string} name
 * @property {boolean} synthetic One of the synthetic examples.
 * @property {string} url For `<img>`.
 * @property {string | null} thumb For the table; null for a format that the browser cannot show.
 * @property {"waiting" | "predicting" | "done" | "failed"} state
 * @property {string} delay Reason for a delay; empty without one.
 * @property {string} problem Reason for the failure; empty without one.
 * @property {boolean} retryable Whether another attempt may succeed.
 * @property {Patient} patient
 * @property {PredictResponse | null} response
 * @property {Map<string, Explanation | null>} explanations By the code of the explained class; null for an abstention.
 * @property {Pick<ExplainResult, "nearest_images" | "lesion" | "outline"> | null} related From the first explanation; the
 *   same for every class.
 * @property {Date} date Of the prediction.
 */

// Enough for the server to batch requests.
const CONCURRENT = 4;

export class Session {
  /** @type {Item[]} */
  items = [];
  /** @type {ModelCard | null} */
  model = null;
  /** @type {Evaluation | null | undefined} */
  evaluation = undefined;
  /** @type {string} */
  modelProblem = "";
  /** @type {number | null} The image that is shown in full; null for the table. */
  selected = null;
  /** @type {[number | null, number | null]} The images that are compared. */
  pair = [null, null];
  /** @type {string} The selected operating point; empty for the first one. */
  pointKey = "";
  /** @type {number} Opacity of the heat map, 0 to 1. */
  opacity = 0.5;
  /** What is shown with an image. */
  layers = { map: true, outline: true, sideBySide: false };
  /** @type {string} For screen readers. */
  announcement = "";
  /** @type {{ rejected: boolean, submit: (key: string | null) => void } | null} A pending request for the API key. */
  keyRequest = null;
  /** @type {MessageKey[]} Where images are sent. */
  privacy;
  #engine;
  #running = 0;
  /** @type {Promise<void>} */
  #thumbnails = Promise.resolve();
  #ids = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {Engine} engine
   * @param {MessageKey} privacy
   */
  constructor(engine, privacy) {
    this.#engine = engine;
    this.privacy = [privacy];
  }

  /**
   * @param {() => void} listener Called after each change.
   * @returns {() => void} Unsubscribes.
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Request the API key from the reader.
   * @type {import("./server/engine.js").RequestKey}
   */
  requestKey(rejected) {
    return new Promise((resolve) => {
      const submit = (/** @type {string | null} */ key) => {
        this.set({ keyRequest: null });
        resolve(key);
      };
      this.set({ keyRequest: { rejected, submit } });
    });
  }

  /** Load the model card; repeated after the engine was unreachable. */
  async loadModel() {
    this.set({ modelProblem: "" });
    try {
      this.set({ model: await this.#engine.model() });
    } catch (error) {
      this.set({ modelProblem: message(error) });
    }
  }

  async loadEvaluation() {
    try {
      this.set({ evaluation: await this.#engine.evaluation() });
    } catch (error) {
      this.set({ modelProblem: message(error) });
    }
  }

  /** @param {number | null} id */
  item(id) {
    return this.items.find((item) => item.id === id) ?? null;
  }

  /**
   * Add images and classify them. One image is shown in full, several as a table.
   * @param {Iterable<{ file: Blob, name: string, synthetic?: boolean }>} files
   * @returns {Item[]}
   */
  add(files) {
    const added = [...files].map(({ file, name, synthetic = false }) => this.#newItem(file, name, synthetic));
    if (added.length === 0) return added;
    this.set({ items: [...this.items, ...added], selected: added.length === 1 ? (added[0]?.id ?? null) : null });
    // One after the other: decoding a camera's image takes 50 MB.
    for (const item of added) this.#thumbnails = this.#thumbnails.then(() => this.#drawThumbnail(item));
    this.#next();
    return added;
  }

  /** @param {Item} item */
  remove(item) {
    URL.revokeObjectURL(item.url);
    if (item.thumb) URL.revokeObjectURL(item.thumb);
    const [left, right] = this.pair;
    this.set({
      items: this.items.filter((other) => other !== item),
      selected: this.selected === item.id ? null : this.selected,
      pair: [left === item.id ? null : left, right === item.id ? null : right],
    });
  }

  clear() {
    for (const item of this.items) this.remove(item);
  }

  /**
   * Classify again the images whose failure may be temporary.
   * @param {Item[]} [items]
   */
  retry(items = this.items) {
    for (const item of items) if (item.state === "failed" && item.retryable) item.state = "waiting";
    this.#next();
  }

  /**
   * Classify an image again with patient data.
   * @param {Item} item
   * @param {Patient} patient
   */
  setPatient(item, patient) {
    Object.assign(item, { patient, state: "waiting" });
    item.explanations.clear();
    this.#next();
  }

  /**
   * Fetch the heat map of a class.
   * @param {Item} item
   * @param {string} code
   * @returns {Promise<{ message: string, retryable: boolean } | null>} The failure, which is not kept; null for none.
   */
  async explain(item, code) {
    const { patient } = item;
    try {
      const { explanation, nearest_images, lesion, outline } = await this.#engine.explain(item.file, code, { patient });
      // If the patient data were changed meanwhile, this map belongs to an outdated result.
      if (item.patient !== patient) return null;
      item.explanations.set(code, explanation);
      item.related ??= { nearest_images, lesion, outline };
      this.set({});
      return null;
    } catch (error) {
      return { message: message(error), retryable: isRetryable(error) };
    }
  }

  /** @param {Partial<Omit<Session, "item">>} changes */
  set(changes) {
    Object.assign(this, changes);
    for (const listener of this.#listeners) listener();
  }

  /**
   * @param {Blob} file
   * @param {string} name
   * @param {boolean} synthetic
   * @returns {Item}
   */
  #newItem(file, name, synthetic) {
    return {
      id: ++this.#ids,
      file,
      name,
      synthetic,
      url: URL.createObjectURL(file),
      thumb: null,
      state: "waiting",
      delay: "",
      problem: "",
      retryable: false,
      patient: {},
      response: null,
      explanations: new Map(),
      related: null,
      date: new Date(),
    };
  }

  /** @param {Item} item */
  async #drawThumbnail(item) {
    if (!this.items.includes(item)) return;
    const small = await thumbnail(item.file);
    if (small && this.items.includes(item)) item.thumb = URL.createObjectURL(small);
    this.set({});
  }

  #next() {
    for (const item of this.items) {
      if (this.#running >= CONCURRENT) break;
      if (item.state === "waiting") void this.#predict(item);
    }
    this.set({});
  }

  /** @param {Item} item */
  async #predict(item) {
    this.#running += 1;
    Object.assign(item, { state: "predicting", problem: "", delay: "" });
    const { patient } = item;
    try {
      const unsupported = await unsupportedReason(item.file, this.model?.limits);
      if (unsupported) throw new EngineError("image", unsupported);
      const response = await this.#engine.predict(item.file, { patient, onWait: (reason) => this.#setDelay(item, reason) });
      // If the patient data were changed meanwhile, this response is outdated, and the item is waiting for its own.
      if (item.patient === patient) Object.assign(item, { response, state: "done", date: new Date() });
      if (!this.model) void this.loadModel();
    } catch (error) {
      if (item.patient === patient) Object.assign(item, { state: "failed", problem: message(error), retryable: isRetryable(error) });
    } finally {
      item.delay = "";
      this.#running -= 1;
      this.#announce(item);
      this.#next();
    }
  }

  /**
   * @param {Item} item
   * @param {string} reason
   */
  #setDelay(item, reason) {
    item.delay = reason;
    this.set({ announcement: reason });
  }

  /** @param {Item} item */
  #announce(item) {
    if (this.items.some(({ state }) => state === "waiting" || state === "predicting")) return;
    if (this.items.length > 1 && this.selected === null) {
      const failed = this.items.filter(({ state }) => state === "failed").length;
      this.announcement = t("announce.several", { done: this.items.length - failed, all: this.items.length });
    } else {
      const result = item.response?.result;
      this.announcement = `${item.name}: ${item.state === "failed" || !result ? item.problem : headline(result, this.model)}`;
    }
  }
}

/** @param {unknown} error */
function isRetryable(error) {
  return !(error instanceof EngineError) || error.retryable;
}

/** @param {unknown} error */
function message(error) {
  if (error instanceof EngineError && error.kind === "internal" && error.requestId) return t("error.request", { message: error.message, id: error.requestId });
  return error instanceof Error ? error.message : String(error);
}
