/** Formatting of numbers and names, and the parts of a prediction that several views show. */

/** @typedef {import("./types.js").Estimate} Estimate */
/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {import("./types.js").Prediction} Prediction */

export const RESEARCH_ONLY = "For research and education only, not a diagnosis.";

/**
 * A small count in words.
 * @param {number} count
 */
export function numberWord(count) {
  return ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][count] ?? String(count);
}

/**
 * A probability or share in percent; never rounded to 0 or 100.
 * @param {number} share
 */
export function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  if (share < 1 && share > 0.999) return ">99.9%";
  return `${(100 * share).toFixed(1)}%`;
}

/**
 * A share in whole percent.
 * @param {number} share
 */
export function wholePercent(share) {
  return `${(100 * share).toFixed(0)}%`;
}

/**
 * A difference of probabilities in percentage points, with its sign.
 * @param {number} difference
 */
export function pointDifference(difference) {
  const rounded = (100 * difference).toFixed(1);
  if (Number(rounded) === 0) return "0.0";
  return difference > 0 ? `+${rounded}` : rounded.replace("-", "\u2212");
}

/** @param {number | null | undefined} value */
export function number(value) {
  return value == null ? "not defined" : value.toFixed(3);
}

/** @param {Estimate | null | undefined} estimate */
export function interval(estimate) {
  return estimate?.low == null || estimate.high == null ? "" : `${number(estimate.low)} to ${number(estimate.high)}`;
}

/**
 * @param {number} count
 * @param {string} singular
 */
export function counted(count, singular) {
  return `${count.toLocaleString("en")} ${singular}${count === 1 ? "" : "s"}`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** @param {string} clause */
export function sentence(clause) {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}

/** @param {string} target */
export function noun(target) {
  return target === "malignant" ? "malignancy" : target;
}

/** @param {{ name: string, target: string }} point */
export function pointTitle({ name, target }) {
  return `${name} for ${noun(target)}`;
}

/** @param {{ name: string, target: string }} point */
export function pointKey({ name, target }) {
  return `${target} ${name}`;
}

/**
 * The selected operating point; without a selection the first one, which is behind the risk level.
 * @param {Prediction} prediction
 * @param {string} selected
 */
export function selectedPoint({ operating_points: all }, selected) {
  return all.find((point) => pointKey(point) === selected) ?? all[0];
}

/**
 * The probability of malignancy; for a task without it, that of the first operating point's target.
 * @param {Prediction} prediction
 * @returns {{ target: string, value: number } | null}
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
  return model?.classes.find((other) => other.code === code)?.name ?? code;
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
