/** Metrics with their intervals: the main ones as tiles, all of them as a table. */

import { interval, number } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../types.js").Estimate} Estimate */
/** @typedef {{ label: string, from: number, to: number, description: string }} Metric */

/**
 * By their names in lesionlab.metrics; `from` and `to` are the ends of the bar.
 * @type {Record<string, Metric>}
 */
const METRICS = {
  balanced_accuracy: { label: "Balanced accuracy", from: 0, to: 1, description: "mean recall of all classes" },
  malignant_auc: { label: "Malignant AUC", from: 0.5, to: 1, description: "malignant against benign; 0.5 is chance" },
  melanoma_auc: { label: "Melanoma AUC", from: 0.5, to: 1, description: "melanoma against the rest; 0.5 is chance" },
  macro_auc: { label: "Macro AUC", from: 0.5, to: 1, description: "mean of each class against the rest; 0.5 is chance" },
  ece: { label: "Calibration error (ECE)", from: 0, to: 0.3, description: "confidence against accuracy; lower is better" },
  malignant_ece: { label: "Calibration error of P(malignant)", from: 0, to: 0.3, description: "P(malignant) against the malignant share; lower is better" },
  melanoma_ece: { label: "Calibration error of P(melanoma)", from: 0, to: 0.3, description: "P(melanoma) against the share of melanomas; lower is better" },
  classwise_ece: { label: "Classwise calibration error", from: 0, to: 0.3, description: "mean calibration error of all classes; lower is better" },
  malignant_calibration_in_the_large: { label: "Excess of P(malignant)", from: -0.2, to: 0.2, description: "mean P(malignant) minus the malignant share; 0 is best" },
  melanoma_calibration_in_the_large: { label: "Excess of P(melanoma)", from: -0.2, to: 0.2, description: "mean P(melanoma) minus the share of melanomas; 0 is best" },
  malignant_brier: { label: "Brier score of P(malignant)", from: 0, to: 0.25, description: "squared error; lower is better" },
  melanoma_brier: { label: "Brier score of P(melanoma)", from: 0, to: 0.25, description: "squared error; lower is better" },
  accuracy: { label: "Accuracy", from: 0, to: 1, description: "share of correct predictions; dominated by frequent classes" },
  macro_f1: { label: "Macro F1", from: 0, to: 1, description: "mean F1 of all classes" },
  weighted_f1: { label: "Weighted F1", from: 0, to: 1, description: "F1 weighted by class frequency" },
  malignant_recall: { label: "Malignant recall", from: 0, to: 1, description: "malignant images predicted as a malignant class" },
  malignant_specificity: { label: "Malignant specificity", from: 0, to: 1, description: "benign images predicted as a benign class" },
  malignant_precision: { label: "Malignant precision", from: 0, to: 1, description: "malignant share of the images predicted as malignant" },
  brier: { label: "Brier score", from: 0, to: 2, description: "squared error of the probabilities; lower is better" },
  nll: { label: "Log loss", from: 0, to: 2, description: "negative log likelihood; lower is better" },
};
const MAIN = ["balanced_accuracy", "malignant_auc", "melanoma_auc", "malignant_ece", "ece", "macro_auc"];
const TILES = 4;

/** @param {{ on: boolean }} props */
export function Leaky({ on }) {
  return on ? html` <span class="leaky">leaky</span>` : null;
}

/** @param {{ metrics: Record<string, Estimate>, leaky: boolean, classes: number }} props */
export function MetricTiles({ metrics, leaky, classes }) {
  const names = MAIN.filter((name) => metrics[name] && (name !== "malignant_ece" || metrics[name]?.value !== null) && (classes > 2 || name !== "macro_auc")).slice(0, TILES);
  return html`<ul class="tiles" aria-label="Main metrics">
    ${names.map((name) => html`<${Tile} key=${name} metric=${METRICS[name]} estimate=${metrics[name]} leaky=${leaky} />`)}
  </ul>`;
}

/** @param {{ metric: Metric, estimate: Estimate, leaky: boolean }} props */
function Tile({ metric: { label, from, to, description }, estimate, leaky }) {
  const position = (/** @type {number} */ value) => 100 * Math.min(Math.max((value - from) / (to - from), 0), 1);
  const { value, low, high } = estimate;
  return html`<li class="card tile">
    <h2 class="minor">${label}</h2>
    <p class="value">${number(value)}<${Leaky} on=${leaky} /></p>
    <p>${interval(estimate) ? `95% interval ${interval(estimate)}` : "no interval"}</p>
    <div class="interval" aria-hidden="true">
      ${low !== null && high !== null && html`<i style=${{ left: `${position(low)}%`, width: `${position(high) - position(low)}%` }}></i>`}
      ${value !== null && html`<b style=${{ left: `${position(value)}%` }}></b>`}
    </div>
    <p class="ends" aria-hidden="true"><span>${from}</span><span>${to}</span></p>
    <p>${description}</p>
  </li>`;
}

/** @param {{ metrics: Record<string, Estimate>, leaky: boolean }} props */
export function MetricTable({ metrics, leaky }) {
  const names = Object.keys(metrics);
  if (names.length === 0) return null;
  return html`<details class="card">
    <summary>All ${names.length} metrics</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="All metrics">
      <table>
        <thead>
          <tr><th scope="col">Metric</th><th scope="col">Value</th><th scope="col">95% interval</th><th scope="col">Description</th></tr>
        </thead>
        <tbody>
          ${names.map(
            (name) => html`<tr key=${name}>
              <th scope="row">${METRICS[name]?.label ?? name}</th>
              <td>${number(metrics[name]?.value)}<${Leaky} on=${leaky} /></td>
              <td class="nowrap">${interval(metrics[name])}</td>
              <td class="text">${METRICS[name]?.description}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
