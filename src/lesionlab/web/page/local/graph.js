/** The bundle's graph, ready to run: ONNX Runtime, compiled to WebAssembly. */

import { EngineError } from "../engine.js";
import { env, InferenceSession, Tensor } from "../vendor/onnxruntime-web.js";

/**
 * @typedef {object} FeatureMap
 * @property {Float32Array} data [D, rows, columns].
 * @property {number} rows
 * @property {number} columns
 */

/**
 * @typedef {object} Seen What the graph gives for an image.
 * @property {Float32Array} logits
 * @property {FeatureMap | null} map Of the part that the network saw.
 * @property {Float32Array | null} crop That part: left, top and side in shares of the picture's sides; null for the whole.
 * @property {Float32Array | null} lesion Probability that each pixel belongs to the lesion; null where it is not looked for.
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
    // More need headers that few hosts of static files send.
    env.wasm.numThreads = 1;
    env.logLevel = "fatal";
    try {
      return new Graph(await InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] }));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError("fault", `This browser cannot run the model (${why.slice(0, 200)}). A newer one may.`);
    }
  }

  /**
   * @param {Uint8ClampedArray} pixels [size, size, 3].
   * @param {number} size
   * @param {boolean} withMap
   * @returns {Promise<Seen>}
   * @throws {EngineError}
   */
  async run(pixels, size, withMap) {
    const image = new Tensor("uint8", new Uint8Array(pixels), [1, size, size, 3]);
    const crops = this.#session.outputNames.includes("crop");
    const found = await this.#session.run({ image }, ["logits", ...(withMap ? ["feature_map"] : []), ...(crops ? ["crop", "lesion"] : [])]);
    const logits = numbers(found["logits"]);
    if (!logits.every(Number.isFinite)) throw new EngineError("fault", "The model gives values that are not numbers in this browser.");
    const [crop, lesion] = crops ? [numbers(found["crop"]), numbers(found["lesion"])] : [null, null];
    if (!withMap) return { logits, map: null, crop, lesion };
    const [rows = 0, columns = 0] = found["feature_map"]?.dims.slice(2) ?? [];
    return { logits, map: { data: numbers(found["feature_map"]), rows, columns }, crop, lesion };
  }
}

/**
 * @param {Tensor | undefined} tensor
 * @returns {Float32Array}
 */
function numbers(tensor) {
  if (!(tensor?.data instanceof Float32Array)) throw new EngineError("fault", "The model gives something else than it should.");
  return tensor.data;
}
