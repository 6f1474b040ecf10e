/** Numbers and names as a reader meets them: the same digits and words wherever they stand. */

/** @typedef {import("./contract.js").Estimate} Estimate */
/** @typedef {import("./contract.js").Result} Result */
/** @typedef {import("./contract.js").OperatingPoint} OperatingPoint */

export const RESEARCH_ONLY = "For research and education only, not a diagnosis.";

/**
 * The class that the model answers with: mostly the most probable one, else a rare one that its rule lifts over it.
 * @param {Result | undefined} result
 */
export function answerOf(result) {
  return result?.classes.find(({ code }) => code === result.diagnosis);
}

/**
 * A small count in words, for a sentence.
 * @param {number} count
 */
export function inWords(count) {
  return ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][count] ?? String(count);
}

/**
 * A probability or share in percent; never a false 0 or 100.
 * @param {number} share
 */
export function percent(share) {
  if (share > 0 && share < 0.001) return "<0.1%";
  if (share < 1 && share > 0.999) return ">99.9%";
  return `${(100 * share).toFixed(1)}%`;
}

/**
 * A share as a count out of 100, for a sentence; with a decimal where a whole number would say "none" or "all".
 * @param {number} share
 */
export function of100(share) {
  const count = 100 * share;
  return (count > 0 && count < 2) || (count > 98 && count < 100) ? count.toFixed(1) : count.toFixed(0);
}

/**
 * A difference of probabilities in percentage points, with its sign.
 * @param {number} difference
 */
export function points(difference) {
  const shown = (100 * difference).toFixed(1);
  if (Number(shown) === 0) return "0.0";
  return difference > 0 ? `+${shown}` : shown.replace("-", "\u2212");
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

/** @param {OperatingPoint} point */
export function pointName(point) {
  return `${(100 * point.target_sensitivity).toFixed(0)}% sensitivity for ${noun(point.looked_for)}`;
}

/**
 * A clause as a sentence.
 * @param {string} clause
 */
export function sentence(clause) {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}

/** @param {string} lookedFor */
export function noun(lookedFor) {
  return lookedFor === "malignant" ? "malignancy" : lookedFor;
}

/**
 * The lesions that a point looks for, and the others, in words.
 * @param {string} lookedFor
 * @returns {[string, string]}
 */
export function lesionsOf(lookedFor) {
  return lookedFor === "malignant" ? ["malignant lesions", "benign lesions"] : [`${lookedFor}s`, "other lesions"];
}

/**
 * The probability that an operating point judges; null where the answer does not tell it.
 * @param {Result} result
 * @param {string} [lookedFor]
 * @returns {number | null}
 */
export function suspicion(result, lookedFor = "malignant") {
  if (lookedFor === "malignant" && result.malignant !== null) return result.malignant;
  return result.classes.find(({ name }) => name.toLowerCase() === lookedFor)?.probability ?? null;
}

/**
 * The chosen operating point as it judged an image; the first where none is chosen yet.
 * @param {Result} result
 * @param {string} chosen
 */
export function judgedPoint({ operating_points: all }, chosen) {
  return all.find(({ name }) => name === chosen) ?? all[0];
}

/**
 * Predictive values at another prevalence (Bayes).
 * @param {OperatingPoint} point
 * @param {number} prevalence 0 to 1.
 * @returns {{ ppv: number | null, npv: number | null }}
 */
export function predictiveValues({ sensitivity, specificity }, prevalence) {
  const [found, missed] = [sensitivity * prevalence, (1 - sensitivity) * prevalence];
  const [cleared, alarmed] = [specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)];
  return {
    ppv: found + alarmed > 0 ? found / (found + alarmed) : null,
    npv: cleared + missed > 0 ? cleared / (cleared + missed) : null,
  };
}

/** @param {Date} moment */
export function stamp(moment) {
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const day = [moment.getFullYear(), two(moment.getMonth() + 1), two(moment.getDate())].join("-");
  return `${day} ${two(moment.getHours())}:${two(moment.getMinutes())}`;
}
