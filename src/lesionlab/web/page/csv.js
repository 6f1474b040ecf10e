/** Results as CSV: the columns of `lesionlab predict --format csv`, followed by `error` and `notice`. */

import { RESEARCH_ONLY } from "./format.js";

/** @typedef {import("./item.js").Item} Item */
/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {string | number | boolean | null | undefined} Value */

/**
 * @param {Item[]} items
 * @param {ModelCard} model
 */
export function toCsv(items, model) {
  const codes = model.classes.map(({ code }) => code);
  const first = ["image", "status", "p_malignant", "positive", "risk", "diagnosis", "name", "probability", "headline"];
  const last = ["prediction_set", "balanced_prediction", "abstain_reasons", "ood_score", "notes", "images", "model", "error", "notice"];
  const lines = [[...first, ...codes.map((code) => `p_${code}`), ...last], ...items.map((item) => row(item, codes))];
  return `${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/**
 * @param {Item} item
 * @param {string[]} codes
 * @returns {Value[]}
 */
function row(item, codes) {
  const result = item.response?.result;
  const diagnosis = result?.top[0];
  return [
    withoutFormula(item.name),
    result?.status,
    result?.p_malignant,
    result?.operating_points[0]?.positive,
    result?.risk,
    diagnosis?.code,
    diagnosis?.name,
    diagnosis?.probability,
    result?.headline,
    ...codes.map((code) => result?.probabilities[code]),
    result?.prediction_set?.codes.join(" "),
    result?.balanced_prediction,
    result?.abstain_reasons.map(({ code, message }) => `${code}: ${message}`).join("; "),
    result?.ood_score,
    result?.notes.join("; "),
    result?.images.map(({ image }) => withoutFormula(image)).join("; "),
    result?.model,
    item.problem,
    RESEARCH_ONLY,
  ];
}

/** @param {Value} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "number" ? value.toFixed(6) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A spreadsheet evaluates a cell that begins like a formula; `./` prevents it, as on the command line.
 * @param {string} name
 */
function withoutFormula(name) {
  return /^[=+\-@\t\r\n]/.test(name) ? `./${name}` : name;
}
