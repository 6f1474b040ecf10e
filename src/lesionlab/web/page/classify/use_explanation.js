/** The heat map of a class, fetched when it is shown. */

import { useEffect, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../types.js").Explanation} Explanation */

// A failure is not kept: the map is fetched again after these seconds, and when the reader asks for it.
const RETRY_AFTER_S = [1, 4];

/**
 * @typedef {object} ExplanationState
 * @property {Explanation | null} explanation Null without a map, and until it is there.
 * @property {boolean} loading
 * @property {string} problem Reason for a failure; empty without one.
 * @property {() => void} retry
 */

/**
 * @param {Session} session
 * @param {Item} item
 * @param {string} code Class to explain; empty for none.
 * @returns {ExplanationState}
 */
export function useExplanation(session, item, code) {
  const [problem, setProblem] = useState("");
  const [requests, setRequests] = useState(0);
  const known = item.explanations.get(code);
  const wanted = code !== "" && known === undefined && item.state === "done" && Boolean(session.model?.explainable);
  useEffect(() => {
    setProblem("");
    if (!wanted) return undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let current = true;
    const fetchMap = async (/** @type {number} */ attempt) => {
      const failure = await session.explain(item, code);
      if (!failure || !current) return;
      const delay = failure.retryable ? RETRY_AFTER_S[attempt] : undefined;
      if (delay === undefined) setProblem(failure.message);
      else timer = setTimeout(() => fetchMap(attempt + 1), 1000 * delay);
    };
    void fetchMap(0);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [session, item, item.response, code, wanted, requests]);
  return { explanation: known ?? null, loading: wanted && !problem, problem, retry: () => setRequests(requests + 1) };
}
