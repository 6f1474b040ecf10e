/**
 * From the evidence of an image to a prediction, as in `lesionlab.prediction.decision.prediction_builder`: equal to
 * Python's `Prediction` field by field. Patient data, prevalence and operating point change a result without another run
 * of the model.
 */

import { predictiveValues } from "../format.js";
import { descending, percent, sum } from "./numbers.js";
import { adjustForPatient, parsePatient, patientNotes } from "./patient.js";
import { predictionSet } from "./prediction_set.js";
import { normalize, scores } from "./probabilities.js";
import { settingOf } from "./setting.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {import("../types.js").OperatingPointResult} OperatingPointResult */
/** @typedef {import("../types.js").OperatingPoint} OperatingPoint */
/** @typedef {import("../types.js").AbstainReason} AbstainReason */
/** @typedef {import("./setting.js").Choice} Choice */

const TOP = 3;
const MORE_PROBABLE_THAN_NOT = 0.5;

/**
 * @typedef {object} Evidence What the result for an image follows from.
 * @property {number[]} probabilities Of the image alone, at the class frequencies of the calibration.
 * @property {string[]} notes
 * @property {AbstainReason[]} reasons Without low confidence, which depends on patient data.
 * @property {number | null} oodScore
 */

/**
 * The evidence in a prediction without patient data and without a stated prevalence.
 * @param {Prediction} prediction
 * @param {ModelCard} card
 * @returns {Evidence}
 */
export function evidenceOf(prediction, { classes }) {
  return {
    probabilities: classes.map(({ code }) => prediction.probabilities[code] ?? 0),
    notes: prediction.notes,
    reasons: prediction.abstain_reasons.filter(({ code }) => code !== "low_confidence"),
    oodScore: prediction.ood_score,
  };
}

/**
 * @param {ModelCard} card
 * @param {Evidence} evidence
 * @param {import("../types.js").Patient} patient
 * @param {Choice} choice
 * @returns {Prediction}
 * @throws {import("../engine.js").EngineError} The patient data are invalid.
 */
export function buildPrediction(card, { probabilities: fromImage, notes, reasons, oodScore }, patient, choice) {
  const { rule, patient_effects: effects, targets, sites } = card.decision;
  const codes = card.classes.map(({ code }) => code);
  const setting = settingOf(card, choice);
  const parsed = parsePatient(patient, sites);
  // Thresholds were chosen at the class frequencies of the training data, whatever the prevalence.
  const unshifted = effects ? adjustForPatient(fromImage, effects, parsed) : fromImage;
  const patientUsed = unshifted !== fromImage;
  const ranking = scores(unshifted, rule);
  const abstainReasons = [...reasons, ...confidenceReasons(Math.max(...ranking), rule)];
  const abstained = abstainReasons.length > 0;
  const shown = setting.ratio ? normalize(unshifted.map((value, index) => value * (setting.ratio?.[index] ?? 1))) : unshifted;
  // The rule's weights are powers of the class frequencies, which the shift changes.
  const shifted = ranking.map((score, index) => score * (setting.ratio?.[index] ?? 1) ** (1 - rule.exponent));
  const byCode = Object.fromEntries(codes.map((code, index) => [code, shown[index] ?? 0]));
  const order = descending(shown).map((index) => codes[index] ?? "");
  const unshiftedByCode = Object.fromEntries(codes.map((code, index) => [code, unshifted[index] ?? 0]));
  const points = setting.points.map((point) => atPoint(card, patientUsed ? withPatientData(point) : point, unshiftedByCode, abstained));
  /** @type {Omit<Prediction, "headline">} */
  const prediction = {
    image: "image",
    images: [],
    status: abstained ? "abstained" : "ok",
    abstain_reasons: abstainReasons,
    p_malignant: targets.includes("malignant") ? targetProbability(card, byCode, "malignant") : null,
    risk: abstained ? null : riskLevel(card, setting.risk, unshiftedByCode, byCode, order[0] ?? "", patientUsed),
    operating_points: points,
    probabilities: byCode,
    top: abstained ? [] : order.slice(0, TOP).map((code) => ({ code, name: nameOf(card, code), probability: byCode[code] ?? 0 })),
    prediction_set: abstained ? null : predictionSet(card, fromImage, order, points),
    balanced_prediction: abstained ? null : (codes[descending(shifted)[0] ?? 0] ?? null),
    ood_score: oodScore,
    notes: [...notes, ...patientNotes(effects, parsed)],
    model: card.model.identity,
  };
  return { ...prediction, headline: headline(card, prediction) };
}

