/** The model card: what the model is, what it is for, where it ends; and what nobody has measured. */

import { counted, inWords } from "../format.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../contract.js").Model} Model */
/** @typedef {import("../contract.js").Evaluation} Evaluation */

/** @param {{ model: Model, evaluation: Evaluation | null }} props */
export function ModelCard({ model }) {
  const { training_data: data, calibration, preprocessing } = model;
  const parts = Object.entries(data.images).map(
    ([part, images]) => `${part} ${counted(images, "image")}${data.lesions[part] ? ` of ${counted(data.lesions[part], "lesion")}` : ""}`,
  );
  const divided = data.leaky
    ? "by image: pictures of one lesion may stand in several parts (leaky)"
    : data.lesions_known
      ? "by lesion: all pictures of one lesion stand in one part"
      : "by image; which images show one lesion is not known";
  /** @type {[string, unknown][]} */
  const facts = [
    ["Model", `${model.bundle.identity}, recipe ${model.recipe ?? "not named"}, made ${model.created}`],
    ["Intended use", "Research and education with dermoscopic images of single pigmented skin lesions. Not a medical device; never a diagnosis, and no reason to leave a lesion unexamined."],
    ["Answers", model.classes.map(({ name, malignant }) => (malignant ? `${name} (malignant)` : name)).join("; ")],
    ["Data", `${data.sources.join(", ")}: ${parts.join("; ")}`],
    ["Divided", divided],
    ["Calibration", `${calibration.method} ${calibration.temperature.toFixed(2)}, fitted on ${counted(calibration.images, "validation image")}; expected calibration error there ${calibration.ece_before.toFixed(3)} before, ${calibration.ece_after.toFixed(3)} after${data.leaky ? " (leaky)" : ""}`],
    ["Input", `the whole picture, scaled to ${preprocessing.size} × ${preprocessing.size} pixels whatever its shape`],
    ["Heat map", model.explains ? "yes" : "none"],
    ["Refusal", model.refuses ? "it says where it should not be relied on" : "none: it answers whatever it is shown"],
    ["Licence", model.licence],
    ["Graph, SHA-256", html`<code>${model.bundle.graph_sha256}</code>`],
    ["Split, SHA-256", html`<code>${data.split_sha256}</code>`],
  ];
  return html`<section class="card" aria-labelledby="card-title">
    <h2 id="card-title">Model card</h2>
    <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <h3>Limits</h3>
    <ul>
      <li>On other cameras, other skin and other lesions than those of ${data.sources.join(" and ")} it is worse, and these figures do not say how much.</li>
      <li>It knows ${inWords(model.classes.length)} answers. A lesion that is none of them gets one of them all the same.</li>
      <li>A small probability is not zero: at each operating point above, some of what is looked for is missed.</li>
    </ul>
  </section>`;
}

/** @param {{ model: Model, evaluation: Evaluation | null | undefined }} props */
export function Absent({ model, evaluation }) {
  const missing = [
    evaluation === null && "The measurement itself: no confusion matrix, no curves, no calibration diagram, no subgroups. `lesionlab evaluate` writes them.",
    evaluation && evaluation.history.length === 0 && "The training history.",
    evaluation && evaluation.subgroups.length === 0 && "Figures by sex, age, site or confirmation.",
    model.operating_points.length === 0 && "Operating points: no threshold was measured.",
    Object.keys(model.metrics).length === 0 && "Metrics on a test part.",
    !model.explains && "Heat maps.",
    !model.refuses && "A way to notice images that it cannot judge.",
    evaluation && model.training_data.sources.includes(evaluation.dataset) && `A measurement on images of another source: all figures come from ${evaluation.dataset}, like the training.`,
    "Figures by skin tone.",
    "A comparison with physicians, and any study in clinical use.",
  ].filter((line) => typeof line === "string");
  if (evaluation === undefined) return null;
  return html`<section class="card" aria-labelledby="absent-title">
    <h2 id="absent-title">What is not here</h2>
    <ul>${missing.map((line) => html`<li key=${line}>${line}</li>`)}</ul>
  </section>`;
}
