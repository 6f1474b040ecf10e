/** Classifies waiting images: a single one at once, several in batches. */

import { EngineError } from "./engine.js";
import { tooLargeReason, unsupportedReason } from "./image_file.js";
import { t } from "./messages.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./types.js").ModelCard} ModelCard */

// Two requests: the server decodes the images of one while it predicts those of the other.
const CONCURRENT = 2;
// Small batches show the first results early.
const BATCH = 16;

export class Queue {
  #engine;
  #shrink;
  #onChange;
  #running = 0;

  /**
   * @param {Engine} engine
   * @param {import("./copy/client.js").Shrink | null} shrink Makes a smaller copy of a file; null: files are passed on as they are.
   * @param {(settled: Item[]) => void} onChange Called after each change, with the items that have a result or a failure.
   */
  constructor(engine, shrink, onChange) {
    this.#engine = engine;
    this.#shrink = shrink;
    this.#onChange = onChange;
  }

  /**
   * Start as many requests as may run.
   * @param {() => Item[]} items
   * @param {() => ModelCard | null} model
   */
  next(items, model) {
    while (this.#running < CONCURRENT) {
      const most = Math.min(BATCH, model()?.limits.max_batch ?? 1);
      const chosen = items()
        .filter(({ state }) => state === "waiting")
        .slice(0, most);
      if (chosen.length === 0) break;
      this.#running += 1;
      for (const item of chosen) Object.assign(item, { state: "predicting", problem: "", delay: "" });
      void this.#predict(chosen, model()).finally(() => {
        this.#running -= 1;
        this.next(items, model);
      });
    }
    this.#onChange([]);
  }

  /**
   * @param {Item[]} items
   * @param {ModelCard | null} model
   */
  async #predict(items, model) {
    const prepared = await Promise.all(items.map((item) => this.#prepare(item, model)));
    for (const batch of inBatches(items.filter((_, index) => prepared[index]), model)) await this.#send(batch, model);
  }

  /**
   * @param {Item} item
   * @param {ModelCard | null} model
   * @returns {Promise<boolean>} Whether the image can be sent.
   */
  async #prepare(item, model) {
    const unsupported = await unsupportedReason(item.file, model?.limits.formats);
    if (!unsupported && !item.upload && model && this.#shrink) {
      const copy = await this.#shrink(item.file, model);
      Object.assign(item, { upload: copy?.file ?? item.file, uploadNotes: copy?.notes ?? [] });
    }
    const problem = unsupported ?? tooLargeReason((item.upload ?? item.file).size, model?.limits);
    if (problem) this.#fail([item], new EngineError("image", problem));
    return !problem;
  }

  /**
   * @param {Item[]} items
   * @param {ModelCard | null} model
   */
  async #send(items, model) {
    const images = items.map(({ upload, file }) => upload ?? file);
    const [only] = images;
    const onWait = (/** @type {string} */ reason) => {
      for (const item of items) item.delay = reason;
      this.#onChange([]);
    };
    try {
      // One upload is enough for the prediction and the map of a single image.
      const explains = only && images.length === 1 && model?.explainable;
      const explained = explains ? await this.#engine.explain(only, null, { onWait }).catch(imageError).catch(() => null) : null;
      // A failure of the map does not hide the result; the map is fetched again.
      const results = explained ? [explained] : await this.#engine.predict(images, { onWait });
      items.forEach((item, index) => this.#settle(item, results[index]));
      this.#onChange(items);
    } catch (error) {
      this.#fail(items, error);
    }
  }

  /**
   * @param {Item} item
   * @param {import("./types.js").PredictResponse | import("./types.js").ExplainResult | EngineError | undefined} result
   */
  #settle(item, result) {
    if (!result || result instanceof EngineError) {
      this.#fail([item], result ?? new EngineError("internal", t("error.json")));
      return;
    }
    const { notes } = result.result;
    const response = { ...result, result: { ...result.result, notes: [...item.uploadNotes, ...notes] } };
    Object.assign(item, { imageResponse: response, state: "done", delay: "", date: new Date() });
    if (!("explanation" in result)) return;
    if (result.explanation) item.explanations.set(result.explanation.code, result.explanation);
    item.related = { nearest_images: result.nearest_images, lesion: result.lesion, outline: result.outline };
  }

  /**
   * @param {Item[]} items
   * @param {unknown} error
   */
  #fail(items, error) {
    for (const item of items) Object.assign(item, { state: "failed", delay: "", problem: messageOf(error), retryable: isRetryable(error) });
    this.#onChange(items);
  }
}

/** @param {unknown} error */
export function isRetryable(error) {
  return !(error instanceof EngineError) || error.retryable;
}

/** @param {unknown} error */
export function messageOf(error) {
  if (error instanceof EngineError && error.kind === "internal" && error.requestId) return t("error.request", { message: error.message, id: error.requestId });
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {unknown} error
 * @returns {EngineError}
 */
function imageError(error) {
  if (error instanceof EngineError && error.kind === "image") return error;
  throw error;
}

/**
 * Batches within the limit of a request's size.
 * @param {Item[]} items
 * @param {ModelCard | null} model
 */
function inBatches(items, model) {
  /** @type {Item[][]} */
  const batches = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const { size } = item.upload ?? item.file;
    bytes += size;
    if (bytes > (model?.limits.max_batch_bytes ?? 0)) {
      batches.push([]);
      bytes = size;
    }
    batches.at(-1)?.push(item);
  }
  return batches;
}
