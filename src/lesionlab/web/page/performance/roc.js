/** ROC curves. */

import { className, interval, number } from "../format.js";
import { t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, UNIT } from "./plot.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Roc} Roc */

/** @param {{ model: ModelCard, evaluation: Evaluation }} props */
export function RocCurves({ model, evaluation }) {
  const { roc, leaky } = evaluation;
  const codes = ["malignant", ...evaluation.classes].filter((code, index, all) => roc[code] && all.indexOf(code) === index);
  const [selected, setSelected] = useState(codes[0] ?? "");
  const curve = roc[selected];
  if (!curve) return null;
  const name = (/** @type {string} */ code) => (model.classes.some((other) => other.code === code) ? className(model, code) : t("roc.malignant"));
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) => setSelected(currentTarget.value);
  return html`<${Section} title=${t("roc.title")}>
    <p class="muted">${t("roc.note")}</p>
    <div class="curves">
      <figure>
        <label for="curve">${t("roc.curve")}</label>
        <select id="curve" value=${selected} onChange=${onChange}>
          ${codes.map((code) => html`<option key=${code} value=${code} selected=${code === selected}>${name(code)}</option>`)}
        </select>
        <${Plot}
          across=${{ ...UNIT, label: t("roc.across") }}
          up=${{ ...UNIT, label: t("sensitivity") }}
          label=${t("roc.label", { name: name(selected), auc: number(curve.auc.value) })}
          draw=${(/** @type {import("./plot.js").Scale} */ { x, y }) => html`
            <path class="reference-line" d=${path([[x(0), y(0)], [x(1), y(1)]])} />
            ${codes.map((code) => code !== selected && html`<path key=${code} class="curve other" d=${line(roc[code], x, y)} />`)}
            <path class="curve" d=${line(curve, x, y)} />
          `}
        />
      </figure>
      <table>
        <caption class="visually-hidden">${t("roc.caption")}</caption>
        <thead><tr><th scope="col">${t("roc.curve")}</th><th scope="col">${t("roc.auc")}</th></tr></thead>
        <tbody>
          ${codes.map(
            (code) => html`<tr key=${code} class=${code === selected ? "strong" : ""}>
              <th scope="row">${name(code)}</th>
              <td>${number(roc[code]?.auc.value)}<${Leaky} on=${leaky} /> <small>${interval(roc[code]?.auc)}</small></td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  <//>`;
}

/**
 * @param {Roc | undefined} curve
 * @param {(value: number) => number} x
 * @param {(value: number) => number} y
 */
function line(curve, x, y) {
  return path((curve?.points ?? []).map(({ fpr, tpr }) => [x(fpr), y(tpr)]));
}
