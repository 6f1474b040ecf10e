/** Performance in subgroups of the images. */

import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { Measured } from "./metrics.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Subgroup} Subgroup */
/** @typedef {import("../messages.js").MessageKey} MessageKey */

/** @type {Record<string, MessageKey>} */
const GROUPS = { sex: "patient.sex", age: "group.age", site: "group.site", dx_type: "group.confirmation", source: "sources.source", skin_tone: "group.skinTone" };
/** @type {Record<string, MessageKey>} */
const VALUES = {
  histo: "confirmation.histo",
  follow_up: "confirmation.followUp",
  consensus: "confirmation.consensus",
  confocal: "confirmation.confocal",
  female: "patient.female",
  male: "patient.male",
  unknown: "group.unknown",
};

/** @param {string} value Of a subgroup or a confirmation. */
export function confirmationName(value) {
  return VALUES[value] ? t(VALUES[value]) : value;
}

/** @param {{ evaluation: Evaluation }} props */
export function Subgroups({ evaluation: { subgroups, external, leaky } }) {
  const groups = [...new Set(subgroups.map(({ group }) => group))];
  const elsewhere = external.filter(({ skin_tone: rows }) => rows.length > 0);
  const measured = groups.includes("skin_tone") || elsewhere.length > 0;
  return html`<${Section} title=${t("subgroups.title")}>
    <p class="muted">${t("subgroups.note")}${!measured && ` ${t("subgroups.noSkinTone")}`}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("subgroups.title")}>
      <table class="subgroups figures">
        <thead>
          <tr>
            ${[t("subgroups.group"), t("metric.balanced_accuracy"), t("subgroups.auc")].map((name) => html`<th key=${name} scope="col">${name}</th>`)}
          </tr>
        </thead>
        ${groups.map(
          (group) => html`<${Rows} key=${group} title=${GROUPS[group] ? t(GROUPS[group]) : group} rows=${subgroups.filter((row) => row.group === group)} leaky=${leaky} />`,
        )}
        ${elsewhere.map(
          ({ dataset, skin_tone: rows }) => html`<${Rows} key=${dataset} title=${t("group.skinToneIn", { dataset })} rows=${rows} leaky=${leaky} />`,
        )}
      </table>
    </div>
  <//>`;
}

/** @param {{ title: string, rows: Subgroup[], leaky: boolean }} props */
function Rows({ title, rows, leaky }) {
  return html`<tbody>
    <tr><th colspan="3" scope="rowgroup" class="group">${title}</th></tr>
    ${rows.map(
      (row) => html`<tr key=${row.value}>
        <th scope="row">${confirmationName(row.value)} <small>${t("counts.all", { images: row.n_images, lesions: row.n_lesions })}</small></th>
        <td><${Measured} estimate=${row.balanced_accuracy} leaky=${leaky} /></td>
        <td><${Measured} estimate=${row.malignant_auc} leaky=${leaky} /></td>
      </tr>`,
    )}
  </tbody>`;
}
