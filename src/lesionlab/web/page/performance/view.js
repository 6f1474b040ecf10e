/** The second view: performance of the model. */

import { counted } from "../format.js";
import { html, useEffect } from "../vendor/htm-preact.js";
import { Confusion } from "./confusion.js";
import { History } from "./history.js";
import { MetricTable, MetricTiles } from "./metrics.js";
import { MissingInformation, ModelCardSection } from "./model_card.js";
import { OperatingPoints } from "./operating_points.js";
import { Reliability } from "./reliability.js";
import { RocCurves } from "./roc.js";
import { Sources, SourceWarning } from "./sources.js";
import { Subgroups } from "./subgroups.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ session: Session }} props */
export function PerformanceView({ session }) {
  const { model, evaluation } = session;
  useEffect(() => {
    if (evaluation === undefined && model) void session.loadEvaluation();
  }, [model]);
  if (!model) return html`<h1>Performance</h1>${!session.modelProblem && html`<p class="progress">Loading the model …</p>`}`;
  const leaky = evaluation?.leaky ?? model.training_data.leaky;
  const metrics = evaluation?.overall ?? model.metrics;
  return html`
    <h1>Performance of ${model.model.name}</h1>
    <p class="lead">${basis(model, evaluation ?? null)}</p>
    ${leaky && html`<${LeakyBanner} />`}
    ${evaluation && html`<${SourceWarning} evaluation=${evaluation} />`}
    <${MetricTiles} metrics=${metrics} leaky=${leaky} classes=${model.classes.length} />
    <${OperatingPoints} points=${evaluation?.operating_points.length ? evaluation.operating_points : model.operating_points} leaky=${leaky} />
    ${evaluation && html`<${EvaluationSections} model=${model} evaluation=${evaluation} />`}
    <${MetricTable} metrics=${metrics} leaky=${leaky} />
    <${ModelCardSection} model=${model} />
    ${evaluation !== undefined && html`<${MissingInformation} model=${model} evaluation=${evaluation} />`}
  `;
}

/** @param {{ model: ModelCard, evaluation: Evaluation }} props */
function EvaluationSections({ model, evaluation }) {
  return html`
    <${Sources} evaluation=${evaluation} />
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
 * @param {ModelCard} model
 * @param {Evaluation | null} evaluation
 */
function basis(model, evaluation) {
  if (!evaluation) {
    return Object.keys(model.metrics).length > 0
      ? "These metrics are part of the model's description. The full evaluation is not included in its bundle."
      : "This model was not evaluated on a test set. Do not rely on it.";
  }
  const { n_images: images, n_lesions: lesions, dataset, subset, date, unseen } = evaluation;
  const overlap = unseen
    ? "none of which was used for training, early stopping or calibration"
    : "some of which may have been used for training";
  return `Measured on ${counted(images, "image")} of ${counted(lesions, "lesion")} (${dataset}, ${subset} set, ${date}), ${overlap}. 95% confidence intervals from bootstrap resampling by lesion.`;
}

function LeakyBanner() {
  return html`<section class="banner">
    <h2>Leaky: all figures are too optimistic</h2>
    <p>The data were split by image, so images of one lesion may be in both the training and the test set.</p>
  </section>`;
}
