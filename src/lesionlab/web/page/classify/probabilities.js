/** All probabilities as bars with their values, and what such a number means. */

import { inWords, of100, percent } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../contract.js").Result} Result */

const TOP = 3;

/** @param {{ session: Session, result: Result }} props */
export function Probabilities({ session, result }) {
  const seven = result.classes.length > 2;
  return html`<section class="card" aria-labelledby="probabilities-title">
    <h2 id="probabilities-title">${seven ? `All ${inWords(result.classes.length)} diagnoses` : "Both answers"}</h2>
    <${Bars} result=${result} />
    <${NotRuledOut} result=${result} />
    <${Meaning} session=${session} />
  </section>`;
}

/** @param {{ result: Result }} props */
export function Bars({ result }) {
  const ranked = result.classes.length > TOP;
  return html`<table class="bars">
    <caption class="unseen">Probabilities, the most probable first</caption>
    <thead class="unseen">
      <tr><th scope="col">Diagnosis</th><th scope="col">Probability</th></tr>
    </thead>
    <tbody>
      ${result.classes.map(
        ({ code, name, probability, malignant }, index) => html`<tr key=${code} class=${ranked && index < TOP ? "top" : ""}>
          <th scope="row">
            ${ranked && index < TOP && html`<span class="rank">${index + 1}<span class="unseen">. </span></span>`}
            ${name} ${malignant && ranked && html`<span class="tag">malignant</span>`}
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

/**
 * The prediction set, in words.
 * @param {{ result: Result }} props
 */
export function NotRuledOut({ result }) {
  const set = result.prediction_set;
  if (!set) return null;
  const names = (/** @type {string[]} */ codes) => result.classes.filter(({ code }) => codes.includes(code)).map(({ name }) => name).join(", ");
  const share = of100(set.coverage);
  return html`<p class="not-ruled-out">
    <b>Not ruled out:</b> ${names(set.marginal)}.
    <span class="quiet"> Such a set holds the truth for ${share} of 100 lesions like those of validation; to hold it for ${share} of 100 of each
    diagnosis, rare ones too, it takes ${names(set.by_class)}.</span>
  </p>`;
}

/** @param {{ session: Session }} props */
function Meaning({ session }) {
  const { model } = session;
  if (!model) return null;
  const { images, ece_after: error } = model.calibration;
  const measured = model.metrics["ece"]?.value ?? error;
  return html`<p class="quiet meaning">
    Calibrated on ${images.toLocaleString("en")} validation images: of 100 images that get 30%, about 30 should turn out so. On
    ${" "}${model.metrics["ece"] ? "the test part" : "those images"} claim and truth differed by
    ${" "}${(100 * measured).toFixed(1)} points on average${model.training_data.leaky && html` <span class="leaky">leaky</span>`}. On
    other patients and cameras they may differ more. A small probability of melanoma is not none.
  </p>`;
}
