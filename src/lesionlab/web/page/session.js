/** The state of the page: images, results, and the choices that all views share. */

import { itemAddress, parseAddress } from "./address.js";
import { DEFAULT_LIST } from "./classify/list.js";
import { headline } from "./headline.js";
import { thumbnail } from "./image_file.js";
import { isPending, newItem, release } from "./item.js";
import { t } from "./messages.js";
import { isRetryable, messageOf, Queue } from "./queue.js";
import { buildPrediction, evidenceOf } from "./result/prediction.js";
import { DEFAULT_CHOICE } from "./result/setting.js";
import { Store } from "./store.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./messages.js").MessageKey} MessageKey */
/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {import("./types.js").EvaluationSummary} Evaluation */
/** @typedef {import("./types.js").Patient} Patient */
/** @typedef {import("./result/setting.js").Choice} Choice */

export class Session {
  /** @type {Item[]} */
  items = [];
  /** @type {{ items: Item[], all: Item[] } | null} The images of the last removal, and the list before it. */
  removed = null;
  /** @type {ModelCard | null} */
  model = null;
  /** @type {Evaluation | null | undefined} */
  evaluation = undefined;
  /** @type {string} */
  modelProblem = "";
  /** @type {import("./address.js").Address} The view, and the image that is shown in full. */
  address = parseAddress(location.hash);
  /** @type {import("./classify/list.js").ListState} */
  list = DEFAULT_LIST;
  /** @type {[number | null, number | null]} The images that are compared. */
  pair = [null, null];
  /** @type {Choice} Prevalence and operating point of all results. */
  choice = DEFAULT_CHOICE;
  /** @type {number} Opacity of the heat map, 0 to 1. */
  opacity = 0.5;
  /** What is shown with an image. */
  layers = { map: true, outline: true, sideBySide: false };
  /** @type {string} For screen readers. */
  announcement = "";
  /** @type {string} A message for the reader on files that were left out. */
  note = "";
  /** @type {{ rejected: boolean, submit: (key: string | null) => void } | null} A pending request for the API key. */
  keyRequest = null;
  /** @type {Store | null} Keeps images and results over a reload; null where the browser cannot. */
  store = null;
  /** Whether images of this tab are being read from the store. */
  restoring = true;
  /** @type {MessageKey[]} Where images are sent. */
  privacy;
  #engine;
  #queue;
  /** @type {Promise<void>} */
  #thumbnails = Promise.resolve();
  #ids = 0;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {Engine} engine
   * @param {MessageKey} privacy
   * @param {import("./copy/client.js").Shrink | null} [shrink] Makes a smaller copy of a file before it is sent.
   */
  constructor(engine, privacy, shrink = null) {
    this.#engine = engine;
    this.privacy = [privacy];
    this.#queue = new Queue(engine, shrink, (settled) => this.#settle(settled));
  }

  /** The image that is shown in full; null for the list. */
  get selected() {
    return this.address.item;
  }

  /**
   * @param {() => void} listener Called after each change.
   * @returns {() => void} Unsubscribes.
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {Partial<Omit<Session, "item" | "selected">>} changes */
  set(changes) {
    Object.assign(this, changes);
    for (const listener of this.#listeners) listener();
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
      this.#checkModel();
      this.#applyChoice(this.items);
      this.#next();
    } catch (error) {
      this.set({ modelProblem: messageOf(error) });
    }
  }

