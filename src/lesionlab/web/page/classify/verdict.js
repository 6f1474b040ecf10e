/** The answer in words: the risk, the answer, and what the chosen threshold says. */

import { answerOf, judgedPoint, lesionsOf, noun, of100, percent, pointName, sentence, suspicion } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../contract.js").Result} Result */
/** @typedef {import("../contract.js").JudgedPoint} JudgedPoint */
/** @typedef {import("../contract.js").Risk} Risk */

/** A mark beside each risk, so that colour is never alone. */
const MARKS = { high: "▲", moderate: "◆", low: "●" };

/** @param {{ risk: Risk | null }} props */
export function RiskMark({ risk }) {
  if (!risk) return html`<span class="quiet">not told</span>`;
  return html`<span class=${`risk risk-${risk}`}><span aria-hidden="true">${MARKS[risk]}</span> ${risk}</span>`;
}

/** @param {{ session: Session, result: Result }} props */
export function Verdict({ session, result }) {
  const [likeliest] = result.classes;
  const best = answerOf(result);
  const point = judgedPoint(result, session.pointName);
  const share = suspicion(result, point?.looked_for);
  return html`<section class="card verdict" aria-labelledby="verdict-title">
    <h2 id="verdict-title" class="unseen">Answer</h2>
    <p class="best">
      <span class="quiet">Answer</span>
      <strong>${best?.name}</strong>
      <span class="share">${percent(best?.probability ?? 0)}</span>
    </p>
    ${likeliest !== best &&
    html`<p class="quiet">
      ${likeliest?.name} is more probable (${percent(likeliest?.probability ?? 0)}) because it is more frequent. The answer weighs each
      diagnosis by how rare it is, so that rare ones are found too.
    </p>`}
    <p>
      Risk level: <${RiskMark} risk=${result.risk} />.
      ${share !== null && html` Probability of ${noun(point?.looked_for ?? "malignant")}: <b>${percent(share)}</b>.`}
    </p>
    ${session.model && html`<p class="quiet">${sentence(session.model.risk_meaning)}</p>`}
    ${point
      ? html`<${Threshold} session=${session} result=${result} point=${point} share=${share} />`
      : html`<p class="quiet">This model has no operating points: no threshold was measured for it.</p>`}
  </section>`;
}

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {Result} props.result
 * @param {JudgedPoint} props.point
 * @param {number | null} props.share
 */
function Threshold({ session, result, point, share }) {
  const choose = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    session.set({ pointName: currentTarget.value });
  return html`<div class="threshold">
    <p class=${point.suspicious ? "call suspicious" : "call"}>
      <span aria-hidden="true">${point.suspicious ? "▲" : "●"}</span>
      <b>${point.suspicious ? "Suspicious" : "Below the threshold"}</b>
      ${share !== null && html` (${percent(share)} ${point.suspicious ? "≥" : "<"} ${percent(point.threshold)})`}
    </p>
    <label for="point">Operating point</label>
    <select id="point" value=${point.name} onChange=${choose}>
      ${result.operating_points.map(
        (other) => html`<option key=${other.name} value=${other.name} selected=${other.name === point.name}>${pointName(other)}</option>`,
      )}
    </select>
    <p class="quiet"><${PointInWords} point=${point} leaky=${session.model?.training_data.leaky ?? false} /></p>
  </div>`;
}

/** @param {{ point: import("../contract.js").OperatingPoint, leaky: boolean }} props */
export function PointInWords({ point, leaky }) {
  const [sought, others] = lesionsOf(point.looked_for);
  const mark = leaky && html` <span class="leaky">leaky</span>`;
  return html`Measured on the ${point.measured_on} images: of 100 that show ${sought} this threshold flags
    ${" "}${of100(point.sensitivity)} (sensitivity ${point.sensitivity.toFixed(3)})${mark}; of 100 that show ${others} it leaves
    ${" "}${of100(point.specificity)} alone (specificity ${point.specificity.toFixed(3)})${mark}. Where ${percent(point.prevalence)}
    ${" "}show ${sought}, as there, so do ${of100(point.ppv)} of 100 flagged${mark} and ${of100(1 - point.npv)} of 100 left alone${mark}.`;
}
