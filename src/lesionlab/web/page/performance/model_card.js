/** The model card: intended use, data and limitations, and the information that is missing. */

import { className, decimal, number, numberWord } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { Section } from "./section.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ model: ModelCard, evaluation: Evaluation | null }} props */
export function ModelCardSection({ model, evaluation }) {
  const { training_data: data, calibration, preprocessing } = model;
  const subsets = Object.entries(data.images).map(([subset, images]) => {
    const lesions = data.lesions[subset] ?? 0;
    return t(lesions > 0 ? "card.subset" : "card.subsetImages", { subset, images, lesions });
  });
  const split = t(model.imported ? "card.splitUnknown" : data.leaky ? "card.splitLeaky" : data.lesions_known ? "card.splitByLesion" : "card.splitByImage");
  const calibrated = t("card.calibrationText", {
    method: calibration.method,
    temperature: decimal(calibration.temperature, 2),
    images: calibration.images,
    before: number(calibration.ece_before),
    after: number(calibration.ece_after),
  });
  /** @type {[string, unknown][]} */
  const origin = model.imported ? [[t("card.origin"), t("card.imported", { file: model.imported.file })]] : [];
  /** @type {[string, unknown][]} */
  const facts = [
    [t("model"), t("card.model", { model: model.model.identity, recipe: model.recipe, created: model.created })],
    [t("card.use"), t("card.useText")],
    [t("card.classes"), model.classes.map(({ code, malignant }) => `${className(model, code)}${malignant ? ` (${t("malignant")})` : ""}`).join("; ")],
    ...origin,
    [t(model.imported ? "card.calibrationData" : "card.data"), `${data.sources.join(", ")}: ${subsets.join("; ")}`],
    [t("card.split"), split],
    [t("reliability.title"), `${calibrated}${data.leaky ? " (leaky)" : ""}`],
    [t("card.input"), t("card.inputText", { size: preprocessing.size })],
    [t("viewer.map"), t(model.explainable ? "card.mapText" : "risk.none")],
    [t("card.abstention"), t(model.abstains ? "card.abstains" : "card.neverAbstains")],
    [t("risk.level"), html`<span lang="en">${model.risk_rule}</span>`],
    [t("card.licence"), model.licence],
    [t("card.graph"), html`<code>${model.model.graph_sha256}</code>`],
    model.imported ? [t("card.fileHash"), html`<code>${model.imported.sha256}</code>`] : [t("card.splitHash"), html`<code>${data.split_sha256}</code>`],
  ];
  return html`<${Section} title=${t("card.title")}>
    <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <h3>${t("card.limitations")}</h3>
    <ul>
      <li>${elsewhere(evaluation)}</li>
      <li>${t("card.otherKinds", { number: numberWord(model.classes.length) })}</li>
      ${model.operating_points.length > 0 && html`<li>${t("card.missed")}</li>`}
    </ul>
  <//>`;
}

/**
 * Performance on other datasets than the model's own, as far as it was measured.
 * @param {Evaluation | null} evaluation
 */
function elsewhere(evaluation) {
  const rows = evaluation?.external ?? [];
  if (rows.length === 0) return t("card.elsewhereUnknown");
  const aucs = rows.map(({ target, dataset, figures }) => t("card.auc", { target: t(`target.${target}`), dataset, auc: number(figures.auc.value) }));
  return t("card.elsewhere", { aucs: aucs.join("; ") });
}

/** @param {{ model: ModelCard, evaluation: Evaluation | null }} props */
export function MissingInformation({ model, evaluation }) {
  const skinTone = evaluation && (evaluation.subgroups.some(({ group }) => group === "skin_tone") || evaluation.external.some(({ skin_tone: rows }) => rows.length > 0));
  const missing = [
    !evaluation && t("missing.evaluation"),
    evaluation?.history.length === 0 && t("missing.history"),
    evaluation?.subgroups.length === 0 && t("missing.subgroups"),
    model.operating_points.length === 0 && t("missing.points"),
    Object.keys(model.metrics).length === 0 && t("missing.metrics"),
    !model.explainable && t("missing.maps"),
    !model.abstains && t("missing.abstention"),
    evaluation && evaluation.by_source.length < 2 && t("missing.sources"),
    evaluation && evaluation.external.length === 0 && model.training_data.sources.includes(evaluation.dataset) && t("missing.external", { dataset: evaluation.dataset }),
    !skinTone && t("missing.skinTone"),
    t("missing.studies"),
  ].filter((line) => typeof line === "string");
  return html`<section class="card" aria-labelledby="missing-title">
    <h2 id="missing-title">${t("missing.title")}</h2>
    <ul>${missing.map((line) => html`<li key=${line}>${line}</li>`)}</ul>
  </section>`;
}
