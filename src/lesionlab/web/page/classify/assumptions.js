/** What a result assumes beside the image: the prevalence, and the patient's age, sex and site. It follows them at once. */

import { decimal, noun, percent } from "../format.js";
import { catalogue, t } from "../messages.js";
import { calibratedShare, knowsFrequencies } from "../result/setting.js";
import { html, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {Event & { currentTarget: HTMLInputElement | HTMLSelectElement }} Edit */

const SEXES = ["female", "male"];

/** @param {{ session: Session, item: Item }} props */
export function AssumptionFields({ session, item }) {
  return html`<details class="card assumptions">
    <summary>${t("assumptions.title")}</summary>
    <${PatientFields} session=${session} item=${item} />
    ${session.model && knowsFrequencies(session.model) && html`<${PrevalenceField} session=${session} model=${session.model} />`}
  </details>`;
}

/**
 * The draft is kept as state: it may be invalid, and the result then keeps the last valid values.
 * @param {{ session: Session, item: Item }} props
 */
function PatientFields({ session, item }) {
  const [draft, setDraft] = useState(item.patient);
  const onEdit = (/** @type {Edit} */ { currentTarget: field }) => {
    const changed = { ...draft, [field.name]: field.value };
    setDraft(changed);
    if (!field.validity.valid) return;
    session.setPatient(item, Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== "")));
  };
  const label = (/** @type {string} */ value) => {
    if (value === "female" || value === "male") return t(`patient.${value}`);
    return value ? (catalogue().sites[value] ?? value) : t("patient.notGiven");
  };
  const selection = (/** @type {string} */ name, /** @type {string[]} */ values, /** @type {string} */ selected) => html`
    <select id=${name} name=${name} value=${selected} onChange=${onEdit}>
      ${["", ...values].map((value) => html`<option key=${value} value=${value} selected=${value === selected}>${label(value)}</option>`)}
    </select>`;
  const { age = "", sex = "", site = "" } = draft;
  return html`<div class="fields">
    <div>
      <label for="age">${t("patient.age")}</label>
      <input id="age" name="age" type="number" inputmode="numeric" min="0" max="120" step="1" value=${age} onInput=${onEdit} />
    </div>
    <div>
      <label for="sex">${t("patient.sex")}</label>
      ${selection("sex", SEXES, sex)}
    </div>
    <div>
      <label for="site">${t("patient.site")}</label>
      ${selection("site", (session.model?.decision.sites ?? []).filter((value) => value !== "unknown"), site)}
    </div>
  </div>`;
}

/** @param {{ session: Session, model: import("../types.js").ModelCard }} props */
function PrevalenceField({ session, model }) {
  const target = model.decision.targets[0] ?? "malignant";
  const name = model.classes.find(({ code }) => code === target || (target === "melanoma" && code === "mel"))?.code ?? target;
  const usual = calibratedShare(model, name);
  const stated = session.choice.prevalence?.[name];
  const [draft, setDraft] = useState(stated === undefined ? "" : decimalText(100 * stated));
  const onInput = (/** @type {Edit} */ { currentTarget: field }) => {
    setDraft(field.value);
    const share = Number(field.value) / 100;
    if (field.value === "" && field.validity.valid) session.setChoice({ prevalence: null });
    else if (share > 0 && share < 1) session.setChoice({ prevalence: { [name]: share } });
  };
  return html`<div class="prevalence">
    <label for="prevalence">${t("prevalence.label", { target: noun(target) })}</label>
    <input
      id="prevalence"
      type="number"
      inputmode="decimal"
      min="0.1"
      max="99.9"
      step="any"
      placeholder=${decimal(100 * usual, 1)}
      value=${draft}
      onInput=${onInput}
    />
    <p class="muted">${t("prevalence.note", { share: percent(usual) })}</p>
  </div>`;
}

/** @param {number} value */
function decimalText(value) {
  return String(Number(value.toFixed(3)));
}
