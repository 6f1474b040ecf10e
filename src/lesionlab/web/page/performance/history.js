/** The training history by epoch. */

import { number } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, ticks } from "./plot.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Epoch} Epoch */
/** @typedef {{ key: "train_loss" | "validation_loss" | "validation_balanced_accuracy", label: import("../messages.js").MessageKey, second?: boolean }} Line */

/** @type {Line[]} */
const LOSSES = [
  { key: "train_loss", label: "history.trainLoss" },
  { key: "validation_loss", label: "history.validationLoss", second: true },
];
/** @type {Line[]} */
const ACCURACY = [{ key: "validation_balanced_accuracy", label: "history.validationAccuracy" }];

/** @param {{ evaluation: Evaluation }} props */
export function History({ evaluation: { history, leaky } }) {
  return html`<${Section} title=${t("history.title")}>
    <p class="muted">${t("history.note", { count: history.length })}</p>
    <${Lines} history=${history} lines=${LOSSES} label=${t("history.loss")} fromZero />
    <${Lines} history=${history} lines=${ACCURACY} label=${t("metric.balanced_accuracy")} />
    <details>
      <summary>${t("values")}</summary>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("history.table")}>
        <table>
          <thead>
            <tr><th scope="col">${t("history.epoch")}</th>${[...LOSSES, ...ACCURACY].map(({ key, label }) => html`<th key=${key} scope="col">${t(label)}</th>`)}</tr>
          </thead>
          <tbody>
            ${history.map(
              (epoch) => html`<tr key=${epoch.epoch}>
                <th scope="row">${epoch.epoch}</th>
                ${[...LOSSES, ...ACCURACY].map(({ key }) => html`<td key=${key}>${epoch[key] !== null && html`${number(epoch[key])}<${Leaky} on=${leaky} />`}</td>`)}
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  <//>`;
}

/** @param {{ history: Epoch[], lines: Line[], label: string, fromZero?: boolean }} props */
function Lines({ history, lines, label, fromZero = false }) {
  const values = lines.flatMap(({ key }) => history.flatMap((epoch) => epoch[key] ?? []));
  if (values.length === 0) return null;
  const epochs = history.map(({ epoch }) => epoch);
  const [low, high] = [fromZero ? 0 : Math.min(...values), Math.max(...values)];
  const margin = 0.08 * (high - low || 1);
  const up = { from: fromZero ? 0 : low - margin, to: high + margin };
  const across = { from: Math.min(...epochs), to: Math.max(...epochs, Math.min(...epochs) + 1) };
  const whole = ticks(across.from, across.to, 6).filter(Number.isInteger);
  return html`<figure>
    <${Plot}
      height=${190}
      across=${{ ...across, ticks: whole, label: t("history.epoch") }}
      up=${{ ...up, ticks: ticks(up.from, up.to, 4), label }}
      label=${t("history.label", { label })}
      draw=${(/** @type {import("./plot.js").Scale} */ { x, y }) =>
        lines.map(({ key, second }) => {
          /** @type {[number, number][]} */
          const points = history.flatMap((epoch) => (epoch[key] === null ? [] : [[x(epoch.epoch), y(epoch[key])]]));
          return html`<path key=${key} class=${second ? "curve second" : "curve"} d=${path(points)} />`;
        })}
    />
    ${lines.length > 1 &&
    html`<figcaption class="keys">
      ${lines.map(({ key, label: name, second }) => html`<span key=${key} class=${second ? "key second" : "key"}>${t(name)}</span>`)}
    </figcaption>`}
  </figure>`;
}
