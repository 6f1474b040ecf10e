/** The reliability diagram: accuracy against confidence. */

import { counted, interval, number, percent } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, UNIT } from "./plot.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ evaluation: Evaluation }} props */
export function Reliability({ evaluation }) {
  const { reliability: bins, leaky, overall } = evaluation;
  const most = Math.max(...bins.map(({ count }) => count));
  const { ece } = overall;
  return html`<section class="card" aria-labelledby="reliability-title">
    <h2 id="reliability-title">Calibration</h2>
    <p class="muted">
      On the dotted line, accuracy equals confidence. Points below it are overconfident. The size of a point shows the number of images.
      ${ece && html` Expected calibration error (ECE) ${number(ece.value)}${interval(ece) && `, 95% interval ${interval(ece)}`}<${Leaky} on=${leaky} />.`}
    </p>
    <figure>
      <${Plot}
        across=${{ ...UNIT, label: "Confidence" }}
        up=${{ ...UNIT, label: "Accuracy" }}
        label="Reliability diagram; the values are in the table below"
        draw=${(/** @type {import("./plot.js").Scale} */ { x, y }) => html`
          <path class="reference-line" d=${path([[x(0), y(0)], [x(1), y(1)]])} />
          <path class="curve thin" d=${path(bins.map(({ confidence, accuracy }) => [x(confidence), y(accuracy)]))} />
          ${bins.map(
            ({ confidence, accuracy, count }) => html`<line class="gap" x1=${x(confidence)} x2=${x(confidence)} y1=${y(confidence)} y2=${y(accuracy)} />
              <circle class="point" cx=${x(confidence)} cy=${y(accuracy)} r=${3 + 5 * Math.sqrt(count / most)} />`,
          )}
        `}
      />
    </figure>
    <details>
      <summary>Values</summary>
      <table>
        <thead><tr><th scope="col">Confidence</th><th scope="col">Accuracy</th><th scope="col">Images</th></tr></thead>
        <tbody>
          ${bins.map(
            ({ confidence, accuracy, count }) => html`<tr>
              <th scope="row">${percent(confidence)}</th>
              <td>${percent(accuracy)}<${Leaky} on=${leaky} /></td>
              <td>${counted(count, "image")}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </details>
  </section>`;
}
