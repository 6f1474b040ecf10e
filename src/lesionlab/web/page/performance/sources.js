/** Performance by source of the images and by confirmation of the diagnosis. */

import { interval, noun, number, pointTitle } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { CONFIRMATIONS, Measured } from "./subgroups.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Estimate} Estimate */
/** @typedef {import("../types.js").GroupMetrics} GroupMetrics */

/**
 * A warning if the pooled AUC and the AUC within source differ by more than their interval.
 * @param {{ evaluation: Evaluation }} props
 */
export function SourceWarning({ evaluation: { within_source_auc: rows, leaky } }) {
  const differing = rows.filter(({ difference: { low, high } }) => low !== null && high !== null && (low > 0 || high < 0));
  if (differing.length === 0) return null;
  return html`<section class="banner">
    <h2>The pooled figures do not hold within one source of images</h2>
    ${differing.map(
      (row) => html`<p key=${row.target}>
        AUC for ${noun(row.target)}: ${inWords(row.pooled)}<${Leaky} on=${leaky} /> over all images,
        ${" "}${inWords(row.within_source)}<${Leaky} on=${leaky} /> between images of one source. The source alone, without any image, has
        ${" "}${inWords(row.source_only)}<${Leaky} on=${leaky} />.
      </p>`,
    )}
  </section>`;
}

/** @param {Estimate} estimate */
function inWords(estimate) {
  return interval(estimate) ? `${number(estimate.value)} (${interval(estimate)})` : number(estimate.value);
}

/** @param {{ evaluation: Evaluation }} props */
export function Sources({ evaluation: { by_source, by_confirmation, leaky } }) {
  if (by_source.length + by_confirmation.length === 0) return null;
  return html`<section class="card" aria-labelledby="sources-title">
    <h2 id="sources-title">By source and confirmation</h2>
    <p class="muted">
      The thresholds are those of the operating points. Benign lesions with histopathology are harder than those with follow-up, and
      sources differ in their share of malignant images.
    </p>
    ${by_source.length > 0 && html`<${Groups} heading="Source" groups=${by_source} leaky=${leaky} />`}
    ${by_confirmation.length > 0 && html`<${Groups} heading="Confirmed by" groups=${by_confirmation} leaky=${leaky} />`}
  </section>`;
}

/** @param {{ heading: string, groups: GroupMetrics[], leaky: boolean }} props */
function Groups({ heading, groups, leaky }) {
  const target = groups[0]?.operating_points[0]?.target;
  const points = groups[0]?.operating_points.filter((point) => point.target === target) ?? [];
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Performance by ${heading === "Source" ? "source" : "confirmation"}`}>
    <table>
      <thead>
        <tr>
          ${[heading, "Images", "Lesions", "Positive images", "AUC"].map((name) => html`<th key=${name} scope="col" rowspan="2">${name}</th>`)}
          ${points.map((point) => html`<th key=${pointTitle(point)} scope="colgroup" colspan="2">${pointTitle(point)}</th>`)}
        </tr>
        <tr>
          ${points.map((point) => ["Sensitivity", "Specificity"].map((name) => html`<th key=${pointTitle(point) + name} scope="col">${name}</th>`))}
        </tr>
      </thead>
      <tbody>
        ${groups.map(
          (group) => html`<tr key=${group.value}>
            <th scope="row">${CONFIRMATIONS[group.value] ?? group.value}</th>
            <td>${group.n_images}</td>
            <td>${group.n_lesions}</td>
            <td>${group.n_positive}</td>
            <td><${Measured} estimate=${group.auc} leaky=${leaky} /></td>
            ${group.operating_points.map(
              (point) =>
                point.target === target &&
                [point.sensitivity, point.specificity].map((estimate) => html`<td><${Measured} estimate=${estimate} leaky=${leaky} /></td>`),
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
