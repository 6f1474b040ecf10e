/** Which classes cannot be ruled out: conformal prediction sets with the bundle's thresholds. */

import { descending } from "./numbers.js";

/** @typedef {import("../site.js").PredictionSets} PredictionSets */
/** @typedef {import("../../contract.js").Result} Result */

/**
 * @param {number[]} probabilities Of the picture alone.
 * @param {string[]} classes
 * @param {PredictionSets | null} sets
 * @returns {Result["prediction_set"]}
 */
export function predictionSet(probabilities, classes, sets) {
  if (!sets) return null;
  const order = descending(probabilities);
  // The most probable class always belongs to the set.
  const within = (/** @type {(code: string) => number | null | undefined} */ limit) =>
    order
      .filter((index, rank) => rank === 0 || 1 - (probabilities[index] ?? 0) <= (limit(classes[index] ?? "") ?? Number.POSITIVE_INFINITY))
      .map((index) => classes[index] ?? "");
  return { coverage: sets.coverage, marginal: within(() => sets.marginal), by_class: within((code) => sets.by_class[code]) };
}
