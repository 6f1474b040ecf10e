/**
 * Runs the model in a worker, so that the page stays responsive. Requests are processed one after the other.
 *
 * @typedef {object} WorkerRequest
 * @property {number} id
 * @property {"model" | "evaluation" | "predict" | "explain"} method
 * @property {Blob} [image]
 * @property {number} [key] The same for the same image.
 * @property {string | null} [code] Class to explain; null for the most probable one.
 *
 * @typedef {object} WorkerMessage
 * @property {number} [id]
 * @property {any} [response]
 * @property {{ kind: import("../engine.js").Kind, message: string }} [problem] In place of a response.
 * @property {number} [loaded] Share of the model that is loaded.
 */

import { EngineError } from "../engine.js";
import { load, loadEvaluation } from "./model.js";
import { Predictor } from "./predict.js";

// Smallest change of the loaded share that is reported.
const STEP = 0.05;

/** @type {Promise<import("./model.js").LoadedModel & { predictor: Predictor }> | null} */
let loading = null;
/** @type {Promise<void>} */
let queue = Promise.resolve();

addEventListener("message", ({ data }) => {
  queue = queue.then(() => handle(data));
});

/** @param {WorkerRequest} request */
async function handle(request) {
  try {
    send({ id: request.id, response: await respond(request) });
  } catch (error) {
    const { kind, message } = error instanceof EngineError ? error : { kind: /** @type {const} */ ("internal"), message: String(error) };
    send({ id: request.id, problem: { kind, message } });
  }
}

/**
 * @param {WorkerRequest} request
 * @returns {Promise<unknown>}
 */
async function respond({ method, image = new Blob(), key = 0, code = null }) {
  loading ??= start();
  const { description, predictor } = await loading.catch((error) => {
    loading = null; // the next request loads again
    throw error;
  });
  if (method === "model") return description.card;
  if (method === "evaluation") return description.has_evaluation ? loadEvaluation() : null;
  return method === "predict" ? predictor.predict(image, key) : predictor.explain(image, key, code);
}

async function start() {
  let reported = 0;
  const model = await load((share) => {
    if (share < reported + STEP && share < 1) return;
    reported = share;
    send({ loaded: share });
  });
  return { ...model, predictor: new Predictor(model) };
}

/** @param {WorkerMessage} message */
function send(message) {
  postMessage(message);
}
