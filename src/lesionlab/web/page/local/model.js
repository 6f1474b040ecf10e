/** The model as it lies beside the page: what it says of itself, and what it needs to answer. */

import { fetched, fetchedAs, fetchedJson, unpacked } from "./files.js";
import { Graph } from "./graph.js";
import { MAX_PIXELS } from "./image/decode.js";
import { FORMATS } from "./image/formats.js";
import { JpegDecoder } from "./image/jpeg_turbo.js";
import { readReference } from "./reference.js";

/** @typedef {import("./site.js").Site} Site */
/** @typedef {import("./site.js").BundleInfo} BundleInfo */
/** @typedef {{ site: Site, info: BundleInfo }} Description */

/**
 * @typedef {object} Loaded
 * @property {Description} description
 * @property {Graph} graph
 * @property {import("./reference.js").Reference} reference
 * @property {JpegDecoder} jpeg
 */

const FOLDER = new URL("../../model/", import.meta.url);
const RUNTIME = new URL("../vendor/onnxruntime-web.wasm.gz", import.meta.url);
const JPEG = new URL("../vendor/jpeg-turbo.wasm", import.meta.url);
const MAX_BYTES = 100_000_000;

/**
 * @param {(share: number) => void} onShare Called with the share of all bytes that has arrived, 0 to 1.
 * @returns {Promise<Loaded>}
 */
export async function load(onShare) {
  /** @type {[Site, BundleInfo]} */
  const [site, info] = await Promise.all([fetchedJson(file("site.json")), fetchedJson(file("bundle.json"))]);
  let arrived = 0;
  const count = (/** @type {number} */ bytes) => {
    arrived += bytes;
    onShare(Math.min(1, arrived / site.bytes));
  };
  const [runtime, graph, numbers, jpeg] = await Promise.all([
    fetched(RUNTIME, count).then(unpacked),
    fetchedAs(file("model.onnx"), info.graph_sha256, count),
    fetchedAs(file("reference.bin"), site.reference_sha256, count),
    fetched(JPEG, count).then((code) => JpegDecoder.load(code)),
  ]);
  return {
    description: { site, info },
    graph: await Graph.open(runtime, graph),
    reference: readReference(numbers, site.reference),
    jpeg,
  };
}

/** @returns {Promise<import("../contract.js").Evaluation>} */
export function loadEvaluation() {
  return fetchedJson(file("evaluation.json"));
}

/**
 * What stands around every answer.
 * @param {Description} description
 */
export function envelope({ site, info }) {
  const bundle = { name: info.name, identity: site.identity, graph_sha256: info.graph_sha256 };
  return { notice: site.notice, version: site.version, request_id: "", bundle };
}

/**
 * @param {Description} description
 * @returns {import("../contract.js").Model}
 */
export function card(description) {
  const { site, info } = description;
  return {
    ...envelope(description),
    task: info.task,
    classes: site.classes,
    operating_points: info.operating_points,
    risk_meaning: site.risk.meaning,
    metrics: info.metrics,
    calibration: info.calibration,
    training_data: info.training_data,
    preprocessing: info.preprocessing,
    licence: info.licence,
    created: info.created,
    recipe: info.recipe.name ?? info.name,
    explains: site.explains,
    refuses: site.refuses,
    limits: { max_bytes: MAX_BYTES, max_pixels: MAX_PIXELS, max_batch: 1, formats: FORMATS },
  };
}

/** @param {string} name */
function file(name) {
  return new URL(name, FOLDER);
}
