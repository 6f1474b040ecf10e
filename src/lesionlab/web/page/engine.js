/**
 * The interface between the page and a model. There are two engines: the server that sent the page (`server/`), and the
 * model in the browser (`local/`). A prediction is that of the image alone: the page applies patient data, prevalence and
 * operating point to it (`result/`), so that the image is sent once and these data not at all.
 *
 * @typedef {import("./types.js").PredictResponse} PredictResponse
 * @typedef {import("./types.js").ExplainResult} ExplainResult
 * @typedef {import("./types.js").ModelCard} ModelCard
 * @typedef {import("./types.js").EvaluationSummary} Evaluation
 */

/**
 * @typedef {object} RequestOptions
 * @property {(reason: string) => void} [onWait] Called with a sentence for the reader while the response is delayed.
 * @property {AbortSignal} [signal] Cancels the request.
 *
 * @typedef {object} Engine
 * @property {(images: Blob[], options?: RequestOptions) => Promise<(PredictResponse | EngineError)[]>} predict A bad
 *   image does not stop the others.
 * @property {(image: Blob, code: string | null, options?: RequestOptions) => Promise<ExplainResult>} explain `code`:
 *   class to explain; null for the most probable one.
 * @property {() => Promise<ModelCard>} model
 * @property {() => Promise<Evaluation | null>} evaluation Null for a model without an evaluation.
 *
 * @typedef {"image" | "busy" | "unreachable" | "key" | "unavailable" | "internal"} Kind The remedy: change the image,
 *   wait, check the server or the network, enter a key, none, report the error.
 */

/** A request without a result; the message is for the reader. */
export class EngineError extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message
   * @param {string} [requestId] Identifier of the request in the server's log.
   */
  constructor(kind, message, requestId = "") {
    super(message);
    this.kind = kind;
    this.requestId = requestId;
  }

  /** Whether the same request may succeed later. */
  get retryable() {
    return this.kind !== "image" && this.kind !== "unavailable";
  }
}
