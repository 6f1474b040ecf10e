/** The confusion matrix. */

import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

// Share of the row from which the cell is dark enough for light text.
const DARK = 0.55;

/** @param {{ model: ModelCard, evaluation: Evaluation }} props */
export function Confusion({ model, evaluation }) {
  const { classes, confusion_matrix: matrix, leaky } = evaluation;
  const name = (/** @type {string} */ code) => model.classes.find((other) => other.code === code)?.name ?? code;
  return html`<section class="card" aria-labelledby="confusion-title">
    <h2 id="confusion-title">Confusion matrix<${Leaky} on=${leaky} /></h2>
    <p class="muted">
      Rows are actual, columns predicted diagnoses; number of images, and share of the row. Correct predictions are outlined.
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">
      <table class="matrix">
        <thead>
          <tr>
            <th scope="col">Actual \\ predicted</th>
            ${classes.map((code) => html`<th key=${code} scope="col"><abbr title=${name(code)}>${code}</abbr></th>`)}
          </tr>
        </thead>
        <tbody>
          ${classes.map((code, actual) => {
            const row = matrix[actual] ?? [];
            const total = row.reduce((sum, count) => sum + count, 0);
            return html`<tr key=${code}>
              <th scope="row"><b>${code}</b> <span class="long">${name(code)}</span></th>
              ${row.map((count, predicted) => html`<${Cell} key=${predicted} count=${count} total=${total} correct=${predicted === actual} leaky=${leaky} />`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  </section>`;
}

/** @param {{ count: number, total: number, correct: boolean, leaky: boolean }} props */
function Cell({ count, total, correct, leaky }) {
  const share = total > 0 ? count / total : 0;
  const kinds = [correct && "correct", share >= DARK && "dark", count === 0 && "empty"].filter(Boolean).join(" ");
  return html`<td class=${kinds} style=${{ "--share": share.toFixed(3) }}>
    ${count} ${count > 0 && html`<small>${(100 * share).toFixed(0)}%</small>`}
    ${leaky && count > 0 && html`<${Leaky} on />`}
  </td>`;
}
