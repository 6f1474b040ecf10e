/** Formatting of numbers and names, and the parts of a prediction that several views show. */

import { catalogue, t } from "./messages.js";

/** @typedef {import("./types.js").Estimate} Estimate */
/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {import("./types.js").Prediction} Prediction */

/** In files; on the page it is the message `researchOnly`. */
export const RESEARCH_ONLY = "For research and education only, not a diagnosis.";

/**
 * A small count in words.
 * @param {number} count
 */
export function numberWord(count) {
  return catalogue().numbers[count] ?? String(count);
}

/**
 * A number with a fixed number of decimal places.
 * @param {number} value
 * @param {number} places
 * @param {Intl.NumberFormatOptions} [options]
 */
export function decimal(value, places, options) {
  return value.toLocaleString(catalogue().locale, { minimumFractionDigits: places, maximumFractionDigits: places, ...options });
}

/**
 * A probability or share in percent; never rounded to 0 or 100.
 * @param {number} share
 */
export function percent(share) {
  const shown = (/** @type {number} */ value) => decimal(value, 1, { style: "percent" });
  if (share > 0 && share < 0.001) return `<${shown(0.001)}`;
  if (share < 1 && share > 0.999) return `>${shown(0.999)}`;
  return shown(share);
}

/**
 * A share in whole percent.
 * @param {number} share
 */
export function wholePercent(share) {
  return decimal(share, 0, { style: "percent" });
}

/**
 * A difference of probabilities in percentage points, with its sign.
 * @param {number} difference
 */
export function pointDifference(difference) {
  const rounded = Number((100 * difference).toFixed(1));
  if (rounded === 0) return decimal(0, 1);
  return `${rounded > 0 ? "+" : "\u2212"}${decimal(Math.abs(rounded), 1)}`;
}

/** @param {number | null | undefined} value */
export function number(value) {
  return value == null ? t("notDefined") : decimal(value, 3);
}

/** @param {Estimate | null | undefined} estimate */
export function interval(estimate) {
  return estimate?.low == null || estimate.high == null ? "" : t("interval", { low: number(estimate.low), high: number(estimate.high) });
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${decimal(bytes / 1e6, 1)} MB`;
}

/** @param {string} clause */
export function sentence(clause) {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}

/**
 * A target as a noun.
 * @param {string} target
 */
export function noun(target) {
  return target === "malignant" ? t("target.malignant") : target === "melanoma" ? t("target.melanoma") : target;
}

/**
 * The name of an operating point.
 * @param {string} name
 */
export function pointName(name) {
  const [, share, confidence] = /^([\d.]+)% sensitivity(?: at ([\d.]+)% confidence)?$/.exec(name) ?? [];
  if (!share) return name;
  return confidence ? t("point.guaranteed", { share, confidence }) : t("point.sensitivity", { share });
}

/** @param {{ name: string, target: string }} point */
export function pointTitle({ name, target }) {
  return t("point.title", { name: pointName(name), target: noun(target) });
}

/** @param {{ name: string, target: string }} point */
export function pointKey({ name, target }) {
  return `${target} ${name}`;
}

/**
 * The probability of malignancy; for a task without it, that of the first operating point's target.
 * @param {Prediction} prediction
 * @returns {{ target: "malignant" | "melanoma", value: number } | null}
 */
export function mainProbability({ p_malignant: malignant, operating_points: [point] }) {
  if (malignant !== null) return { target: "malignant", value: malignant };
  return point ? { target: point.target, value: point.target_probability } : null;
}

/**
 * @param {ModelCard | null} model
 * @param {string} code
 */
export function className(model, code) {
  return catalogue().classes[code] ?? model?.classes.find((other) => other.code === code)?.name ?? code;
}

/**
 * All classes of a prediction with their probabilities, the most probable first.
 * @param {Prediction} prediction
 * @param {ModelCard | null} model
 */
export function ranked({ probabilities }, model) {
  return Object.entries(probabilities)
    .sort(([, a], [, b]) => b - a)
    .map(([code, probability]) => {
      const malignant = model?.classes.find((other) => other.code === code)?.malignant ?? null;
      return { code, name: className(model, code), probability, malignant };
    });
}

/**
 * Predictive values at another prevalence (Bayes).
 * @param {{ sensitivity: number, specificity: number }} point
 * @param {number} prevalence 0 to 1.
 * @returns {{ ppv: number | null, npv: number | null }}
 */
export function predictiveValues({ sensitivity, specificity }, prevalence) {
  const [truePositive, falseNegative] = [sensitivity * prevalence, (1 - sensitivity) * prevalence];
  const [trueNegative, falsePositive] = [specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)];
  return {
    ppv: truePositive + falsePositive > 0 ? truePositive / (truePositive + falsePositive) : null,
    npv: trueNegative + falseNegative > 0 ? trueNegative / (trueNegative + falseNegative) : null,
  };
}

/** @param {Date} date */
export function timestamp(date) {
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
