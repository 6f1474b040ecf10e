/** The second view: performance of the model. */

import { t } from "../messages.js";
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
  if (!model) return html`<h1>${t("nav.performance")}</h1>${!session.modelProblem && html`<p class="progress">${t("performance.loading")}</p>`}`;
  const leaky = evaluation?.leaky ?? model.training_data.leaky;
  const metrics = evaluation?.overall ?? model.metrics;
  return html`
    <h1>${t("performance.title", { model: model.model.name })}</h1>
    <p class="lead">${basis(model, evaluation ?? null)}</p>
    ${leaky && html`<${LeakyBanner} />`}
    ${evaluation && html`<${SourceWarning} evaluation=${evaluation} />`}
    <${MetricTiles} metrics=${metrics} leaky=${leaky} classes=${model.classes.length} />
    ${evaluation && html`<${Sources} evaluation=${evaluation} />`}
    <${OperatingPoints} points=${evaluation?.operating_points.length ? evaluation.operating_points : model.operating_points} leaky=${leaky} />
    ${evaluation && html`<${EvaluationSections} model=${model} evaluation=${evaluation} />`}
    <${MetricTable} metrics=${metrics} leaky=${leaky} />
    <${ModelCardSection} model=${model} evaluation=${evaluation ?? null} />
    ${evaluation !== undefined && html`<${MissingInformation} model=${model} evaluation=${evaluation} />`}
  `;
}

/** @param {{ model: ModelCard, evaluation: Evaluation }} props */
function EvaluationSections({ model, evaluation }) {
  return html`
    ${evaluation.subgroups.length > 0 && html`<${Subgroups} evaluation=${evaluation} />`}
    <${Confusion} model=${model} evaluation=${evaluation} />
    <${RocCurves} model=${model} evaluation=${evaluation} />
    <div class="pair wide">
      <${Reliability} evaluation=${evaluation} />
      ${evaluation.history.length > 0 && html`<${History} evaluation=${evaluation} />`}
    </div>
  `;
}

/**
 * @param {ModelCard} model
 * @param {Evaluation | null} evaluation
 */
function basis(model, evaluation) {
  if (!evaluation) return t(Object.keys(model.metrics).length > 0 ? "performance.metricsOnly" : "performance.notEvaluated");
  const { n_images: images, n_lesions: lesions, dataset, subset, date, unseen } = evaluation;
  const overlap = t(unseen ? "performance.unseen" : "performance.seen");
  return t("performance.basis", { images, lesions, dataset, subset: subset === "test" ? t("subset.test") : subset, date, overlap });
}

function LeakyBanner() {
  return html`<section class="banner">
    <h2>${t("performance.leaky")}</h2>
    <p>${t("performance.leakyNote")}</p>
  </section>`;
}
