/** The main results: probability of malignancy, decision at an operating point, prediction set and risk level. */

import { className, mainProbability, noun, number, percent, pointKey, pointTitle, selectedPoint, sentence, wholePercent } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {import("../types.js").OperatingPointResult} OperatingPointResult */

/** Symbols of the risk levels, so that they differ in more than colour. */
const SYMBOLS = { high: "▲", moderate: "◆", low: "●" };

/** @param {{ risk: import("../types.js").Risk | null }} props */
export function RiskLevel({ risk }) {
  if (!risk) return html`<span class="muted">none</span>`;
  return html`<span class=${`risk risk-${risk}`}><span aria-hidden="true">${SYMBOLS[risk]}</span> ${risk}</span>`;
}

/** @param {{ session: Session, result: Prediction }} props */
export function Summary({ session, result }) {
  const main = mainProbability(result);
  const point = selectedPoint(result, session.pointKey);
  return html`<section class="card summary" aria-labelledby="summary-title">
    <h2 id="summary-title" class="visually-hidden">Result</h2>
    ${main &&
    html`<p class="main-probability">
      <span>Probability of ${noun(main.target)}</span>
      <strong>${percent(main.value)}</strong>
    </p>`}
    ${point
      ? html`<${Decision} point=${point} />`
      : html`<p class="muted">This model has no operating points, so there is no decision.</p>`}
    <${PredictionSet} result=${result} model=${session.model} />
    <p>
      Risk level: <${RiskLevel} risk=${result.risk} />.
      ${session.model && html` <span class="muted">${sentence(session.model.risk_rule)}</span>`}
    </p>
    ${point && html`<${PointSelector} session=${session} result=${result} point=${point} />`}
  </section>`;
}

/** @param {{ point: OperatingPointResult }} props */
export function Decision({ point }) {
  const { positive, target_probability: probability, threshold } = point;
  return html`<p class=${positive ? "decision positive" : "decision"}>
    <span aria-hidden="true">${positive ? "▲" : "▽"}</span>
    <b>${positive ? "Positive" : "Negative"}</b> at ${pointTitle(point)}
    ${" "}(${percent(probability)} ${positive ? "≥" : "<"} threshold ${percent(threshold)})
  </p>`;
}

/**
 * @param {object} props
 * @param {Prediction} props.result
 * @param {ModelCard | null} props.model
 */
export function PredictionSet({ result, model }) {
  const set = result.prediction_set;
  if (!set) return null;
  return html`<p class="prediction-set">
    <span>Cannot be ruled out:</span> <b>${set.codes.map((code) => className(model, code)).join(", ")}</b>.
    <span class="muted"> Prediction set with ${wholePercent(set.coverage)} coverage for each diagnosis.</span>
  </p>`;
}

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {Prediction} props.result
 * @param {OperatingPointResult} props.point
 */
function PointSelector({ session, result, point }) {
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    session.set({ pointKey: currentTarget.value });
  const key = pointKey(point);
  return html`<div class="operating-point">
    <label for="point">Operating point</label>
    <select id="point" value=${key} onChange=${onChange}>
      ${result.operating_points.map((other) => {
        const value = pointKey(other);
        return html`<option key=${value} value=${value} selected=${value === key}>${pointTitle(other)}</option>`;
      })}
    </select>
    <p class="muted"><${PointPerformance} point=${point} leaky=${session.model?.training_data.leaky ?? false} /></p>
  </div>`;
}

/** @param {{ point: OperatingPointResult, leaky: boolean }} props */
export function PointPerformance({ point, leaky }) {
  const { sensitivity, specificity, ppv, npv, prevalence } = point;
  if (sensitivity === null || specificity === null) return "The performance at this threshold was not measured.";
  const mark = leaky && html` <span class="leaky">leaky</span>`;
  return html`Measured on the ${point.measured_on} images: sensitivity ${number(sensitivity)}${mark}, specificity
    ${" "}${number(specificity)}${mark}${ppv !== null && npv !== null && prevalence !== null &&
    html`; PPV ${wholePercent(ppv)}${mark}, NPV ${wholePercent(npv)}${mark} at a prevalence of ${percent(prevalence)}`}.`;
}
