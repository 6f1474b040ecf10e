/** Operating points with their predictive values at a prevalence that the reader can change. */

import { noun, number, percent, pointTitle, predictiveValues } from "../format.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../types.js").OperatingPoint} OperatingPoint */

/** @param {{ points: OperatingPoint[], leaky: boolean }} props */
export function OperatingPoints({ points, leaky }) {
  const [first] = points;
  if (!first) return null;
  const targets = [...new Set(points.map((point) => point.target))];
  return html`<section class="card" aria-labelledby="points-title">
    <h2 id="points-title">Operating points</h2>
    <p class="muted">
      Each threshold was chosen on the validation images for its sensitivity, and measured on the ${first.measured_on} images, of
      all sources and confirmations together. PPV and NPV depend on the prevalence in the examined population.
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
      <label for=${id}>Prevalence of ${noun(first.target)}, %</label>
      <input id=${id} type="number" min="0" max="100" step="0.1" value=${(100 * prevalence).toFixed(1)} onChange=${onChange} />
      <button type="button" onClick=${() => setPrevalence(first.prevalence)}>As measured: ${percent(first.prevalence)}</button>
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Operating points for ${noun(first.target)}`}>
      <table>
        <thead>
          <tr>
            ${["Operating point", "Threshold", "Sensitivity", "Specificity", "PPV", "NPV"].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${points.map((point) => {
            const { ppv, npv } = predictiveValues(point, prevalence);
            return html`<tr key=${point.name}>
              <th scope="row">${pointTitle(point)}</th>
              <td>${percent(point.threshold)}</td>
              ${[point.sensitivity, point.specificity, ppv, npv].map((share) => html`<td>${number(share)}<${Leaky} on=${leaky} /></td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  `;
}
