/**
 * From the outputs of the graph to a prediction, as in `lesionlab.prediction.decision.prediction_builder`: equal to
 * Python's `Prediction` field by field.
 */

import { predictiveValues } from "../../format.js";
import { confidenceReasons } from "./abstention.js";
import { descending, percent, sum } from "./numbers.js";
import { adjustForPatient, patientNotes } from "./patient.js";
import { predictionSet } from "./prediction_set.js";
import { calibrate, scores } from "./probabilities.js";

/** @typedef {import("../../types.js").Prediction} Prediction */
/** @typedef {import("../../types.js").OperatingPointResult} OperatingPointResult */
/** @typedef {import("../../types.js").OperatingPoint} OperatingPoint */
/** @typedef {import("../model.js").Description} Description */

const TOP = 3;
const MORE_PROBABLE_THAN_NOT = 0.5;

/**
 * @typedef {object} ImageOutputs Outputs for an image, without patient data.
 * @property {Float32Array} logits
 * @property {string[]} notes
 * @property {import("../../types.js").AbstainReason[]} reasons
 * @property {number | null} oodScore
 */

/**
 * @param {Description} description
 * @param {ImageOutputs} outputs
 * @param {import("./patient.js").ParsedPatient} patient
 * @returns {Prediction}
 */
export function buildPrediction(description, { logits, notes, reasons, oodScore }, patient) {
  const { model, info } = description;
  const fromImage = calibrate(logits, info.calibration);
  const probabilities = info.patient_effects ? adjustForPatient(fromImage, info.patient_effects, patient) : fromImage;
  const ranking = scores(probabilities, info.decision_rule);
  const abstainReasons = [...reasons, ...confidenceReasons(Math.max(...ranking), info.decision_rule.min_confidence)];
  const abstained = abstainReasons.length > 0;
  const byCode = Object.fromEntries(info.classes.map((code, index) => [code, probabilities[index] ?? 0]));
  const order = descending(probabilities).map((index) => info.classes[index] ?? "");
  const patientUsed = probabilities !== fromImage;
  const points = operatingPoints(description, byCode, abstained, patientUsed);
  /** @type {Omit<Prediction, "headline">} */
  const prediction = {
    image: "image",
    status: abstained ? "abstained" : "ok",
    abstain_reasons: abstainReasons,
    p_malignant: model.targets.includes("malignant") ? targetProbability(description, byCode, "malignant") : null,
    risk: abstained ? null : riskLevel(description, byCode, order[0] ?? "", patientUsed),
    operating_points: points,
    probabilities: byCode,
    top: abstained ? [] : order.slice(0, TOP).map((code) => ({ code, name: nameOf(description, code), probability: byCode[code] ?? 0 })),
    prediction_set: abstained ? null : predictionSet(description, fromImage, order, points),
    balanced_prediction: abstained ? null : (info.classes[descending(ranking)[0] ?? 0] ?? null),
    ood_score: oodScore,
    notes: [...notes, ...patientNotes(info.patient_effects, patient)],
    model: model.card.model.identity,
  };
  return { ...prediction, headline: headline(description, prediction) };
}

/**
 * @param {Description} description
 * @param {Record<string, number>} byCode
 * @param {string} target
 */
function targetProbability({ model }, byCode, target) {
  return Math.min(1, sum((model.target_classes[target] ?? []).map((code) => byCode[code] ?? 0)));
}

/**
 * The operating points with their decisions; the one behind the risk level comes first, other guaranteed thresholds are left out.
 * @param {Description} description
 * @param {Record<string, number>} byCode
 * @param {boolean} abstained
 * @param {boolean} patientUsed Whether patient data changed the probabilities.
 * @returns {OperatingPointResult[]}
 */
function operatingPoints(description, byCode, abstained, patientUsed) {
  const { model, info } = description;
  const first = info.operating_points.filter((_, index) => index === model.risk.point);
  const others = info.operating_points.filter(({ confidence }, index) => index !== model.risk.point && confidence == null);
  return [...first, ...others].map((stored) => {
    const point = patientUsed ? withPatientData(stored) : stored;
    const { name, target, threshold, sensitivity, specificity, ppv, npv, prevalence, measured_on } = point;
    const probability = targetProbability(description, byCode, target);
    const positive = abstained ? null : probability >= threshold;
    return { name, target, threshold, target_probability: probability, positive, sensitivity, specificity, ppv, npv, prevalence, measured_on };
  });
}

/**
 * The point for a probability with patient data, as `OperatingPoint.with_patient_data`.
 * @param {OperatingPoint} point
 * @returns {Omit<OperatingPoint, "ppv" | "npv"> & { ppv: number | null, npv: number | null }}
 */
function withPatientData(point) {
  if (!point.patient) return point;
  return { ...point, ...point.patient, ...predictiveValues(point.patient, point.prevalence), measured_on: "validation" };
}

/**
 * The risk level by the rule of `lesionlab.prediction.decision.risk`.
 * @param {Description} description
 * @param {Record<string, number>} byCode
 * @param {string} first The most probable class.
 * @param {boolean} patientUsed Whether patient data changed the probabilities.
 * @returns {import("../../types.js").Risk | null}
 */
function riskLevel(description, byCode, first, patientUsed) {
  const { target, threshold: forImages, point } = description.model.risk;
  const ofPatients = point === null ? null : description.info.operating_points[point]?.patient;
  const threshold = (patientUsed && ofPatients?.threshold) || forImages;
  if (threshold === null) return description.model.card.classes.find(({ code }) => code === first)?.risk ?? null;
  const probability = targetProbability(description, byCode, target);
  if (probability >= threshold) return probability >= MORE_PROBABLE_THAN_NOT ? "high" : "moderate";
  return description.model.target_classes["malignant"]?.includes(first) ? "moderate" : "low";
}

/**
 * The result in one line, as `lesionlab.results.Prediction.headline`.
 * @param {Description} description
 * @param {Omit<Prediction, "headline">} prediction
 */
function headline(description, { status, abstain_reasons: reasons, p_malignant: malignant, operating_points: points, top, prediction_set: set }) {
  if (status === "abstained") return `No result: ${reasons.map(({ message }) => message).join("; ")}`;
  const [point] = points;
  const [first] = top;
  const parts = [
    ...(malignant === null ? [] : [`P(malignant) ${percent(malignant)}`]),
    ...(malignant === null && point ? [`P(${point.target}) ${percent(point.target_probability)}`] : []),
    ...(point ? [`${point.positive ? "positive" : "negative"} at ${point.name}`] : []),
    `most probable: ${first?.name} ${percent(first?.probability ?? 0)}`,
  ];
  const others = (set?.codes ?? []).slice(1).map((code) => nameOf(description, code));
  return parts.join(", ") + (others.length > 0 ? `; cannot be ruled out: ${others.join(", ")}` : "");
}

/**
 * @param {Description} description
 * @param {string} code
 */
function nameOf({ model }, code) {
  return model.card.classes.find((other) => other.code === code)?.name ?? code;
}
