/** Metrics with their intervals: the few that matter most, large, and all of them as a table. */

import { interval, number } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../contract.js").Estimate} Estimate */
/** @typedef {{ label: string, from: number, to: number, words: string }} Described */

/**
 * The names are those of lesionlab.metrics; `from` and `to` are the ends of the bar.
 * @type {Record<string, Described>}
 */
const METRICS = {
  balanced_accuracy: { label: "Balanced accuracy", from: 0, to: 1, words: "mean recall of all classes" },
  malignant_auc: { label: "Malignant AUC", from: 0.5, to: 1, words: "malignant against benign; guessing gives 0.5" },
  melanoma_auc: { label: "Melanoma AUC", from: 0.5, to: 1, words: "melanoma against the rest; guessing gives 0.5" },
  macro_auc: { label: "Macro AUC", from: 0.5, to: 1, words: "each class against the rest; guessing gives 0.5" },
  ece: { label: "Calibration error (ECE)", from: 0, to: 0.3, words: "claimed against true certainty; lower is better" },
  accuracy: { label: "Accuracy", from: 0, to: 1, words: "share of right answers; flattered by frequent classes" },
  macro_f1: { label: "Macro F1", from: 0, to: 1, words: "mean F1 of all classes" },
  weighted_f1: { label: "Weighted F1", from: 0, to: 1, words: "F1 weighted by how frequent a class is" },
  malignant_recall: { label: "Malignant recall", from: 0, to: 1, words: "malignant lesions whose answer is a malignant class" },
  malignant_specificity: { label: "Malignant specificity", from: 0, to: 1, words: "benign lesions whose answer is a benign class" },
  malignant_precision: { label: "Malignant precision", from: 0, to: 1, words: "of those called malignant, share that is" },
  brier: { label: "Brier score", from: 0, to: 2, words: "squared error of the probabilities; lower is better" },
  nll: { label: "Log loss", from: 0, to: 2, words: "negative log likelihood; lower is better" },
};
const HEADLINE = ["balanced_accuracy", "malignant_auc", "melanoma_auc", "ece", "macro_auc"];
const TILES = 4;

/** @param {{ on: boolean }} props */
export function Leaky({ on }) {
  return on ? html` <span class="leaky">leaky</span>` : null;
}

/** @param {{ metrics: Record<string, Estimate>, leaky: boolean, classes: number }} props */
export function Headline({ metrics, leaky, classes }) {
  const shown = HEADLINE.filter((name) => metrics[name] && (classes > 2 || name !== "macro_auc")).slice(0, TILES);
  return html`<ul class="tiles" aria-label="Headline figures">
    ${shown.map((name) => html`<${Tile} key=${name} described=${METRICS[name]} estimate=${metrics[name]} leaky=${leaky} />`)}
  </ul>`;
}

/** @param {{ described: Described, estimate: Estimate, leaky: boolean }} props */
function Tile({ described: { label, from, to, words }, estimate, leaky }) {
  const place = (/** @type {number} */ value) => 100 * Math.min(Math.max((value - from) / (to - from), 0), 1);
  const { value, low, high } = estimate;
  return html`<li class="card tile">
    <h2 class="minor">${label}</h2>
    <p class="value">${number(value)}<${Leaky} on=${leaky} /></p>
    <p>${interval(estimate) ? `95% interval ${interval(estimate)}` : "no interval"}</p>
    <div class="interval" aria-hidden="true">
      ${low !== null && high !== null && html`<i style=${{ left: `${place(low)}%`, width: `${place(high) - place(low)}%` }}></i>`}
      ${value !== null && html`<b style=${{ left: `${place(value)}%` }}></b>`}
    </div>
    <p class="ends" aria-hidden="true"><span>${from}</span><span>${to}</span></p>
    <p>${words}</p>
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
          <tr><th scope="col">Metric</th><th scope="col">Value</th><th scope="col">95% interval</th><th scope="col">What it is</th></tr>
        </thead>
        <tbody>
          ${names.map(
            (name) => html`<tr key=${name}>
              <th scope="row">${METRICS[name]?.label ?? name}</th>
              <td>${number(metrics[name]?.value)}<${Leaky} on=${leaky} /></td>
              <td class="nowrap">${interval(metrics[name])}</td>
              <td class="words">${METRICS[name]?.words}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
