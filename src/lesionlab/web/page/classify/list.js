/** The order and the filter of the list of images, which previous and next follow too. */

import { className, mainProbability } from "../format.js";
import { headline } from "../headline.js";
import { t } from "../messages.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../messages.js").MessageKey} MessageKey */
/** @typedef {{ key: string, label: MessageKey, value: (item: Item, model: ModelCard | null) => string | number }} Column */

/**
 * @typedef {object} ListState
 * @property {string} sortKey Key of a column; empty for the order in which the images were added.
 * @property {boolean} descending
 * @property {string} text Part of the file name or of the diagnosis.
 * @property {string} kind Key in `KINDS`.
 */

/** @type {ListState} */
export const DEFAULT_LIST = { sortKey: "", descending: false, text: "", kind: "all" };

const RISKS = ["low", "moderate", "high"];

/** @type {Record<string, { label: MessageKey, includes: (item: Item) => boolean }>} */
export const KINDS = {
  all: { label: "list.all", includes: () => true },
  positive: { label: "list.positive", includes: (item) => item.response?.result.operating_points[0]?.positive === true },
  negative: { label: "list.negative", includes: (item) => item.response?.result.operating_points[0]?.positive === false },
  abstained: { label: "list.abstained", includes: (item) => isAbstained(item) },
  failed: { label: "list.failed", includes: ({ state }) => state === "failed" },
  selected: { label: "list.selected", includes: ({ selected }) => selected },
};

/** @type {Column[]} */
export const COLUMNS = [
  { key: "image", label: "image", value: (item) => item.name.toLowerCase() },
  { key: "main-probability", label: "probabilityOf.malignant", value: (item) => mainOf(item)?.value ?? -1 },
  { key: "risk", label: "table.risk", value: (item) => RISKS.indexOf(item.response?.result.risk ?? "") },
  { key: "diagnosis", label: "table.mostProbable", value: (item, model) => diagnosisOf(item, model) },
  { key: "probability", label: "probability", value: (item) => item.response?.result.top[0]?.probability ?? -1 },
  { key: "remark", label: "table.remarks", value: (item, model) => remark(item, model) },
];

/**
 * The images that the list shows, in its order.
 * @param {Session} session
 */
export function listed({ items, model, list: { sortKey, descending, text, kind } }) {
  const words = text.toLowerCase();
  const matches = (/** @type {Item} */ item) => words === "" || `${item.name} ${diagnosisOf(item, model)}`.toLowerCase().includes(words);
  const shown = items.filter((item) => KINDS[kind]?.includes(item) && matches(item));
  const column = COLUMNS.find(({ key }) => key === sortKey);
  if (!column) return shown;
  return shown.sort((left, right) => {
    const [a, b] = [column.value(left, model), column.value(right, model)];
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return descending ? -order : order;
  });
}

/**
 * The images that an action of the list concerns: the selected ones, otherwise all that are listed.
 * @param {Session} session
 */
export function chosen(session) {
  const all = listed(session);
  return session.items.some(({ selected }) => selected) ? all.filter(({ selected }) => selected) : all;
}

/** @param {Item} item */
export function isAbstained(item) {
  return item.response?.result.status === "abstained";
}

/** @param {Item} item */
export function mainOf(item) {
  return item.response && !isAbstained(item) ? mainProbability(item.response.result) : null;
}

/**
 * @param {Item} item
 * @param {ModelCard | null} model
 */
export function remark(item, model) {
  if (item.state === "failed") return item.problem;
  if (item.state !== "done" || !item.response) return item.delay || t("result.classifying");
  const { result } = item.response;
  return [...(item.synthetic ? [t("synthetic")] : []), ...(isAbstained(item) ? [headline(result, model)] : []), ...result.notes].join("; ");
}

/**
 * @param {Item} item
 * @param {ModelCard | null} model
 */
function diagnosisOf(item, model) {
  const first = item.response?.result.top[0];
  return first ? className(model, first.code) : "";
}
