/** The model card: intended use, data and limitations, and the information that is missing. */

import { counted, numberWord } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").EvaluationSummary} Evaluation */

/** @param {{ model: ModelCard }} props */
export function ModelCardSection({ model }) {
  const { training_data: data, calibration, preprocessing } = model;
  const subsets = Object.entries(data.images).map(
    ([subset, images]) => `${subset} ${counted(images, "image")}${data.lesions[subset] ? ` of ${counted(data.lesions[subset], "lesion")}` : ""}`,
  );
  const split = data.leaky
    ? "by image: images of one lesion may be in several subsets (leaky)"
    : data.lesions_known
      ? "by lesion: all images of a lesion are in one subset"
      : "by image; the dataset has no lesion identifiers";
  /** @type {[string, unknown][]} */
  const facts = [
    ["Model", `${model.model.identity}, recipe ${model.recipe}, created ${model.created}`],
    ["Intended use", "Research and education with dermoscopic images of single pigmented skin lesions. Not a medical device, and never a diagnosis or a reason not to examine a lesion."],
    ["Classes", model.classes.map(({ name, malignant }) => (malignant ? `${name} (malignant)` : name)).join("; ")],
    ["Data", `${data.sources.join(", ")}: ${subsets.join("; ")}`],
    ["Split", split],
    ["Calibration", `${calibration.method} ${calibration.temperature.toFixed(2)}, fitted on ${counted(calibration.images, "validation image")}; expected calibration error there ${calibration.ece_before.toFixed(3)} before, ${calibration.ece_after.toFixed(3)} after${data.leaky ? " (leaky)" : ""}`],
    ["Input", `the whole image, scaled to ${preprocessing.size} × ${preprocessing.size} pixels without keeping its aspect ratio`],
    ["Heat map", model.explainable ? "class activation map" : "none"],
    ["Abstention", model.abstains ? "yes" : "none: every image gets a prediction"],
    ["Risk level", model.risk_rule],
    ["Licence", model.licence],
    ["Graph, SHA-256", html`<code>${model.model.graph_sha256}</code>`],
    ["Split, SHA-256", html`<code>${data.split_sha256}</code>`],
  ];
  return html`<section class="card" aria-labelledby="card-title">
    <h2 id="card-title">Model card</h2>
    <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <h3>Limitations</h3>
    <ul>
      <li>Performance is expected to be lower for other cameras, skin types and lesions than those of ${data.sources.join(" and ")}.</li>
      <li>The model has ${numberWord(model.classes.length)} classes. A lesion of another kind is assigned to one of them.</li>
      <li>A low probability is not zero: each operating point above misses a share of the target lesions.</li>
    </ul>
  </section>`;
}

/** @param {{ model: ModelCard, evaluation: Evaluation | null }} props */
export function MissingInformation({ model, evaluation }) {
  const missing = [
    !evaluation && "The full evaluation: no confusion matrix, curves, calibration diagram or subgroups. `lesionlab evaluate` creates it.",
    evaluation?.history.length === 0 && "Training history.",
    evaluation?.subgroups.length === 0 && "Performance by sex, age, anatomical site or confirmation.",
    model.operating_points.length === 0 && "Operating points.",
    Object.keys(model.metrics).length === 0 && "Metrics on a test set.",
    !model.explainable && "Heat maps.",
    !model.abstains && "Abstention from unsuitable images.",
    evaluation &&
      model.training_data.sources.includes(evaluation.dataset) &&
      `External validation: the images of this evaluation are from ${evaluation.dataset}, as are the training images.`,
    !evaluation?.subgroups.some(({ group }) => group === "skin_tone") && "Performance by skin tone.",
    "A comparison with physicians, and any clinical study.",
  ].filter((line) => typeof line === "string");
  return html`<section class="card" aria-labelledby="missing-title">
    <h2 id="missing-title">Missing information</h2>
    <ul>${missing.map((line) => html`<li key=${line}>${line}</li>`)}</ul>
  </section>`;
}
