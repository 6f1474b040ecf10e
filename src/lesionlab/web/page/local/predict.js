/** Inference in the browser, independent of the page and the worker. */

import { EngineError } from "../engine.js";
import { preprocess } from "./image/preprocess.js";
import { responseFields } from "./model.js";
import { buildPrediction } from "../result/prediction.js";
import { calibrate } from "../result/probabilities.js";
import { DEFAULT_CHOICE } from "../result/setting.js";
import { dermoscopyReasons, imageReasons, lesionReasons } from "./result/abstention.js";
import { classActivationMap, poolFeatures } from "./result/class_activation.js";
import { oodScore } from "./result/measures.js";
import { lesionOutline } from "./result/outline.js";

/** @typedef {import("../result/prediction.js").Evidence & Pick<import("./graph.js").GraphOutputs, "map" | "crop" | "lesion">} Outputs */

// The outputs of the last images are cached: another map needs no second run of the graph.
const CACHED = 16;
const LESION_THRESHOLD = 0.5;

export class Predictor {
  #model;
  /** @type {Map<number, Outputs>} */
  #cache = new Map();

  /** @param {import("./model.js").LoadedModel} model */
  constructor(model) {
    this.#model = model;
  }

  /**
   * @param {Blob} image
   * @param {number} key The same for the same image.
   * @returns {Promise<import("../types.js").PredictResponse>}
   */
  async predict(image, key) {
    const { description } = this.#model;
    const evidence = await this.#run(image, key);
    return { ...responseFields(description), result: buildPrediction(description.card, evidence, {}, DEFAULT_CHOICE) };
  }

  /**
   * @param {Blob} image
   * @param {number} key
   * @param {string | null} code Class to explain; null for the most probable one.
   * @returns {Promise<import("../types.js").ExplainResult>}
   */
  async explain(image, key, code) {
    const { description, reference } = this.#model;
    const { classes } = description.card;
    const response = await this.predict(image, key);
    const { map, crop, lesion, reasons } = await this.#run(image, key);
    if (!reference.head || !map) throw new EngineError("unavailable", "this model has no class activation map");
    const wanted = code ?? response.result.top[0]?.code;
    const index = classes.findIndex((other) => other.code === wanted);
    const explained = classes[index];
    if (code !== null && !explained) throw new EngineError("image", `diagnosis: it should be one of ${classes.map((other) => other.code).join(", ")}`);
    // A low confidence without patient data may be none with them, for which a caller names the class.
    const abstained = code === null ? response.result.status === "abstained" : reasons.length > 0;
    if (abstained || !explained) return { ...response, explanation: null, nearest_images: null, outline: null };
    const channels = reference.head.length / classes.length;
    const weights = reference.head.subarray(index * channels, (index + 1) * channels);
    const outline = lesion && lesionOutline(lesion, description.crop_threshold ?? LESION_THRESHOLD);
    return { ...response, explanation: classActivationMap(weights, map, crop, explained), nearest_images: null, outline };
  }

  /**
   * @param {Blob} image
   * @param {number} key
   * @returns {Promise<Outputs>}
   */
  async #run(image, key) {
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const { description, graph, reference, jpeg } = this.#model;
    const input = await preprocess(image, description.card.preprocessing, description.card.limits, jpeg);
    const withMap = reference.head !== null || reference.features !== null;
    const { logits, map, crop, lesion, dermoscopic } = await graph.run(input.pixels, input.size, withMap);
    const score = reference.features && map ? oodScore(reference.features, poolFeatures(map)) : null;
    const reasons = [
      ...imageReasons(reference, input, description.dermoscopy ? null : score),
      ...lesionReasons(lesion, description.crop_threshold ?? LESION_THRESHOLD),
      ...dermoscopyReasons(dermoscopic, description.dermoscopy),
    ];
    const probabilities = calibrate(logits, description.card.calibration);
    const outputs = { probabilities, map, crop, lesion, notes: [...input.notes, ...input.shapeNotes], reasons, oodScore: score };
    this.#cache.set(key, outputs);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > CACHED && oldest !== undefined) this.#cache.delete(oldest);
    return outputs;
  }
}
