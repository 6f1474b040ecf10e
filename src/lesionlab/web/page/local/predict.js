/** Inference in the browser, independent of the page and the worker. */

import { EngineError } from "../engine.js";
import { preprocess } from "./image/preprocess.js";
import { responseFields } from "./model.js";
import { imageReasons, lesionReasons } from "./result/abstention.js";
import { classActivationMap, poolFeatures } from "./result/class_activation.js";
import { oodScore } from "./result/measures.js";
import { lesionOutline } from "./result/outline.js";
import { parsePatient } from "./result/patient.js";
import { buildPrediction } from "./result/prediction.js";

/** @typedef {import("./result/prediction.js").ImageOutputs & Pick<import("./graph.js").GraphOutputs, "map" | "crop" | "lesion">} Outputs */
/** @typedef {import("../types.js").Patient} Patient */

// The outputs of the last images are cached: another map or other patient data need no second run of the graph.
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
   * @param {Patient} patient
   * @returns {Promise<import("../types.js").PredictResponse>}
   */
  async predict(image, key, patient) {
    const { description } = this.#model;
    const parsed = parsePatient(patient, description.model.sites);
    return { ...responseFields(description), result: buildPrediction(description, await this.#run(image, key), parsed) };
  }

  /**
   * @param {Blob} image
   * @param {number} key
   * @param {string | null} code Class to explain; null for the most probable one.
   * @param {Patient} patient
   * @returns {Promise<import("../types.js").ExplainResult>}
   */
  async explain(image, key, code, patient) {
    const { description, reference } = this.#model;
    const response = await this.predict(image, key, patient);
    const { map, crop, lesion } = await this.#run(image, key);
    if (!reference.head || !map) throw new EngineError("unavailable", "this model has no class activation map");
    const index = description.info.classes.indexOf(code ?? response.result.top[0]?.code ?? "");
    const explained = description.model.card.classes[index];
    if (code !== null && !explained) throw new EngineError("image", `diagnosis: it should be one of ${description.info.classes.join(", ")}`);
    if (response.result.status === "abstained" || !explained) {
      return { ...response, explanation: null, nearest_images: null, outline: null };
    }
    const channels = reference.head.length / description.info.classes.length;
    const weights = reference.head.subarray(index * channels, (index + 1) * channels);
    const outline = lesion && lesionOutline(lesion, description.info.crop?.threshold ?? LESION_THRESHOLD);
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
    const input = await preprocess(image, description.info.preprocessing, description.model.card.limits, jpeg);
    const { logits, map, crop, lesion } = await graph.run(input.pixels, input.size, reference.head !== null || reference.features !== null);
    const score = reference.features && map ? oodScore(reference.features, poolFeatures(map)) : null;
    const reasons = [...imageReasons(reference, input, score), ...lesionReasons(lesion, description.info.crop?.threshold ?? LESION_THRESHOLD)];
    const outputs = { logits, map, crop, lesion, notes: input.notes, reasons, oodScore: score };
    this.#cache.set(key, outputs);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > CACHED && oldest !== undefined) this.#cache.delete(oldest);
    return outputs;
  }
}
