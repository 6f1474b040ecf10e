/** What the reader has on the page: the images, their answers, and the choices that all views share. */

import { EngineError } from "./engine.js";
import { answerOf, percent, suspicion } from "./format.js";
import { objection, thumbnail } from "./intake.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./contract.js").Answer} Answer */
/** @typedef {import("./contract.js").Explanation} Explanation */
/** @typedef {import("./contract.js").ExplainedAnswer} ExplainedAnswer */
/** @typedef {import("./contract.js").Model} Model */
/** @typedef {import("./contract.js").Evaluation} Evaluation */
/** @typedef {import("./contract.js").OperatingPoint} OperatingPoint */
/** @typedef {import("./contract.js").Patient} Patient */

/**
 * @typedef {object} Item One image.
 * @property {number} id
 * @property {Blob} file
 * @property {string} name
 * @property {boolean} synthetic Drawn by a program: one of the examples.
 * @property {string} url For `<img>`.
 * @property {string | null} thumb For the table; null where the browser cannot show the format.
 * @property {"waiting" | "judging" | "done" | "failed"} state
 * @property {string} delay Why it takes longer; empty while all goes well.
 * @property {string} problem Why there is no answer.
 * @property {boolean} passing Whether trying again may help.
 * @property {Patient} patient
 * @property {Answer | null} answer
 * @property {Map<string, Explanation | string>} maps By the diagnosis explained; a text says why there is none.
 * @property {Pick<ExplainedAnswer, "similar" | "lesion"> | null} beside What came with the first map; it is the same with any.
 * @property {Date} at When it was judged.
 */

// As many as keep a server busy that judges together what is ready at a time.
const AT_ONCE = 4;

export class Session {
  /** @type {Item[]} */
  items = [];
  /** @type {Model | null} */
  model = null;
  /** @type {Evaluation | null | undefined} */
  evaluation = undefined;
  /** @type {string} */
  modelProblem = "";
  /** @type {number | null} The image shown in full; null: the table. */
  selected = null;
  /** @type {[number | null, number | null]} The images that stand side by side. */
  pair = [null, null];
  /** @type {string} Operating point. */
  pointName = "";
  /** @type {number} Of the heat map, 0 to 1. */
  opacity = 0.5;
  /** @type {string} What a screen reader says. */
  said = "";
  /** @type {{ wrong: boolean, answer: (key: string | null) => void } | null} The key that the server wants. */
  keyWanted = null;
  /** @type {string} What becomes of the images, in words for the reader. */
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
   * @param {string} privacy
   */
  constructor(engine, privacy) {
    this.#engine = engine;
    this.privacy = privacy;
  }

  /**
   * @param {() => void} listener Called after each change.
   * @returns {() => void} Ends it.
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Ask the reader for the API key.
   * @type {import("./server/engine.js").AskKey}
   */
  askKey(wrong) {
    return new Promise((resolve) => {
      const answer = (/** @type {string | null} */ key) => {
        this.set({ keyWanted: null });
        resolve(key);
      };
      this.set({ keyWanted: { wrong, answer } });
    });
  }

