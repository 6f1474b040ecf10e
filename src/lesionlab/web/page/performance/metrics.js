/** Metrics with their intervals: the main ones as tiles, all of them as a table. */

import { interval, number } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../messages.js").MessageKey} MessageKey */
/** @typedef {import("../types.js").Estimate} Estimate */
/**
 * Ends of the bar by name of the metric in lesionlab.metrics, for those with a description.
 * @type {Record<string, [from: number, to: number]>}
 */
const RANGES = {
  balanced_accuracy: [0, 1],
  malignant_auc: [0.5, 1],
  melanoma_auc: [0.5, 1],
  macro_auc: [0.5, 1],
  ece: [0, 0.3],
  malignant_ece: [0, 0.3],
  melanoma_ece: [0, 0.3],
  classwise_ece: [0, 0.3],
  malignant_calibration_in_the_large: [-0.2, 0.2],
  melanoma_calibration_in_the_large: [-0.2, 0.2],
  malignant_brier: [0, 0.25],
  melanoma_brier: [0, 0.25],
  accuracy: [0, 1],
  macro_f1: [0, 1],
  weighted_f1: [0, 1],
  malignant_recall: [0, 1],
  malignant_specificity: [0, 1],
  malignant_precision: [0, 1],
  brier: [0, 2],
  nll: [0, 2],
};
const MAIN = ["balanced_accuracy", "malignant_auc", "melanoma_auc", "malignant_ece", "ece", "macro_auc"];
const TILES = 4;
/** @type {MessageKey[]} */
const METRIC_COLUMNS = ["metrics.name", "metrics.value", "metrics.intervalColumn", "metrics.description"];

/** @param {string} name */
function metricName(name) {
  return name in RANGES ? t(/** @type {MessageKey} */ (`metric.${name}`)) : name;
}

/** @param {string} name */
function metricText(name) {
  return name in RANGES ? t(/** @type {MessageKey} */ (`metric.${name}.text`)) : "";
}

/** @param {{ estimate: Estimate | null, leaky: boolean }} props */
export function Measured({ estimate, leaky }) {
  if (!estimate || estimate.value === null) return html`<span class="muted">${t("notDefined")}</span>`;
  return html`${number(estimate.value)}<${Leaky} on=${leaky} /> <small>${interval(estimate)}</small>`;
}

/** @param {{ on: boolean }} props */
export function Leaky({ on }) {
  return on ? html` <span class="leaky">leaky</span>` : null;
}

/** @param {{ metrics: Record<string, Estimate>, leaky: boolean, classes: number }} props */
export function MetricTiles({ metrics, leaky, classes }) {
  const names = MAIN.filter((name) => metrics[name] && (name !== "malignant_ece" || metrics[name]?.value !== null) && (classes > 2 || name !== "macro_auc")).slice(0, TILES);
  return html`<ul class="tiles" aria-label=${t("metrics.main")}>
    ${names.map((name) => html`<${Tile} key=${name} name=${name} estimate=${metrics[name]} leaky=${leaky} />`)}
  </ul>`;
}

/** @param {{ name: string, estimate: Estimate, leaky: boolean }} props */
function Tile({ name, estimate, leaky }) {
  const [from, to] = RANGES[name] ?? [0, 1];
  const position = (/** @type {number} */ value) => 100 * Math.min(Math.max((value - from) / (to - from), 0), 1);
  const { value, low, high } = estimate;
  return html`<li class="card tile">
    <h2 class="minor">${metricName(name)}</h2>
    <p class="value">${number(value)}<${Leaky} on=${leaky} /></p>
    <p>${interval(estimate) ? t("metrics.interval", { interval: interval(estimate) }) : t("metrics.noInterval")}</p>
    <div class="interval" aria-hidden="true">
      ${low !== null && high !== null && html`<i style=${{ left: `${position(low)}%`, width: `${position(high) - position(low)}%` }}></i>`}
      ${value !== null && html`<b style=${{ left: `${position(value)}%` }}></b>`}
    </div>
    <p class="ends" aria-hidden="true"><span>${from}</span><span>${to}</span></p>
    <p>${metricText(name)}</p>
  </li>`;
}

/** @param {{ metrics: Record<string, Estimate>, leaky: boolean }} props */
export function MetricTable({ metrics, leaky }) {
  const names = Object.keys(metrics);
  if (names.length === 0) return null;
  return html`<details class="card section">
    <summary><h2>${t("metrics.all", { count: names.length })}</h2></summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("metrics.title")}>
      <table>
        <thead>
          <tr>${METRIC_COLUMNS.map((column) => html`<th key=${column} scope="col">${t(column)}</th>`)}</tr>
        </thead>
        <tbody>
          ${names.map(
            (name) => html`<tr key=${name}>
              <th scope="row">${metricName(name)}</th>
              <td>${number(metrics[name]?.value)}<${Leaky} on=${leaky} /></td>
              <td class="nowrap">${interval(metrics[name])}</td>
              <td class="text">${metricText(name)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
