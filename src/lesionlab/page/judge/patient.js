/** What is known of the patient, if anything: sent with the image, used by models that read it. */

import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../contract.js").Patient} Patient */

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

/** @param {{ session: Session, item: Item }} props */
export function PatientFields({ session, item }) {
  const { age = "", sex = "", site = "" } = item.patient;
  const submit = (/** @type {Event & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    /** @type {Patient} */
    const patient = Object.fromEntries([...new FormData(event.currentTarget)].filter(([, value]) => value !== ""));
    session.setPatient(item, patient);
  };
  return html`<details class="card patient">
    <summary>Age, sex and site (optional)</summary>
    <form onSubmit=${submit}>
      <div class="fields">
        <div>
          <label for="age">Age in years</label>
          <input id="age" name="age" type="number" inputmode="numeric" min="0" max="120" step="1" value=${age} />
        </div>
        <div>
          <label for="sex">Sex</label>
          <select id="sex" name="sex">
            ${["", "female", "male"].map((value) => html`<option key=${value} value=${value} selected=${value === sex}>${value || "not given"}</option>`)}
          </select>
        </div>
        <div>
          <label for="site">Site</label>
          <select id="site" name="site">
            ${["", ...SITES].map((value) => html`<option key=${value} value=${value} selected=${value === site}>${value || "not given"}</option>`)}
          </select>
        </div>
      </div>
      <div class="actions"><button type="submit">Judge again with these</button></div>
    </form>
  </details>`;
}
