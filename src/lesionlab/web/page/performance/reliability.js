/** The reliability diagram: accuracy against confidence. */

import { decimal, interval, number, percent } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, UNIT } from "./plot.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ evaluation: Evaluation }} props */
export function Reliability({ evaluation }) {
  const { reliability: bins, leaky, overall } = evaluation;
  const most = Math.max(...bins.map(({ count }) => count));
  const { ece } = overall;
  return html`<${Section} title=${t("reliability.title")}>
    <p class="muted">
      ${t("reliability.note")}
      ${ece && html` ${t("metric.ece")} ${number(ece.value)}${interval(ece) && `, ${t("metrics.interval", { interval: interval(ece) })}`}<${Leaky} on=${leaky} />.`}
    </p>
    <figure>
      <${Plot}
        across=${{ ...UNIT, label: t("reliability.confidence") }}
        up=${{ ...UNIT, label: t("metric.accuracy") }}
        label=${t("reliability.label")}
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
      <summary>${t("values")}</summary>
      <table>
        <thead><tr><th scope="col">${t("reliability.confidence")}</th><th scope="col">${t("metric.accuracy")}</th><th scope="col">${t("images")}</th></tr></thead>
        <tbody>
          ${bins.map(
            ({ confidence, accuracy, count }) => html`<tr>
              <th scope="row">${percent(confidence)}</th>
              <td>${percent(accuracy)}<${Leaky} on=${leaky} /></td>
              <td>${decimal(count, 0)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </details>
  <//>`;
}
