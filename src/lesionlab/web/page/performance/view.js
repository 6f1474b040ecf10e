/** The second view: how good the model is, measured on what, and what is not known. */

import { counted } from "../format.js";
import { html, useEffect } from "../vendor/htm-preact.js";
import { Absent, ModelCard } from "./card.js";
import { Confusion } from "./confusion.js";
import { History } from "./history.js";
import { Headline, MetricTable } from "./metrics.js";
import { OperatingPoints } from "./operating_points.js";
import { Reliability } from "./reliability.js";
import { RocCurves } from "./roc.js";
import { Subgroups } from "./subgroups.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../contract.js").Model} Model */
/** @typedef {import("../contract.js").Evaluation} Evaluation */

/** @param {{ session: Session }} props */
export function QualityView({ session }) {
  const { model, evaluation } = session;
  useEffect(() => {
    if (evaluation === undefined && model) void session.loadEvaluation();
  }, [model]);
  if (!model) return html`<h1>How good is it</h1>${!session.modelProblem && html`<p class="progress">Asking the model …</p>`}`;
  const leaky = evaluation?.leaky ?? model.training_data.leaky;
  return html`
    <h1>How good is ${model.bundle.name}</h1>
    <p class="lead">${basis(model, evaluation ?? null)}</p>
    ${leaky && html`<${LeakyBanner} />`}
    <${Headline} metrics=${evaluation?.overall ?? model.metrics} leaky=${leaky} classes=${model.classes.length} />
    <${OperatingPoints} points=${evaluation?.operating_points.length ? withSought(evaluation, model) : model.operating_points} leaky=${leaky} />
    ${evaluation && html`<${Measured} model=${model} evaluation=${evaluation} />`}
    <${MetricTable} metrics=${evaluation?.overall ?? model.metrics} leaky=${leaky} />
    <${ModelCard} model=${model} evaluation=${evaluation ?? null} />
    <${Absent} model=${model} evaluation=${evaluation} />
  `;
}

/** @param {{ model: Model, evaluation: Evaluation }} props */
function Measured({ model, evaluation }) {
  return html`
    <${Confusion} model=${model} evaluation=${evaluation} />
    <${RocCurves} model=${model} evaluation=${evaluation} />
    <div class="pair wide">
      <${Reliability} evaluation=${evaluation} />
      ${evaluation.history.length > 0 && html`<${History} evaluation=${evaluation} />`}
    </div>
    ${evaluation.subgroups.length > 0 && html`<${Subgroups} evaluation=${evaluation} />`}
  `;
}

/**
 * The points as measured, with what they look for: older evaluations leave it to the model.
 * @param {Evaluation} evaluation
 * @param {Model} model
 */
function withSought(evaluation, model) {
  const lookedFor = model.operating_points[0]?.looked_for ?? "malignant";
  return evaluation.operating_points.map((point) => ({ ...point, looked_for: point.looked_for ?? lookedFor }));
}

/**
 * @param {Model} model
 * @param {Evaluation | null} evaluation
 */
function basis(model, evaluation) {
  if (!evaluation) {
    return Object.keys(model.metrics).length > 0
      ? "These figures stand in the model's description. The measurement behind them, with its curves, does not come with it."
      : "Nobody has measured this model on a test part. Do not rely on it.";
  }
  const { n_images: images, n_lesions: lesions, dataset, part, date, unseen } = evaluation;
  const seen = unseen ? "none of which was used to fit, stop or calibrate the model" : "some of which the model has seen in training";
  return `Measured on ${counted(images, "image")} of ${counted(lesions, "lesion")} (${dataset}, ${part} part, ${date}), ${seen}. Intervals hold 95% of bootstrap resamples, drawn lesion by lesion.`;
}

function LeakyBanner() {
  return html`<section class="banner">
    <h2>Leaky: every figure here is too good</h2>
    <p>The images were divided so that pictures of one lesion may stand on both sides: the model was examined on lesions it knew.</p>
  </section>`;
}
