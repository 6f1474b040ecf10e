/** The bundle's ONNX graph, run by ONNX Runtime compiled to WebAssembly. */

import { EngineError } from "../engine.js";
import { env, InferenceSession, Tensor } from "../vendor/onnxruntime-web.js";

/**
 * @typedef {object} FeatureMap
 * @property {Float32Array} data [D, rows, columns].
 * @property {number} rows
 * @property {number} columns
 */

/**
 * @typedef {object} GraphOutputs Outputs for one image.
 * @property {Float32Array} logits
 * @property {FeatureMap | null} map Of the image, or of the square around the lesion.
 * @property {Float32Array | null} crop That square: left, top and side relative to the image's sides; null without one.
 * @property {Float32Array | null} lesion Probability of each pixel to belong to the lesion; null without segmentation.
 * @property {number | null} dermoscopic Logit of being a dermoscopic image of a skin lesion; null without this output.
 */

export class Graph {
  #session;

  /** @param {InferenceSession} session */
  constructor(session) {
    this.#session = session;
  }

  /**
   * @param {ArrayBuffer} runtime The compiled runtime.
   * @param {ArrayBuffer} model The graph.
   */
  static async open(runtime, model) {
    env.wasm.wasmBinary = runtime;
    // More threads need headers that few static hosts send.
    env.wasm.numThreads = 1;
    env.logLevel = "fatal";
    try {
      return new Graph(await InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError("internal", `This browser cannot run the model (${reason.slice(0, 200)}). Try a newer browser.`);
    }
  }

  /**
   * @param {Uint8ClampedArray} pixels [size, size, 3].
   * @param {number} size
   * @param {boolean} withMap
   * @returns {Promise<GraphOutputs>}
   * @throws {EngineError}
   */
  async run(pixels, size, withMap) {
    const image = new Tensor("uint8", new Uint8Array(pixels), [1, size, size, 3]);
    const names = ["logits", ...(withMap ? ["feature_map"] : []), "crop", "lesion", "dermoscopic"];
    const outputs = await this.#session.run({ image }, names.filter((name) => this.#session.outputNames.includes(name)));
    const found = (/** @type {string} */ name) => (outputs[name] ? values(outputs[name]) : null);
    const logits = values(outputs["logits"]);
    if (!logits.every(Number.isFinite)) throw new EngineError("internal", "The model's outputs are not finite in this browser.");
    const data = found("feature_map");
    const [rows = 0, columns = 0] = outputs["feature_map"]?.dims.slice(2) ?? [];
    return {
      logits,
      map: data && { data, rows, columns },
      crop: found("crop"),
      lesion: found("lesion"),
      dermoscopic: found("dermoscopic")?.[0] ?? null,
    };
  }
}

/**
 * @param {Tensor | undefined} tensor
 * @returns {Float32Array}
 */
function values(tensor) {
  if (!(tensor?.data instanceof Float32Array)) throw new EngineError("internal", "The model's outputs have an unexpected type.");
  return tensor.data;
}
