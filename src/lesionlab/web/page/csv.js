/** The answers as a table that a spreadsheet opens: the columns of `lesionlab predict --out answers.csv`, and more. */

import { RESEARCH_ONLY, answerOf, judgedPoint } from "./format.js";

/** @typedef {import("./session.js").Item} Item */
/** @typedef {import("./contract.js").Model} Model */

/**
 * @param {Item[]} items
 * @param {Model} model
 * @param {string} pointName
 */
export function toCsv(items, model, pointName) {
  const codes = model.classes.map(({ code }) => code);
  const head = ["image", "diagnosis", "name", "probability", "malignant", "risk"];
  const tail = ["operating_point", "threshold", "suspicious", "refusal", "notes", "problem", "bundle", "notice"];
  const rows = items.map((item) => row(item, codes, pointName));
  const lines = [[...head, ...codes.map((code) => `p_${code}`), ...tail], ...rows];
  return `${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/**
 * @param {Item} item
 * @param {string[]} codes
 * @param {string} pointName
 * @returns {(string | number | boolean | null | undefined)[]}
 */
function row(item, codes, pointName) {
  const result = item.answer?.result;
  const best = answerOf(result);
  const point = result && judgedPoint(result, pointName);
  const probabilities = codes.map((code) => result?.classes.find((other) => other.code === code)?.probability);
  const refusal = result?.refusal?.reasons.map(({ message }) => message).join("; ");
  const answer = [item.name, best?.code, best?.name, best?.probability, result?.malignant, result?.risk];
  const judged = [point?.name, point?.threshold, point?.suspicious, refusal, result?.notes.join("; "), item.problem];
  return [...answer, ...probabilities, ...judged, item.answer?.bundle.identity, RESEARCH_ONLY];
}

/** @param {string | number | boolean | null | undefined} value */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return value.toFixed(6);
  const text = harmless(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A file's name may be a formula, which a spreadsheet would run: with an apostrophe before it, it stays text.
 * @param {string} text
 */
function harmless(text) {
  return /^[\s]*[=+\-@]|^[\t\r\n]/.test(text) ? `'${text}` : text;
}
