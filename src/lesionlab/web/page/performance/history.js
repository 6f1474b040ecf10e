/** The training history by epoch. */

import { number } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";
import { path, Plot, ticks } from "./plot.js";

/** @typedef {import("../types.js").EvaluationSummary} Evaluation */
/** @typedef {import("../types.js").Epoch} Epoch */
/** @typedef {{ key: "train_loss" | "validation_loss" | "validation_balanced_accuracy", label: string, second?: boolean }} Line */

/** @type {Line[]} */
const LOSSES = [
  { key: "train_loss", label: "training loss" },
  { key: "validation_loss", label: "validation loss", second: true },
];
/** @type {Line[]} */
const ACCURACY = [{ key: "validation_balanced_accuracy", label: "balanced accuracy, validation" }];

/** @param {{ evaluation: Evaluation }} props */
export function History({ evaluation: { history, leaky } }) {
  return html`<section class="card" aria-labelledby="history-title">
    <h2 id="history-title">Training history</h2>
    <p class="muted">${history.length} epochs. The training loss is computed on augmented images, so it may exceed the validation loss.</p>
    <${Lines} history=${history} lines=${LOSSES} label="Loss" fromZero />
    <${Lines} history=${history} lines=${ACCURACY} label="Balanced accuracy" />
    <details>
      <summary>Values</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Training history by epoch">
        <table>
          <thead>
            <tr><th scope="col">Epoch</th>${[...LOSSES, ...ACCURACY].map(({ key, label }) => html`<th key=${key} scope="col">${label}</th>`)}</tr>
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
  </section>`;
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
      across=${{ ...across, ticks: whole, label: "Epoch" }}
      up=${{ ...up, ticks: ticks(up.from, up.to, 4), label }}
      label=${`${label} by epoch; the values are in the table below`}
      draw=${(/** @type {import("./plot.js").Scale} */ { x, y }) =>
        lines.map(({ key, second }) => {
          /** @type {[number, number][]} */
          const points = history.flatMap((epoch) => (epoch[key] === null ? [] : [[x(epoch.epoch), y(epoch[key])]]));
          return html`<path key=${key} class=${second ? "curve second" : "curve"} d=${path(points)} />`;
        })}
    />
    ${lines.length > 1 &&
    html`<figcaption class="keys">
      ${lines.map(({ key, label: name, second }) => html`<span key=${key} class=${second ? "key second" : "key"}>${name}</span>`)}
    </figcaption>`}
  </figure>`;
}