  /** Load what the model says of itself; called again when the engine was away. */
  async loadModel() {
    this.set({ modelProblem: "" });
    try {
      const model = await this.#engine.model();
      const [first] = model.operating_points;
      this.set({ model, pointName: this.pointName || (first?.name ?? "") });
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

  /** @returns {OperatingPoint | null} The operating point that is chosen. */
  get point() {
    const all = this.model?.operating_points ?? [];
    return all.find(({ name }) => name === this.pointName) ?? all[0] ?? null;
  }

  /** @param {number | null} id */
  item(id) {
    return this.items.find((item) => item.id === id) ?? null;
  }

  /**
   * Take images in and judge them. One is shown in full, several as a table.
   * @param {Iterable<{ file: Blob, name: string, synthetic?: boolean }>} files
   * @returns {Item[]}
   */
  add(files) {
    const added = [...files].map(({ file, name, synthetic = false }) => this.#newItem(file, name, synthetic));
    if (added.length === 0) return added;
    this.set({ items: [...this.items, ...added], selected: added.length === 1 ? (added[0]?.id ?? null) : null });
    // One after the other: a camera's picture takes 50 MB while it is decoded.
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
   * Judge again what failed for a reason that may have passed.
   * @param {Item[]} [items]
   */
  retry(items = this.items) {
    for (const item of items) if (item.state === "failed" && item.passing) item.state = "waiting";
    this.#next();
  }

  /**
   * @param {Item} item
   * @param {Patient} patient
   */
  setPatient(item, patient) {
    Object.assign(item, { patient, state: "waiting" });
    item.maps.clear();
    this.#next();
  }

  /**
   * Fetch the heat map for a diagnosis, unless it is there.
   * @param {Item} item
   * @param {string} diagnosis
   */
  async explain(item, diagnosis) {
    if (!this.model?.explains || item.maps.has(diagnosis)) return;
    try {
      const { explanation, ...beside } = await this.#engine.explain(item.file, diagnosis, { patient: item.patient });
      item.maps.set(diagnosis, explanation);
      item.beside ??= beside;
    } catch (error) {
      item.maps.set(diagnosis, message(error));
    }
    this.set({});
  }

  /** @param {Partial<Omit<Session, "item" | "point">>} changes */
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
      passing: false,
      patient: {},
      answer: null,
      maps: new Map(),
      beside: null,
      at: new Date(),
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
      if (this.#running >= AT_ONCE) break;
      if (item.state === "waiting") void this.#judge(item);
    }
    this.set({});
  }

  /** @param {Item} item */
  async #judge(item) {
    this.#running += 1;
    Object.assign(item, { state: "judging", problem: "", delay: "" });
    const asked = item.patient;
    try {
      const wrong = await objection(item.file, this.model?.limits.max_bytes);
      if (wrong) throw new EngineError("image", wrong);
      const answer = await this.#engine.predict(item.file, {
        patient: asked,
        onWait: (why) => this.#delayed(item, why),
      });
      // Changed meanwhile: this answer is to another question, and the item waits for its own.
      if (item.patient === asked) Object.assign(item, { answer, state: "done", at: new Date() });
      if (!this.model) void this.loadModel();
    } catch (error) {
      const passing = !(error instanceof EngineError) || error.passing;
      if (item.patient === asked) Object.assign(item, { state: "failed", problem: message(error), passing });
    } finally {
      item.delay = "";
      this.#running -= 1;
      this.#say(item);
      this.#next();
    }
  }

  /**
   * @param {Item} item
   * @param {string} why
   */
  #delayed(item, why) {
    item.delay = why;
    this.set({ said: why });
  }

  /** @param {Item} item */
  #say(item) {
    const open = this.items.filter(({ state }) => state === "waiting" || state === "judging").length;
    if (open > 0) return;
    if (this.items.length > 1 && this.selected === null) {
      const failed = this.items.filter(({ state }) => state === "failed").length;
      this.said = `${this.items.length - failed} of ${this.items.length} images judged.`;
    } else if (item.state === "failed") {
      this.said = `${item.name}: ${item.problem}`;
    } else if (item.answer) {
      const { refusal } = item.answer.result;
      const best = answerOf(item.answer.result);
      const share = suspicion(item.answer.result, this.point?.looked_for);
      this.said = refusal
        ? `${item.name}: the model should not be relied on for this image.`
        : `${item.name}: ${best?.name}, ${percent(best?.probability ?? 0)}.` +
          (share === null ? "" : ` ${this.point?.looked_for ?? "malignant"}: ${percent(share)}.`);
    }
  }
}

/** @param {unknown} error */
function message(error) {
  if (error instanceof EngineError && error.kind === "fault" && error.requestId) return `${error.message} (request ${error.requestId})`;
  return error instanceof Error ? error.message : String(error);
}
