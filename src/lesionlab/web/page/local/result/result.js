/** From what the graph gave for an image to what the page shows of it: `lesionlab.prediction.predictor`, in the browser. */

import { descending, sum } from "./numbers.js";
import { adjusted, patientNotes } from "./patient.js";
import { calibrated, scores } from "./probabilities.js";
import { uncertain } from "./refusal.js";
import { predictionSet } from "./sets.js";

/** @typedef {import("../../contract.js").Result} Result */
/** @typedef {import("../model.js").Description} Description */

// More probable than not.
const LIKELIER = 0.5;

/**
 * @typedef {object} Seen What there is to an image before anything is known of its patient.
 * @property {Float32Array} logits
 * @property {string[]} notes
 * @property {import("./refusal.js").Reason[]} reasons Against judging it, whatever the answer.
 */

/**
 * @param {Description} description
 * @param {Seen} seen
 * @param {import("./patient.js").Known} patient
 * @returns {Result}
 */
export function result({ site, info }, { logits, notes, reasons }, patient) {
  const alone = calibrated(logits, info.calibration);
  const probabilities = info.patient_effects ? adjusted(alone, info.patient_effects, patient) : alone;
  const ranking = scores(probabilities, info.decision);
  const answer = site.classes[descending(ranking)[0] ?? 0];
  const against = [...reasons, ...uncertain(Math.max(...ranking), info.decision.uncertain_below)];
  const found = (/** @type {string} */ finding) =>
    Math.min(1, sum(probabilities.filter((_, index) => site.findings[finding]?.includes(info.classes[index] ?? ""))));
  return {
    diagnosis: answer?.code ?? "",
    classes: descending(probabilities).flatMap((index) => {
      const { code = "", name = "", malignant = null } = site.classes[index] ?? {};
      return [{ code, name, probability: probabilities[index] ?? 0, malignant }];
    }),
    malignant: site.findings["malignant"] ? found("malignant") : null,
    risk: riskLevel(site.risk, found(site.risk.looked_for)) ?? answer?.risk ?? null,
    operating_points: info.operating_points.map((point) => ({ ...point, suspicious: found(point.looked_for) >= point.threshold })),
    prediction_set: predictionSet(alone, info.classes, info.prediction_sets),
    refusal: against.length > 0 ? { reasons: against } : null,
    notes: [...notes, ...patientNotes(info.patient_effects, patient)],
  };
}

/**
 * The risk level by the rule of `lesionlab.prediction.risk`; null where it is that of the answer.
 * @param {import("../site.js").Site["risk"]} scale
 * @param {number} probability
 * @returns {import("../../contract.js").Risk | null}
 */
function riskLevel({ threshold }, probability) {
  if (threshold === null) return null;
  if (probability < threshold) return "low";
  return probability >= LIKELIER ? "high" : "moderate";
}
