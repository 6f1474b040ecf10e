/** The differences between two predictions, in words and as a table. */

import { RiskLevel } from "../classify/summary.js";
import { mainProbability, noun, percent, pointDifference, pointTitle, ranked, selectedPoint } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").Prediction} Prediction */

/** @param {{ session: Session, left: Prediction, right: Prediction }} props */
export function Changes({ session, left, right }) {
  const abstained = left.status === "abstained" || right.status === "abstained";
  return html`<section class="card changes" aria-labelledby="changes-title">
    <h2 id="changes-title">Changes</h2>
    ${abstained
      ? html`<p>The model abstained from at least one of the images, so the predictions are not compared.</p>`
      : html`<p class="lead">${sentence(left, right, session.pointKey)}</p><${ChangeTable} session=${session} left=${left} right=${right} />`}
  </section>`;
}

/** @param {{ session: Session, left: Prediction, right: Prediction }} props */
function ChangeTable({ session, left, right }) {
  const [before, after] = [mainProbability(left), mainProbability(right)];
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Both predictions as a table">
    <table>
      <thead>
        <tr>
          <th scope="col">Probability</th>
          <th scope="col">Earlier</th>
          <th scope="col">Later</th>
          <th scope="col">Change, points</th>
        </tr>
      </thead>
      <tbody>
        ${before && after && html`<${Row} name=${`P(${before.target})`} before=${before.value} after=${after.value} strong />`}
        <tr>
          <th scope="row">Risk level</th>
          <td><${RiskLevel} risk=${left.risk} /></td>
          <td><${RiskLevel} risk=${right.risk} /></td>
          <td>${left.risk === right.risk ? "unchanged" : "changed"}</td>
        </tr>
        ${ranked(left, session.model).map(
          ({ code, name, probability }) =>
            html`<${Row} key=${code} name=${name} before=${probability} after=${right.probabilities[code] ?? 0} />`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ name: string, before: number, after: number, strong?: boolean }} props */
function Row({ name, before, after, strong = false }) {
  return html`<tr class=${strong ? "strong" : ""}>
    <th scope="row">${name}</th>
    <td>${percent(before)}</td>
    <td>${percent(after)}</td>
    <td>${pointDifference(after - before)}</td>
  </tr>`;
}

/**
 * @param {Prediction} left
 * @param {Prediction} right
 * @param {string} selected Operating point.
 */
function sentence(left, right, selected) {
  const [first, second] = [left.top[0]?.name, right.top[0]?.name];
  const diagnosis = first === second ? `The most probable diagnosis is ${first} in both.` : `The most probable diagnosis changed from ${first} to ${second}.`;
  const [before, after] = [mainProbability(left), mainProbability(right)];
  if (!before || !after) return diagnosis;
  const probability = `The probability of ${noun(before.target)} changed from ${percent(before.value)} to ${percent(after.value)}`;
  const [was, is] = [selectedPoint(left, selected), selectedPoint(right, selected)];
  const word = (/** @type {boolean | null} */ positive) => (positive ? "positive" : "negative");
  if (!was || !is || was.positive === is.positive) return `${probability}. ${diagnosis}`;
  return `${probability}, the decision at ${pointTitle(is)} from ${word(was.positive)} to ${word(is.positive)}. ${diagnosis}`;
}
