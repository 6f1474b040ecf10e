/** Operating points with their predictive values at a prevalence that the reader can change. */

import { noun, number, percent, pointName, predictiveValues } from "../format.js";
import { t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../messages.js").MessageKey} MessageKey */
/** @typedef {import("../types.js").OperatingPoint} OperatingPoint */

/** @type {[name: MessageKey, short: MessageKey][]} */
const SHORTENED = [
  ["points.threshold", "points.thresholdShort"],
  ["sensitivity", "points.sensitivityShort"],
  ["specificity", "points.specificityShort"],
];

/** @param {{ points: OperatingPoint[], leaky: boolean }} props */
export function OperatingPoints({ points, leaky }) {
  const [first] = points;
  if (!first) return null;
  const targets = [...new Set(points.map((point) => point.target))];
  return html`<section class="card" aria-labelledby="points-title">
    <h2 id="points-title">${t("points.title")}</h2>
    <p class="muted">
      ${t("points.note", { subset: t(`subset.${first.measured_on ?? "other"}`) })}
    </p>
    ${targets.map(
      (target) => html`<${TargetPoints} key=${target} points=${points.filter((point) => point.target === target)} leaky=${leaky} />`,
    )}
  </section>`;
}

/**
 * The operating points for one target.
 * @param {{ points: OperatingPoint[], leaky: boolean }} props
 */
function TargetPoints({ points, leaky }) {
  const [first] = points;
  const [prevalence, setPrevalence] = useState(first?.prevalence ?? 0.1);
  if (!first) return null;
  const id = `prevalence-${first.target}`;
  const onChange = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => {
    const share = Number(currentTarget.value) / 100;
    if (currentTarget.value !== "" && share >= 0 && share <= 1) setPrevalence(share);
  };
  return html`
    <p class="prevalence">
      <label for=${id}>${t("points.prevalence", { target: noun(first.target) })}</label>
      <input id=${id} type="number" min="0" max="100" step="0.1" value=${(100 * prevalence).toFixed(1)} onChange=${onChange} />
      <button type="button" onClick=${() => setPrevalence(first.prevalence)}>${t("points.measured", { prevalence: percent(first.prevalence) })}</button>
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("points.table", { target: noun(first.target) })}>
      <table class="figures points">
        <thead>
          <tr>
            <th scope="col">${t("point.label")}</th>
            ${SHORTENED.map(
              ([name, short]) => html`<th key=${name} scope="col">
                <span class="long-name">${t(name)}</span><span class="short-name" aria-hidden="true">${t(short)}</span>
              </th>`,
            )}
            ${["PPV", "NPV"].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${points.map((point) => {
            const { ppv, npv } = predictiveValues(point, prevalence);
            return html`<tr key=${point.name}>
              <th scope="row">${pointName(point.name)}</th>
              <td>${percent(point.threshold)}</td>
              ${[point.sensitivity, point.specificity, ppv, npv].map((share) => html`<td>${number(share)}<${Leaky} on=${leaky} /></td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  `;
}
