/** ROC curves: what is found against what is wrongly flagged, over all thresholds. */

import { interval, number } from "../format.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, UNIT } from "./plot.js";

/** @typedef {import("../contract.js").Model} Model */
/** @typedef {import("../contract.js").Evaluation} Evaluation */
/** @typedef {import("../contract.js").RocCurve} RocCurve */

/** @param {{ model: Model, evaluation: Evaluation }} props */
export function RocCurves({ model, evaluation }) {
  const { roc, leaky } = evaluation;
  const codes = ["malignant", ...evaluation.classes].filter((code, place, all) => roc[code] && all.indexOf(code) === place);
  const [chosen, setChosen] = useState(codes[0] ?? "");
  const curve = roc[chosen];
  if (!curve) return null;
  const name = (/** @type {string} */ code) => model.classes.find((other) => other.code === code)?.name ?? "Malignant against benign";
  const choose = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) => setChosen(currentTarget.value);
  return html`<section class="card" aria-labelledby="roc-title">
    <h2 id="roc-title">ROC curves</h2>
    <p class="quiet">Further to the upper left is better; the dotted line is guessing. The area under the curve (AUC) is the share of pairs in the right order.</p>
    <div class="curves">
      <figure>
        <label for="curve">Curve</label>
        <select id="curve" value=${chosen} onChange=${choose}>
          ${codes.map((code) => html`<option key=${code} value=${code} selected=${code === chosen}>${name(code)}</option>`)}
        </select>
        <${Plot}
          across=${{ ...UNIT, label: "Wrongly flagged (1 − specificity)" }}
          up=${{ ...UNIT, label: "Found (sensitivity)" }}
          label=${`ROC curve, ${name(chosen)}: AUC ${number(curve.auc.value)}`}
          draw=${(/** @type {import("./plot.js").Scale} */ { x, y }) => html`
            <path class="guess" d=${path([[x(0), y(0)], [x(1), y(1)]])} />
            ${codes.map((code) => code !== chosen && html`<path key=${code} class="curve other" d=${line(roc[code], x, y)} />`)}
            <path class="curve" d=${line(curve, x, y)} />
          `}
        />
      </figure>
      <table>
        <caption class="unseen">Area under each curve</caption>
        <thead><tr><th scope="col">Curve</th><th scope="col">AUC, 95% interval</th></tr></thead>
        <tbody>
          ${codes.map(
            (code) => html`<tr key=${code} class=${code === chosen ? "strong" : ""}>
              <th scope="row">${name(code)}</th>
              <td>${number(roc[code]?.auc.value)}<${Leaky} on=${leaky} /> <small>${interval(roc[code]?.auc)}</small></td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}

/**
 * @param {RocCurve | undefined} curve
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 */
function line(curve, x, y) {
  return path((curve?.points ?? []).map(({ fpr, tpr }) => [x(fpr), y(tpr)]));
}
