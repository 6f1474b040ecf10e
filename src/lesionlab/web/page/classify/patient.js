/** What is known of the patient, if anything: sent with the image, used by models that read it. */

import { html, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */

// HAM10000's localizations.
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
 * What is typed is kept here: a map or an answer that comes in between draws the page anew.
 * @param {{ session: Session, item: Item }} props
 */
export function PatientFields({ session, item }) {
  const [draft, setDraft] = useState(item.patient);
  const edited = (/** @type {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} */ event) => {
    const { name, value } = event.currentTarget;
    setDraft((before) => ({ ...before, [name]: value }));
  };
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    session.setPatient(item, Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== "")));
  };
  const choice = (/** @type {string} */ name, /** @type {string[]} */ values, /** @type {string} */ chosen) => html`
    <select id=${name} name=${name} value=${chosen} onChange=${edited}>
      ${["", ...values].map((value) => html`<option key=${value} value=${value}>${value || "not given"}</option>`)}
    </select>`;
  const { age = "", sex = "", site = "" } = draft;
  return html`<details class="card patient">
    <summary>Age, sex and site (optional)</summary>
    <form onSubmit=${submit}>
      <div class="fields">
        <div>
          <label for="age">Age in years</label>
          <input id="age" name="age" type="number" inputmode="numeric" min="0" max="120" step="1" value=${age} onInput=${edited} />
        </div>
        <div>
          <label for="sex">Sex</label>
          ${choice("sex", ["female", "male"], sex)}
        </div>
        <div>
          <label for="site">Site</label>
          ${choice("site", SITES, site)}
        </div>
      </div>
      <div class="actions"><button type="submit">Judge again with these</button></div>
    </form>
  </details>`;
}
