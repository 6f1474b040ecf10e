/** The confusion matrix. */

import { className, wholePercent } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ model: ModelCard, evaluation: Evaluation }} props */
export function Confusion({ model, evaluation }) {
  const { classes, confusion_matrix: matrix, leaky } = evaluation;
  return html`<${Section} title=${t("confusion.title")} leaky=${leaky}>
    <p class="muted">${t("confusion.note")}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("confusion.title")}>
      <table class="matrix">
        <thead>
          <tr>
            <th scope="col">${t("confusion.corner")}</th>
            ${classes.map((code) => html`<th key=${code} scope="col"><abbr title=${className(model, code)}>${code}</abbr></th>`)}
          </tr>
        </thead>
        <tbody>
          ${classes.map((code, actual) => {
            const row = matrix[actual] ?? [];
            const total = row.reduce((sum, count) => sum + count, 0);
            return html`<tr key=${code}>
              <th scope="row"><b>${code}</b> <span class="long">${className(model, code)}</span></th>
              ${row.map((count, predicted) => html`<${Cell} key=${predicted} count=${count} total=${total} correct=${predicted === actual} leaky=${leaky} />`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  <//>`;
}

/** @param {{ count: number, total: number, correct: boolean, leaky: boolean }} props */
function Cell({ count, total, correct, leaky }) {
  const share = total > 0 ? count / total : 0;
  const kinds = [correct && "correct", count === 0 && "empty"].filter(Boolean).join(" ");
  return html`<td class=${kinds} style=${{ "--share": share.toFixed(3) }}>
    ${count} ${count > 0 && html`<small>${wholePercent(share)}</small>`}
    ${leaky && count > 0 && html`<${Leaky} on />`}
  </td>`;
}
