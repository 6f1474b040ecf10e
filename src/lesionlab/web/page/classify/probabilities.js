/** The calibrated probabilities of all classes. */

import { numberWord, percent, ranked } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */

const TOP = 3;

/** @param {{ session: Session, result: Prediction }} props */
export function Probabilities({ session, result }) {
  const count = Object.keys(result.probabilities).length;
  return html`<section class="card" aria-labelledby="probabilities-title">
    <h2 id="probabilities-title">Probabilities of ${count > 2 ? `all ${numberWord(count)} diagnoses` : "both classes"}</h2>
    <${Bars} result=${result} model=${session.model} />
    <${CalibrationNote} model=${session.model} />
  </section>`;
}

/** @param {{ result: Prediction, model: ModelCard | null }} props */
export function Bars({ result, model }) {
  const classes = ranked(result, model);
  const several = classes.length > TOP;
  return html`<table class="bars">
    <caption class="visually-hidden">Probabilities in descending order</caption>
    <thead class="visually-hidden">
      <tr><th scope="col">Diagnosis</th><th scope="col">Probability</th></tr>
    </thead>
    <tbody>
      ${classes.map(
        ({ code, name, probability, malignant }, index) => html`<tr key=${code} class=${several && index < TOP ? "top" : ""}>
          <th scope="row">
            ${several && index < TOP && html`<span class="rank">${index + 1}<span class="visually-hidden">. </span></span>`}
            ${name} ${malignant && several && html`<span class="tag">malignant</span>`}
          </th>
          <td>
            <span class="track" aria-hidden="true">
              <i class=${malignant ? "fill malignant" : "fill"} style=${{ width: `${100 * probability}%` }}></i>
            </span>
            <span class="value">${percent(probability)}</span>
          </td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

/** @param {{ model: ModelCard | null }} props */
function CalibrationNote({ model }) {
  if (!model) return null;
  const { images, ece_after: error } = model.calibration;
  const measured = model.metrics["ece"]?.value ?? error;
  return html`<p class="muted calibration-note">
    Calibrated on ${images.toLocaleString("en")} validation images: of 100 images with a probability of 30%, about 30 have that diagnosis.
    ${" "}Expected calibration error on the ${model.metrics["ece"] ? "test" : "validation"} images:
    ${" "}${(100 * measured).toFixed(1)} percentage points${model.training_data.leaky && html` <span class="leaky">leaky</span>`}. It may be
    larger for other patients and cameras. A low probability of melanoma does not exclude melanoma.
  </p>`;
}
