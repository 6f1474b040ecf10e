/** The confusion matrix: what is taken for what. */

import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../contract.js").Model} Model */
/** @typedef {import("../contract.js").Evaluation} Evaluation */

// From here on the colour is dark enough for light text.
const DARK = 0.55;

/** @param {{ model: Model, evaluation: Evaluation }} props */
export function Confusion({ model, evaluation }) {
  const { classes, confusion_matrix: matrix, leaky } = evaluation;
  const name = (/** @type {string} */ code) => model.classes.find((other) => other.code === code)?.name ?? code;
  return html`<section class="card" aria-labelledby="confusion-title">
    <h2 id="confusion-title">What is taken for what<${Leaky} on=${leaky} /></h2>
    <p class="quiet">
      Each row is what the lesions are, each column what the model calls them; images, and their share of the row. The outlined diagonal
      is right.
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">
      <table class="matrix">
        <thead>
          <tr>
            <th scope="col">Actual \\ called</th>
            ${classes.map((code) => html`<th key=${code} scope="col"><abbr title=${name(code)}>${code}</abbr></th>`)}
          </tr>
        </thead>
        <tbody>
          ${classes.map((code, actual) => {
            const row = matrix[actual] ?? [];
            const total = row.reduce((sum, count) => sum + count, 0);
            return html`<tr key=${code}>
              <th scope="row"><b>${code}</b> <span class="long">${name(code)}</span></th>
              ${row.map((count, called) => html`<${Cell} key=${called} count=${count} total=${total} right=${called === actual} leaky=${leaky} />`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  </section>`;
}

/** @param {{ count: number, total: number, right: boolean, leaky: boolean }} props */
function Cell({ count, total, right, leaky }) {
  const share = total > 0 ? count / total : 0;
  const kinds = [right && "right", share >= DARK && "hot", count === 0 && "empty"].filter(Boolean).join(" ");
  return html`<td class=${kinds} style=${{ "--share": share.toFixed(3) }}>
    ${count} ${count > 0 && html`<small>${(100 * share).toFixed(0)}%</small>`}
    ${leaky && count > 0 && html`<${Leaky} on />`}
  </td>`;
}
