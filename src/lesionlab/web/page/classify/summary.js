/** The main results: probability, decision at an operating point and its meaning, prediction set and risk level. */

import { className, mainProbability, noun, number, percent, pointKey, pointName, pointTitle, sentence, wholePercent } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {import("../types.js").OperatingPointResult} OperatingPointResult */

/** Symbols of the risk levels, so that they differ in more than colour. */
const SYMBOLS = { high: "▲", moderate: "◆", low: "●" };

/** @param {{ risk: import("../types.js").Risk | null }} props */
export function RiskLevel({ risk }) {
  if (!risk) return html`<span class="muted">${t("risk.none")}</span>`;
  return html`<span class=${`risk risk-${risk}`}><span aria-hidden="true">${SYMBOLS[risk]}</span> ${t(`risk.${risk}`)}</span>`;
}

/**
 * The result in one line: probability, decision, and what the decision means.
 * @param {{ session: Session, result: Prediction }} props
 */
export function Summary({ session, result }) {
  const main = mainProbability(result);
  const [point] = result.operating_points;
  return html`<section class=${`card summary ${point?.positive ? "positive" : ""}`} aria-labelledby="summary-title">
    <h2 id="summary-title" class="visually-hidden">${t("summary.title")}</h2>
    ${main &&
    html`<p class="main-probability">
      <strong>${percent(main.value)}</strong>
      <span>${t("summary.probability", { target: noun(main.target) })}</span>
    </p>`}
    <div class="verdict">
      ${point
        ? html`<${Decision} point=${point} /><p class="meaning">${meaning(point)}<${Leaky} model=${session.model} /></p>`
        : html`<p class="muted">${t("summary.noPoints")}</p>`}
    </div>
  </section>`;
}

/** @param {{ point: OperatingPointResult }} props */
export function Decision({ point }) {
  const { positive, target_probability: probability, threshold } = point;
  return html`<p class=${positive ? "decision positive" : "decision"}>
    <span aria-hidden="true">${positive ? "▲" : "▽"}</span>
    <b>${t(positive ? "decision.positive" : "decision.negative")}</b> ${t("decision.at", { point: pointTitle(point) })}
    ${" "}<span class="comparison">(${percent(probability)} ${positive ? "≥" : "<"} ${t("decision.threshold", { threshold: percent(threshold) })})</span>
  </p>`;
}

/**
 * How many lesions with this decision are of the target.
 * @param {OperatingPointResult} point
 */
function meaning({ positive, target, ppv, npv, prevalence }) {
  const share = positive ? ppv : npv === null ? null : 1 - npv;
  if (share === null || prevalence === null) return t("point.notMeasured");
  const key = target === "melanoma" ? /** @type {const} */ ("meaning.melanoma") : "meaning.malignant";
  const decision = t(positive ? "meaning.positive" : "meaning.negative");
  return t(key, { share: frequency(share), decision, prevalence: percent(prevalence) });
}

/**
 * A share as a natural frequency.
 * @param {number} share
 */
function frequency(share) {
  if (share > 0 && share < 0.0005) return t("meaning.below", { of: 1000 });
  const of = share < 0.095 ? 1000 : 100;
  return t("meaning.about", { count: Math.round(of * share), of });
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
    <span>${t("set.title")}</span> <b>${set.codes.map((code) => className(model, code)).join(", ")}</b>.
    <span class="muted"> ${t("set.coverage", { coverage: wholePercent(set.coverage) })}</span>
  </p>`;
}

/**
 * The operating point, its performance, and the risk level.
 * @param {{ session: Session, result: Prediction }} props
 */
export function DecisionDetails({ session, result }) {
  const [point] = result.operating_points;
  return html`<section class="card decision-details" aria-labelledby="decision-title">
    <h2 id="decision-title">${t("decision.title")}</h2>
    ${point && html`<${PointSelector} session=${session} result=${result} point=${point} />`}
    <p>
      ${t("risk.title")} <${RiskLevel} risk=${result.risk} />.
      <span class="muted" lang=${session.choice.point ? null : "en"}> ${riskRule(session)}</span>
    </p>
  </section>`;
}

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {Prediction} props.result
 * @param {OperatingPointResult} props.point
 */
function PointSelector({ session, result, point }) {
  // In the order of the model: in a result, the selected one comes first.
  const points = session.model?.operating_points.filter(({ confidence }) => confidence == null) ?? result.operating_points;
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    session.setChoice({ point: points.find((other) => pointKey(other) === currentTarget.value) ?? null });
  const key = pointKey(point);
  return html`<div class="operating-point">
    <label for="point">${t("point.label")}</label>
    <select id="point" value=${key} onChange=${onChange}>
      ${points.map((other) => {
        const value = pointKey(other);
        return html`<option key=${value} value=${value} selected=${value === key}>${pointTitle(other)}</option>`;
      })}
    </select>
    <p class="muted"><${PointPerformance} point=${point} leaky=${session.model?.training_data.leaky ?? false} /></p>
  </div>`;
}

/**
 * The rule behind the risk level, in words.
 * @param {Session} session
 */
export function riskRule({ model, choice: { point } }) {
  if (point) return t("risk.rule", { point: pointName(point.name), target: noun(point.target) });
  return model ? sentence(model.risk_rule) : "";
}

/** @param {{ point: OperatingPointResult, leaky: boolean }} props */
export function PointPerformance({ point, leaky }) {
  const { sensitivity, specificity, ppv, npv, prevalence } = point;
  if (sensitivity === null || specificity === null) return t("point.notMeasured");
  const mark = leaky && html` <span class="leaky">leaky</span>`;
  return html`${t("point.measuredOn", { subset: t(`subset.${point.measured_on ?? "other"}`) })} ${t("point.sensitivityName")}
    ${" "}${number(sensitivity)}${mark}, ${t("point.specificityName")} ${number(specificity)}${mark}${ppv !== null && npv !== null && prevalence !== null &&
    html`; PPV ${wholePercent(ppv)}${mark}, NPV ${wholePercent(npv)}${mark} ${t("point.atPrevalence", { prevalence: percent(prevalence) })}`}.`;
}

/** @param {{ model: ModelCard | null }} props */
function Leaky({ model }) {
  return model?.training_data.leaky ? html` <span class="leaky">leaky</span>` : null;
}
