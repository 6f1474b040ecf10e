/** Performance in subgroups of the images. */

import { interval, number } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Estimate} Estimate */

/** @type {Record<string, string>} */
const GROUPS = { sex: "Sex", age: "Age", site: "Anatomical site", dx_type: "Confirmation of the diagnosis", source: "Source", skin_tone: "Skin tone, estimated from the image's margin" };
/** @type {Record<string, string>} */
export const CONFIRMATIONS = { histo: "histopathology", follow_up: "follow-up", consensus: "expert consensus", confocal: "confocal microscopy" };

/** @param {{ evaluation: Evaluation }} props */
export function Subgroups({ evaluation: { subgroups, leaky } }) {
  const groups = [...new Set(subgroups.map(({ group }) => group))];
  return html`<section class="card" aria-labelledby="subgroups-title">
    <h2 id="subgroups-title">Subgroups</h2>
    <p class="muted">
      Intervals of small subgroups are wide.${!groups.includes("skin_tone") && " Performance by skin tone was not measured."}
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Subgroups">
      <table class="subgroups">
        <thead>
          <tr>
            ${["Group", "Images", "Lesions", "Balanced accuracy", "AUC of the target"].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        ${groups.map(
          (group) => html`<tbody key=${group}>
            <tr><th colspan="5" scope="rowgroup" class="group">${GROUPS[group] ?? group}</th></tr>
            ${subgroups.map(
              (row) =>
                row.group === group &&
                html`<tr key=${row.value}>
                  <th scope="row">${(group === "dx_type" && CONFIRMATIONS[row.value]) || row.value}</th>
                  <td>${row.n_images}</td>
                  <td>${row.n_lesions}</td>
                  <td><${Measured} estimate=${row.balanced_accuracy} leaky=${leaky} /></td>
                  <td><${Measured} estimate=${row.malignant_auc} leaky=${leaky} /></td>
                </tr>`,
            )}
          </tbody>`,
        )}
      </table>
    </div>
  </section>`;
}

/** @param {{ estimate: Estimate | null, leaky: boolean }} props */
export function Measured({ estimate, leaky }) {
  if (!estimate || estimate.value === null) return html`<span class="muted">not defined</span>`;
  return html`${number(estimate.value)}<${Leaky} on=${leaky} /> <small>${interval(estimate)}</small>`;
}
