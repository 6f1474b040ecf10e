/** Performance by source of the images, by confirmation of the diagnosis, and on other datasets. */

import { interval, noun, number, pointName } from "../format.js";
import { t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Leaky, Measured } from "./metrics.js";
import { confirmationName } from "./subgroups.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Estimate} Estimate */
/** @typedef {import("../types.js").GroupMetrics} GroupMetrics */
/** @typedef {import("../types.js").OperatingPoint} OperatingPoint */
/** @typedef {"malignant" | "melanoma"} Target */

// The one behind the risk level by default.
const DEFAULT_POINT = "95% sensitivity";

/**
 * A warning if the pooled AUC and the AUC within source differ by more than their interval.
 * @param {{ evaluation: Evaluation }} props
 */
export function SourceWarning({ evaluation: { within_source_auc: rows, leaky } }) {
  const differing = rows.filter(({ difference: { low, high } }) => low !== null && high !== null && (low > 0 || high < 0));
  if (differing.length === 0) return null;
  return html`<section class="banner">
    <h2>${t("sources.warning")}</h2>
    ${differing.map(
      (row) => html`<p key=${row.target}>
        ${t("sources.within", {
          target: noun(row.target),
          pooled: inWords(row.pooled),
          within: inWords(row.within_source),
          alone: inWords(row.source_only),
        })}<${Leaky} on=${leaky} />
      </p>`,
    )}
  </section>`;
}

/** @param {Estimate} estimate */
function inWords(estimate) {
  return interval(estimate) ? `${number(estimate.value)} (${interval(estimate)})` : number(estimate.value);
}

/** @param {{ evaluation: Evaluation }} props */
export function Sources({ evaluation }) {
  const { by_source, by_confirmation, leaky } = evaluation;
  const target = by_source.concat(by_confirmation)[0]?.operating_points[0]?.target ?? "malignant";
  const tables = [
    { label: t("sources.source"), region: t("sources.bySource"), target, rows: by_source, notes: range(by_source) },
    {
      label: t("sources.confirmed"),
      region: t("sources.byConfirmation"),
      target,
      rows: by_confirmation.map((row) => ({ ...row, value: confirmationName(row.value) })),
      notes: "",
    },
    ...externalTables(evaluation),
  ].filter(({ rows }) => rows.length > 0);
  const names = [...new Set(tables.flatMap(({ rows }) => rows.flatMap((row) => row.operating_points.map(({ name }) => name))))];
  const [selected, setSelected] = useState("");
  if (tables.length === 0) return null;
  const name = names.find((other) => other === selected) ?? names.find((other) => other === DEFAULT_POINT) ?? names[0] ?? "";
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) => setSelected(currentTarget.value);
  return html`<section class="card" aria-labelledby="sources-title">
    <h2 id="sources-title">${t("sources.title")}</h2>
    <p class="muted">${t("sources.note")}</p>
    ${names.length > 0 &&
    html`<p class="prevalence">
      <label for="sources-point">${t("point.label")}</label>
      <select id="sources-point" value=${name} onChange=${onChange}>
        ${names.map((other) => html`<option key=${other} value=${other} selected=${other === name}>${pointName(other)}</option>`)}
      </select>
    </p>`}
    ${tables.map((table) => html`<${Figures} key=${table.region} ...${table} point=${name} leaky=${leaky} />`)}
  </section>`;
}

/**
 * The lowest and the highest AUC.
 * @param {GroupMetrics[]} groups
 */
function range(groups) {
  const defined = groups.filter(({ auc }) => auc.value !== null).sort((a, b) => (a.auc.value ?? 0) - (b.auc.value ?? 0));
  const [lowest, highest] = [defined[0], defined.at(-1)];
  if (!lowest || !highest || lowest === highest) return "";
  return t("sources.range", { low: number(lowest.auc.value), lowest: lowest.value, high: number(highest.auc.value), highest: highest.value });
}

/**
 * One table for each target, with the model's own test set for comparison.
 * @param {Evaluation} evaluation
 */
function externalTables(evaluation) {
  const { external, dataset, overall, operating_points: points, leaky } = evaluation;
  const targets = [...new Set(external.map(({ target }) => target))];
  return targets.map((target) => {
    const figures = external.filter((row) => row.target === target).map((row) => row.figures);
    const auc = overall[`${target}_auc`];
    const own = auc ? [ownRow(t("sources.own", { dataset }), evaluation, auc, points.filter((point) => point.target === target))] : [];
    return {
      label: t("sources.dataset"),
      region: t("sources.external", { target: noun(target) }),
      target,
      rows: leaky ? figures : [...own, ...figures],
      notes: t("sources.externalNote"),
    };
  });
}

/**
 * @param {string} value
 * @param {Evaluation} evaluation
 * @param {Estimate} auc
 * @param {OperatingPoint[]} points
 * @returns {GroupMetrics}
 */
function ownRow(value, { n_images, n_lesions }, auc, points) {
  const estimate = (/** @type {OperatingPoint} */ point, /** @type {"sensitivity" | "specificity"} */ name) => {
    const [low = null, high = null] = point.intervals[name] ?? [];
    return { value: point[name], low, high };
  };
  return {
    value,
    n_images,
    n_lesions,
    n_positive: Math.round((points[0]?.prevalence ?? 0) * n_images),
    auc,
    ece: { value: null, low: null, high: null },
    operating_points: points.map((point) => ({ ...point, sensitivity: estimate(point, "sensitivity"), specificity: estimate(point, "specificity") })),
  };
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.region
 * @param {Target} props.target
 * @param {GroupMetrics[]} props.rows
 * @param {string} props.notes
 * @param {string} props.point
 * @param {boolean} props.leaky
 */
function Figures({ label, region, target, rows, notes, point: name, leaky }) {
  return html`<h3>${region}</h3>
    ${notes && html`<p class="muted">${notes}</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label=${region}>
      <table class="figures">
        <thead>
          <tr>
            ${[label, "AUC", t("sensitivity"), t("specificity")].map((column) => html`<th key=${column} scope="col">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => {
            const point = row.operating_points.find((other) => other.name === name && other.target === target);
            const counts = { images: row.n_images, lesions: row.n_lesions, positive: row.n_positive };
            return html`<tr key=${row.value}>
              <th scope="row">${row.value} <small>${t(`counts.${target}`, counts)}</small></th>
              ${[row.auc, point?.sensitivity, point?.specificity].map((estimate) => html`<td><${Measured} estimate=${estimate ?? null} leaky=${leaky} /></td>`)}
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
}
