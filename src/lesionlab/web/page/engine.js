/**
 * What the page knows of the model. Two engines answer: the server that sent the page (`server/`), or the model itself,
 * inside the browser (`local/`).
 *
 * @typedef {import("./contract.js").Answer} Answer
 * @typedef {import("./contract.js").ExplainedAnswer} ExplainedAnswer
 * @typedef {import("./contract.js").Model} Model
 * @typedef {import("./contract.js").Evaluation} Evaluation
 * @typedef {import("./contract.js").Patient} Patient
 */

/**
 * @typedef {object} Asking How to ask: what is known of the patient, and who wants to hear about delays.
 * @property {Patient} [patient]
 * @property {(why: string) => void} [onWait] Called with a sentence for the reader while the answer takes longer.
 * @property {AbortSignal} [signal] Gives up the question.
 *
 * @typedef {object} Engine
 * @property {(image: Blob, asking?: Asking) => Promise<Answer>} predict
 * @property {(image: Blob, diagnosis: string | null, asking?: Asking) => Promise<ExplainedAnswer>} explain
 * @property {() => Promise<Model>} model
 * @property {() => Promise<Evaluation | null>} evaluation Null where the model has none.
 *
 * @typedef {"image" | "busy" | "gone" | "key" | "absent" | "fault"} Kind What to do about it: change the image, wait,
 *   look at the server or the network, give a key, do without, report.
 */

/** Why there is no answer, in words for the reader. */
export class EngineError extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message
   * @param {string} [requestId] By which the server's log knows the question.
   */
  constructor(kind, message, requestId = "") {
    super(message);
    this.kind = kind;
    this.requestId = requestId;
  }

  /** Whether the same question may be answered later. */
  get passing() {
    return this.kind !== "image" && this.kind !== "absent";
  }
}
