/** The bundle's graph, ready to run: ONNX Runtime, compiled to WebAssembly. */

import { EngineError } from "../engine.js";
import { env, InferenceSession, Tensor } from "../vendor/onnxruntime-web.js";

/**
 * @typedef {object} FeatureMap
 * @property {Float32Array} data [D, rows, columns].
 * @property {number} rows
 * @property {number} columns
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
   * @returns {Promise<{ logits: Float32Array, map: FeatureMap | null }>}
   * @throws {EngineError}
   */
  async run(pixels, size, withMap) {
    const image = new Tensor("uint8", new Uint8Array(pixels), [1, size, size, 3]);
    const found = await this.#session.run({ image }, withMap ? ["logits", "feature_map"] : ["logits"]);
    const logits = numbers(found["logits"]);
    if (!logits.every(Number.isFinite)) throw new EngineError("fault", "The model gives values that are not numbers in this browser.");
    if (!withMap) return { logits, map: null };
    const [rows = 0, columns = 0] = found["feature_map"]?.dims.slice(2) ?? [];
    return { logits, map: { data: numbers(found["feature_map"]), rows, columns } };
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
