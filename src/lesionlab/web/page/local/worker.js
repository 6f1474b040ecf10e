/**
 * The model in a worker, so that the page stays alive while it computes. Questions are answered one after the other.
 *
 * @typedef {object} Question
 * @property {number} id
 * @property {"model" | "evaluation" | "predict" | "explain"} ask
 * @property {Blob} [image]
 * @property {number} [key] The same for the same image.
 * @property {string | null} [diagnosis]
 * @property {import("../contract.js").Patient} [patient]
 *
 * @typedef {object} Reply
 * @property {number} [id]
 * @property {any} [answer]
 * @property {{ kind: import("../engine.js").Kind, message: string }} [problem] In place of an answer.
 * @property {number} [loaded] Share of the model that has arrived.
 */

import { EngineError } from "../engine.js";
import { Judge } from "./judge.js";
import { card, load, loadEvaluation } from "./model.js";

// Of all bytes, between two pieces of news.
const STEP = 0.05;

/** @type {Promise<import("./model.js").Loaded & { judge: Judge }> | null} */
let loading = null;
/** @type {Promise<void>} */
let turn = Promise.resolve();

addEventListener("message", ({ data }) => {
  turn = turn.then(() => reply(data));
});

/** @param {Question} question */
async function reply(question) {
  try {
    say({ id: question.id, answer: await answered(question) });
  } catch (error) {
    const { kind, message } = error instanceof EngineError ? error : { kind: /** @type {const} */ ("fault"), message: String(error) };
    say({ id: question.id, problem: { kind, message } });
  }
}

/**
 * @param {Question} question
 * @returns {Promise<unknown>}
 */
async function answered({ ask, image = new Blob(), key = 0, diagnosis = null, patient = {} }) {
  loading ??= start();
  const { description, judge } = await loading.catch((error) => {
    loading = null; // the next question tries again
    throw error;
  });
  if (ask === "model") return card(description);
  if (ask === "evaluation") return description.site.has_evaluation ? loadEvaluation() : null;
  return ask === "predict" ? judge.predict(image, key, patient) : judge.explain(image, key, diagnosis, patient);
}

async function start() {
  let told = 0;
  const model = await load((share) => {
    if (share < told + STEP && share < 1) return;
    told = share;
    say({ loaded: share });
  });
  return { ...model, judge: new Judge(model) };
}

/** @param {Reply} message */
function say(message) {
  postMessage(message);
}
