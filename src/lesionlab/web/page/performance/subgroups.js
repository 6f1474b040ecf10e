/** For whom it is how good: the images by what is known of them beside the diagnosis. */

import { interval, number } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

/** @typedef {import("../contract.js").Evaluation} Evaluation */
/** @typedef {import("../contract.js").Estimate} Estimate */

/** @type {Record<string, string>} */
const GROUPS = { sex: "Sex", age: "Age", site: "Site", dx_type: "How the diagnosis was confirmed", source: "Source", skin_tone: "Skin tone, estimated from the picture's margin" };
/** @type {Record<string, string>} */
const CONFIRMED = { histo: "histopathology", follow_up: "follow-up", consensus: "expert consensus", confocal: "confocal microscopy" };

/** @param {{ evaluation: Evaluation }} props */
export function Subgroups({ evaluation: { subgroups, leaky } }) {
  const groups = [...new Set(subgroups.map(({ group }) => group))];
  return html`<section class="card" aria-labelledby="subgroups-title">
    <h2 id="subgroups-title">For whom</h2>
    <p class="quiet">
      A group with few images has a wide interval: it says little. Skin tone is not recorded in these data, so nothing is known of it here.
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Subgroups">
      <table class="subgroups">
        <thead>
          <tr>
            ${["Group", "Images", "Lesions", "Balanced accuracy", "AUC, what is looked for"].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        ${groups.map(
          (group) => html`<tbody key=${group}>
            <tr><th colspan="5" scope="rowgroup" class="group">${GROUPS[group] ?? group}</th></tr>
            ${subgroups.map(
              (row) =>
                row.group === group &&
                html`<tr key=${row.value}>
                  <th scope="row">${(group === "dx_type" && CONFIRMED[row.value]) || row.value}</th>
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
function Measured({ estimate, leaky }) {
  if (!estimate || estimate.value === null) return html`<span class="quiet">not defined</span>`;
  return html`${number(estimate.value)}<${Leaky} on=${leaky} /> <small>${interval(estimate)}</small>`;
}