/**
 * @param {number} confidence Highest score of the decision rule; the scores of all classes sum to 1.
 * @param {ModelCard["decision"]["rule"]} rule
 * @returns {AbstainReason[]}
 */
function confidenceReasons(confidence, { min_confidence: limit, abstention_share: abstained }) {
  if (confidence >= limit) return [];
  const share = `${Number((100 * (1 - abstained)).toPrecision(4))}%`;
  const message = `low confidence: ${confidence.toFixed(2)}, ${share} of validation images have at least ${limit.toFixed(2)}`;
  return [{ code: "low_confidence", message }];
}

/**
 * @param {ModelCard} card
 * @param {Record<string, number>} byCode
 * @param {string} target
 */
function targetProbability({ decision }, byCode, target) {
  return Math.min(1, sum((decision.target_classes[target] ?? []).map((code) => byCode[code] ?? 0)));
}

/**
 * @param {ModelCard} card
 * @param {Omit<OperatingPoint, "ppv" | "npv"> & { ppv: number | null, npv: number | null }} point
 * @param {Record<string, number>} unshifted
 * @param {boolean} abstained
 * @returns {OperatingPointResult}
 */
function atPoint(card, { name, target, threshold, sensitivity, specificity, ppv, npv, prevalence, measured_on }, unshifted, abstained) {
  const probability = targetProbability(card, unshifted, target);
  const positive = abstained ? null : probability >= threshold;
  return { name, target, threshold, target_probability: probability, positive, sensitivity, specificity, ppv, npv, prevalence, measured_on };
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
 * @param {ModelCard} card
 * @param {import("./setting.js").Setting["risk"]} risk
 * @param {Record<string, number>} unshifted Probabilities at the class frequencies of the training data.
 * @param {Record<string, number>} shown Probabilities at the stated prevalence.
 * @param {string} first The most probable class.
 * @param {boolean} patientUsed Whether patient data changed the probabilities.
 * @returns {import("../types.js").Risk | null}
 */
function riskLevel(card, { target, threshold: forImages, point }, unshifted, shown, first, patientUsed) {
  const threshold = (patientUsed && point?.patient?.threshold) || forImages;
  if (threshold === null) return card.classes.find(({ code }) => code === first)?.risk ?? null;
  // The threshold of a point was chosen at the data's frequencies; a reader's own concerns the probability that is shown.
  if (targetProbability(card, point ? unshifted : shown, target) >= threshold) {
    return targetProbability(card, shown, target) >= MORE_PROBABLE_THAN_NOT ? "high" : "moderate";
  }
  return card.decision.target_classes["malignant"]?.includes(first) ? "moderate" : "low";
}

/**
 * The result in one line, as `lesionlab.results.Prediction.headline`.
 * @param {ModelCard} card
 * @param {Omit<Prediction, "headline">} prediction
 */
function headline(card, { status, abstain_reasons: reasons, p_malignant: malignant, operating_points: points, top, prediction_set: set }) {
  if (status === "abstained") return `No result: ${reasons.map(({ message }) => message).join("; ")}`;
  const [point] = points;
  const [first] = top;
  const parts = [
    ...(malignant === null ? [] : [`P(malignant) ${percent(malignant)}`]),
    ...(malignant === null && point ? [`P(${point.target}) ${percent(point.target_probability)}`] : []),
    ...(point ? [`${point.positive ? "positive" : "negative"} at ${point.name}`] : []),
    `most probable: ${first?.name} ${percent(first?.probability ?? 0)}`,
  ];
  const others = (set?.codes ?? []).slice(1).map((code) => nameOf(card, code));
  return parts.join(", ") + (others.length > 0 ? `; cannot be ruled out: ${others.join(", ")}` : "");
}

/**
 * @param {ModelCard} card
 * @param {string} code
 */
function nameOf({ classes }, code) {
  return classes.find((other) => other.code === code)?.name ?? code;
}
