/** Loads the model of a static build. */

import { decompress, fetchFile, fetchJson, fetchVerified } from "./fetch_files.js";
import { Graph } from "./graph.js";
import { JpegDecoder } from "./image/jpeg_turbo.js";
import { readReference } from "./reference.js";
import { unpackGraph } from "./weights.js";

/** @typedef {import("./model_files.js").ModelDescription} ModelDescription */

/**
 * @typedef {object} LoadedModel
 * @property {ModelDescription} description
 * @property {Graph} graph
 * @property {import("./reference.js").Reference} reference
 * @property {JpegDecoder} jpeg
 */

const FOLDER = new URL("../../model/", import.meta.url);
const RUNTIME = new URL("../vendor/onnxruntime-web.wasm.gz", import.meta.url);
const JPEG = new URL("../vendor/jpeg-turbo.wasm", import.meta.url);

/**
 * @param {(share: number) => void} onProgress Called with the loaded share of all bytes, 0 to 1.
 * @returns {Promise<LoadedModel>}
 */
export async function load(onProgress) {
  /** @type {ModelDescription} */
  const description = await fetchJson(url("model.json"));
  let loaded = 0;
  const count = (/** @type {number} */ bytes) => {
    loaded += bytes;
    onProgress(Math.min(1, loaded / description.bytes));
  };
  const [runtime, graph, reference, jpeg] = await Promise.all([
    fetchFile(RUNTIME, count).then(decompress),
    fetchVerified(url("model.bin.gz"), description.graph.sha256, count).then((packed) => unpackGraph(packed, description.graph)),
    fetchVerified(url("reference.bin.gz"), description.reference_sha256, count),
    fetchFile(JPEG, count).then((code) => JpegDecoder.load(code)),
  ]);
  return {
    description,
    graph: await Graph.open(runtime, graph),
    reference: readReference(reference, description.reference),
    jpeg,
  };
}

/** @returns {Promise<import("../types.js").EvaluationSummary>} */
export function loadEvaluation() {
  return fetchJson(url("evaluation.json"));
}

/**
 * The fields of every response.
 * @param {ModelDescription} description
 */
export function responseFields({ card }) {
  return { notice: card.notice, version: card.version, request_id: "", model: card.model };
}

/** @param {string} name */
function url(name) {
  return new URL(name, FOLDER);
}
