/** From the graph's logits to calibrated probabilities, and to the scores of the decision rule. */

import { sum } from "./numbers.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */

/**
 * softmax((scales * logits + offsets) / temperature).
 * @param {Float32Array} logits [C].
 * @param {ModelCard["calibration"]} calibration
 * @returns {number[]} [C].
 */
export function calibrate(logits, { scales, offsets, temperature }) {
  const scaled = Array.from(logits, (logit, index) => (logit * (scales[index] ?? 1) + (offsets[index] ?? 0)) / temperature);
  const highest = Math.max(...scaled);
  return normalize(scaled.map((value) => Math.exp(value - highest)));
}

/**
 * Scores of the decision rule: probability times weight, scaled to sum to 1.
 * @param {number[]} probabilities
 * @param {ModelCard["decision"]["rule"]} rule
 */
export function scores(probabilities, { weights }) {
  return normalize(probabilities.map((probability, index) => probability * (weights[index] ?? 1)));
}

/** @param {number[]} values */
export function normalize(values) {
  const total = sum(values);
  return values.map((value) => value / total);
}