  async loadEvaluation() {
    try {
      this.set({ evaluation: await this.#engine.evaluation() });
    } catch (error) {
      this.set({ modelProblem: messageOf(error) });
    }
  }

  /** @param {number | null} id */
  item(id) {
    return this.items.find((item) => item.id === id) ?? null;
  }

  /**
   * Show an image in full, or the list, as a new entry in the browser's history.
   * @param {number | null} id
   */
  open(id) {
    location.hash = itemAddress(id);
    this.set({ address: parseAddress(location.hash) });
  }

  /**
   * Add images and classify them. One image is shown in full, several as a list.
   * @param {Iterable<{ file: Blob, name: string, synthetic?: boolean }>} files
   * @param {{ open?: boolean, note?: string }} [options] `open`: whether to show them.
   * @returns {Item[]}
   */
  add(files, { open = true, note = "" } = {}) {
    const added = [...files].map((file) => newItem({ id: ++this.#ids, ...file }));
    this.set({ note });
    if (added.length === 0) return added;
    this.set({ items: [...this.items, ...added] });
    if (open) this.open(added.length === 1 ? (added[0]?.id ?? null) : null);
    for (const item of added) this.store?.add(item);
    this.#drawThumbnails(added);
    this.#next();
    return added;
  }

  /** Bring back the images and results of this tab, or those that the reader keeps. */
  async restore() {
    this.store = await Store.open();
    const found = (await this.store?.all().catch(() => [])) ?? [];
    const restored = found.map((stored) => {
      const id = this.item(stored.id) ? ++this.#ids : stored.id;
      this.#ids = Math.max(this.#ids, id);
      return newItem({ ...stored, id, ...(stored.state === "predicting" ? { state: /** @type {const} */ ("waiting") } : {}) });
    });
    for (const item of this.items) this.store?.add(item);
    this.set({ items: [...restored, ...this.items], restoring: false });
    this.#checkModel();
    this.#applyChoice(restored);
    this.#drawThumbnails(restored);
    this.#next();
  }

  /** @param {boolean} kept Whether images and results are kept when the tab is closed. */
  async keep(kept) {
    await this.store?.keep(kept, this.items);
    this.set({});
  }

  /**
   * Remove images; `undoRemoval` brings them back.
   * @param {Item[]} items
   */
  remove(items) {
    this.forgetRemoved();
    const gone = new Set(items);
    const [left, right] = this.pair.map((id) => (items.some((item) => item.id === id) ? null : id));
    this.store?.remove(items);
    const removed = { items, all: this.items };
    this.set({ removed, items: this.items.filter((item) => !gone.has(item)), pair: [left ?? null, right ?? null] });
    if (items.some(({ id }) => id === this.selected)) this.open(null);
  }

  undoRemoval() {
    if (!this.removed) return;
    const { items, all } = this.removed;
    const later = this.items.filter((item) => !all.includes(item));
    this.set({ items: [...all.filter((item) => items.includes(item) || this.items.includes(item)), ...later], removed: null });
    for (const item of items) this.store?.add(item);
    this.#applyChoice(items);
    this.#next();
  }

  /** Release the images of the last removal. */
  forgetRemoved() {
    this.removed?.items.forEach(release);
    this.set({ removed: null });
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
   * Apply patient data to the result of an image.
   * @param {Item} item
   * @param {Patient} patient
   */
  setPatient(item, patient) {
    item.patient = patient;
    this.store?.update(item);
    this.#applyChoice([item]);
  }

  /**
   * Apply another prevalence or operating point to all results.
   * @param {Partial<Choice>} choice
   */
  setChoice(choice) {
    this.choice = { ...this.choice, ...choice };
    this.#applyChoice(this.items);
  }

  /**
   * Fetch the heat map of a class.
   * @param {Item} item
   * @param {string} code
   * @returns {Promise<{ message: string, retryable: boolean } | null>} The failure, which is not kept; null for none.
   */
  async explain(item, code) {
    try {
      const { explanation, nearest_images, lesion, outline } = await this.#engine.explain(item.upload ?? item.file, code);
      item.explanations.set(code, explanation);
      item.related ??= { nearest_images, lesion, outline };
      this.store?.update(item);
      this.set({});
      return null;
    } catch (error) {
      return { message: messageOf(error), retryable: isRetryable(error) };
    }
  }

  /** Classify again what another model has classified. */
  #checkModel() {
    const { model } = this;
    for (const item of this.items) {
      if (!model || !item.imageResponse || item.imageResponse.model.graph_sha256 === model.model.graph_sha256) continue;
      Object.assign(item, { state: "waiting", imageResponse: null, response: null, related: null });
      item.explanations.clear();
    }
  }

  #next() {
    this.#queue.next(() => this.items, () => this.model);
  }

  /** @param {Item[]} items */
  #settle(items) {
    this.#applyChoice(items);
    for (const item of items) this.store?.update(item);
    const [last] = items.slice(-1);
    if (last) this.#announce(last);
    if (!this.model && items.some(({ state }) => state === "done")) void this.loadModel();
  }

  /** @param {Item[]} items */
  #applyChoice(items) {
    for (const item of items) {
      const { imageResponse } = item;
      if (!imageResponse) continue;
      if (this.model) {
        const evidence = evidenceOf(imageResponse.result, this.model);
        item.response = { ...imageResponse, result: buildPrediction(this.model, evidence, item.patient, this.choice) };
      } else {
        item.response = imageResponse;
      }
    }
    this.set({});
  }

  /** @param {Item[]} items */
  #drawThumbnails(items) {
    // One after the other: decoding a camera's image takes 50 MB.
    for (const item of items) {
      this.#thumbnails = this.#thumbnails.then(async () => {
        if (!this.items.includes(item)) return;
        item.thumbFile = await thumbnail(item.file);
        if (item.thumbFile) item.thumb = URL.createObjectURL(item.thumbFile);
        this.set({});
      });
    }
  }

  /** @param {Item} item */
  #announce(item) {
    if (this.items.some(isPending)) return;
    if (this.items.length > 1 && this.selected === null) {
      const failed = this.items.filter(({ state }) => state === "failed").length;
      this.set({ announcement: t("announce.several", { done: this.items.length - failed, all: this.items.length }) });
    } else {
      const result = item.response?.result;
      this.set({ announcement: `${item.name}: ${item.state === "failed" || !result ? item.problem : headline(result, this.model)}` });
    }
  }
}
