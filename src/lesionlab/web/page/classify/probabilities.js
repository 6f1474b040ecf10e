/** The calibrated probabilities of all classes, with those that cannot be ruled out. */

import { decimal, numberWord, percent, ranked } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { PredictionSet } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */

// Classes in bold for a model without prediction sets.
const TOP = 3;

/** @param {{ session: Session, result: Prediction }} props */
export function Probabilities({ session, result }) {
  const count = Object.keys(result.probabilities).length;
  return html`<section class="card" aria-labelledby="probabilities-title">
    <h2 id="probabilities-title">${count > 2 ? t("probabilities.title", { number: numberWord(count) }) : t("probabilities.titleOfTwo")}</h2>
    <${PredictionSet} result=${result} model=${session.model} />
    <${Bars} result=${result} model=${session.model} />
    <${CalibrationNote} model=${session.model} />
  </section>`;
}

/** @param {{ result: Prediction, model: ModelCard | null }} props */
export function Bars({ result, model }) {
  const classes = ranked(result, model);
  const several = classes.length > 2;
  const set = result.prediction_set?.codes;
  return html`<table class=${set ? "bars with-set" : "bars"}>
    <caption class="visually-hidden">${t("probabilities.caption")}</caption>
    <thead class="visually-hidden">
      <tr><th scope="col">${t("diagnosis")}</th><th scope="col">${t("probability")}</th></tr>
    </thead>
    <tbody>
      ${classes.map(({ code, name, probability, malignant }, index) => {
        const possible = set ? set.includes(code) : several && index < TOP;
        return html`<tr key=${code} class=${possible ? "top" : ""}>
          <th scope="row">
            ${name} ${malignant && several && html`<span class="tag">${t("malignant")}</span>`}
            ${set && possible && html`<span class="visually-hidden">${t("set.member")}</span>`}
          </th>
          <td>
            <span class="track" aria-hidden="true">
              <i class=${malignant ? "fill malignant" : "fill"} style=${{ width: `${100 * probability}%` }}></i>
            </span>
            <span class="value">${percent(probability)}</span>
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

/** @param {{ model: ModelCard | null }} props */
function CalibrationNote({ model }) {
  if (!model) return null;
  const { images, ece_after: validated } = model.calibration;
  const error = decimal(100 * (model.metrics["ece"]?.value ?? validated), 1);
  const subset = t(model.metrics["ece"] ? "subset.test" : "subset.validation");
  return html`<details class="calibration-note">
    <summary>${t("calibration.title")}</summary>
    <p class="muted">
      ${t("calibration.note", { images, subset, error })}${model.training_data.leaky && html` <span class="leaky">leaky</span>`}
      ${" "}${t("calibration.caution")}
    </p>
  </details>`;
}
