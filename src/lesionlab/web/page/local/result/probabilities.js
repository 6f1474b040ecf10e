/** From the graph's logits to calibrated probabilities, and to what classes are ranked by. */

import { sum } from "./numbers.js";

/** @typedef {import("../site.js").BundleInfo} BundleInfo */

/**
 * softmax((scales * logits + offsets) / temperature).
 * @param {Float32Array} logits [C].
 * @param {BundleInfo["calibration"]} calibration
 * @returns {number[]} [C].
 */
export function calibrated(logits, { scales, offsets, temperature }) {
  const scaled = Array.from(logits, (logit, index) => (logit * (scales[index] ?? 1) + (offsets[index] ?? 0)) / temperature);
  const highest = Math.max(...scaled);
  return normalised(scaled.map((value) => Math.exp(value - highest)));
}

/**
 * What the model's rule ranks the classes by: probability times weight, scaled to sum to 1.
 * @param {number[]} probabilities
 * @param {BundleInfo["decision"]} decision
 */
export function scores(probabilities, { weights }) {
  return normalised(probabilities.map((probability, index) => probability * (weights[index] ?? 1)));
}

/** @param {number[]} values */
export function normalised(values) {
  const total = sum(values);
  return values.map((value) => value / total);
}
