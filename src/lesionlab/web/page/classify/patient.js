/** Optional patient data, sent with the image and used by models that support them. */

import { catalogue, t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */

// Anatomical sites of HAM10000.
const SITES = [
  "abdomen",
  "acral",
  "back",
  "chest",
  "ear",
  "face",
  "foot",
  "genital",
  "hand",
  "lower extremity",
  "neck",
  "scalp",
  "trunk",
  "upper extremity",
];

/**
 * The draft is kept as state, since the page is rerendered when a result or heat map arrives.
 * @param {{ session: Session, item: Item }} props
 */
export function PatientFields({ session, item }) {
  const [draft, setDraft] = useState(item.patient);
  const onEdit = (/** @type {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} */ event) => {
    const { name, value } = event.currentTarget;
    setDraft((before) => ({ ...before, [name]: value }));
  };
  const onSubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    session.setPatient(item, Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== "")));
  };
  const labels = (/** @type {string} */ value) => {
    if (value === "female" || value === "male") return t(`patient.${value}`);
    return value ? (catalogue().sites[value] ?? value) : t("patient.notGiven");
  };
  const selection = (/** @type {string} */ name, /** @type {string[]} */ values, /** @type {string} */ selected) => html`
    <select id=${name} name=${name} value=${selected} onChange=${onEdit}>
      ${["", ...values].map((value) => html`<option key=${value} value=${value}>${labels(value)}</option>`)}
    </select>`;
  const { age = "", sex = "", site = "" } = draft;
  return html`<details class="card patient">
    <summary>${t("patient.title")}</summary>
    <form onSubmit=${onSubmit}>
      <div class="fields">
        <div>
          <label for="age">${t("patient.age")}</label>
          <input id="age" name="age" type="number" inputmode="numeric" min="0" max="120" step="1" value=${age} onInput=${onEdit} />
        </div>
        <div>
          <label for="sex">${t("patient.sex")}</label>
          ${selection("sex", ["female", "male"], sex)}
        </div>
        <div>
          <label for="site">${t("patient.site")}</label>
          ${selection("site", SITES, site)}
        </div>
      </div>
      <div class="actions"><button type="submit">${t("patient.again")}</button></div>
    </form>
  </details>`;
}
