/** Thresholds: what each finds, what it costs, and what its verdicts are worth at a prevalence of the reader's choice. */

import { lesionsOf, percent, pointName, predictiveValues } from "../format.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../contract.js").OperatingPoint} OperatingPoint */

/** @param {{ points: OperatingPoint[], leaky: boolean }} props */
export function OperatingPoints({ points, leaky }) {
  const [first] = points;
  if (!first) return null;
  const sought = [...new Set(points.map((point) => point.looked_for))];
  return html`<section class="card" aria-labelledby="points-title">
    <h2 id="points-title">Operating points</h2>
    <p class="quiet">
      Each threshold was chosen on validation images for its sensitivity, and measured on the ${first.measured_on} images. PPV and NPV
      depend on how many of those examined have what is looked for: set it to what you expect.
    </p>
    ${sought.map(
      (finding) => html`<${PointsOf} key=${finding} points=${points.filter((point) => point.looked_for === finding)} leaky=${leaky} />`,
    )}
  </section>`;
}

/**
 * The thresholds for one finding.
 * @param {{ points: OperatingPoint[], leaky: boolean }} props
 */
function PointsOf({ points, leaky }) {
  const [first] = points;
  const [prevalence, setPrevalence] = useState(first?.prevalence ?? 0.1);
  if (!first) return null;
  const [sought] = lesionsOf(first.looked_for);
  const id = `prevalence-${first.looked_for}`;
  const change = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => {
    const share = Number(currentTarget.value) / 100;
    if (currentTarget.value !== "" && share >= 0 && share <= 1) setPrevalence(share);
  };
  const value = (/** @type {number | null} */ share) => (share === null ? "not defined" : share.toFixed(3));
  return html`
    <p class="prevalence">
      <label for=${id}>Share with ${sought}, %</label>
      <input id=${id} type="number" min="0" max="100" step="0.1" value=${(100 * prevalence).toFixed(1)} onChange=${change} />
      <button type="button" onClick=${() => setPrevalence(first.prevalence)}>As measured: ${percent(first.prevalence)}</button>
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Operating points for ${sought}`}>
      <table>
        <thead>
          <tr>
            ${["Chosen for", "Threshold", "Sensitivity", "Specificity", "PPV", "NPV"].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${points.map((point) => {
            const { ppv, npv } = predictiveValues(point, prevalence);
            return html`<tr key=${point.name}>
              <th scope="row">${pointName(point)}</th>
              <td>${percent(point.threshold)}</td>
              ${[point.sensitivity, point.specificity, ppv, npv].map((share) => html`<td>${value(share)}<${Leaky} on=${leaky} /></td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
  `;
}
