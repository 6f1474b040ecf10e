/**
 * The population and the operating point that a result refers to, as `lesionlab.prediction.decision.setting`.
 */

import { predictiveValues } from "../format.js";
import { sum } from "./numbers.js";

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").OperatingPoint} OperatingPoint */

/**
 * @typedef {object} Choice What the reader states; nothing of it is needed.
 * @property {Record<string, number> | null} prevalence Share of `malignant`, or of single classes, by code.
 * @property {{ name: string, target: string } | null} point The operating point behind decision and risk level.
 *
 * @typedef {object} Setting
 * @property {number[] | null} ratio New class frequencies divided by those of the calibration; null: unchanged.
 * @property {OperatingPoint[]} points The one behind the risk level comes first.
 * @property {{ target: string, threshold: number | null, point: OperatingPoint | null }} risk
 */

/** @type {Choice} */
export const DEFAULT_CHOICE = { prevalence: null, point: null };

/**
 * @param {ModelCard} card
 * @param {Choice} choice
 * @returns {Setting}
 */
export function settingOf(card, { prevalence, point: chosen }) {
  const { risk } = card.decision;
  const all = prevalence ? atPrevalence(card, prevalence) : card.operating_points;
  const found = chosen && all.find(({ name, target }) => name === chosen.name && target === chosen.target);
  const behind = found || (risk.point === null ? null : (all[risk.point] ?? null));
  // Guaranteed thresholds are compared on request only.
  const others = all.filter((point) => point !== behind && point.confidence == null);
  return {
    ratio: prevalence ? ratioTo(card, prevalence) : null,
    points: behind ? [behind, ...others] : others,
    risk: behind ? { target: behind.target, threshold: behind.threshold, point: behind } : { ...risk, point: null },
  };
}

/**
 * Whether the prevalence can be changed: whether the class frequencies of the calibration are known.
 * @param {ModelCard} card
 */
export function knowsFrequencies(card) {
  return card.decision.frequencies.length > 0;
}

/**
 * The share of a target, or of a class, at the class frequencies of the calibration.
 * @param {ModelCard} card
 * @param {string} name
 */
export function calibratedShare(card, name) {
  return share(card, card.decision.frequencies, name);
}

/**
 * @param {ModelCard} card
 * @param {number[]} frequencies
 * @param {string} name Code of a class, or name of a target.
 */
function share({ classes, decision }, frequencies, name) {
  const codes = classes.some(({ code }) => code === name) ? [name] : (decision.target_classes[name] ?? []);
  return sum(classes.map(({ code }, index) => (codes.includes(code) ? (frequencies[index] ?? 0) : 0)));
}

/**
 * @param {ModelCard} card
 * @param {Record<string, number>} prevalence
 */
function ratioTo(card, prevalence) {
  const old = card.decision.frequencies;
  return frequenciesAt(card, prevalence).map((frequency, index) => frequency / (old[index] ?? 1));
}

/**
 * All class frequencies at a stated prevalence: the other classes share the remainder in their old proportions.
 * @param {ModelCard} card
 * @param {Record<string, number>} prevalence
 */
function frequenciesAt({ classes, decision }, prevalence) {
  const old = decision.frequencies;
  const isClass = classes.some(({ code }) => code in prevalence);
  /** The stated share that a class belongs to, and the codes that have it together. @type {[number, string[]][]} */
  const stated = Object.entries(prevalence).map(([name, value]) => [value, isClass ? [name] : (decision.target_classes[name] ?? [])]);
  const remainder = 1 - sum(stated.map(([value]) => value));
  const named = stated.flatMap(([, codes]) => codes);
  const total = (/** @type {(code: string) => boolean} */ counts) => sum(classes.map(({ code }, index) => (counts(code) ? (old[index] ?? 0) : 0)));
  const rest = total((code) => !named.includes(code));
  return classes.map(({ code }, index) => {
    const group = stated.find(([, codes]) => codes.includes(code));
    const [value, whole] = group ? [group[0], total((other) => group[1].includes(other))] : [remainder, rest];
    return whole > 0 ? (value * (old[index] ?? 0)) / whole : 0;
  });
}

/**
 * The operating points with predictive values at a prevalence.
 * @param {ModelCard} card
 * @param {Record<string, number>} prevalence
 * @returns {OperatingPoint[]}
 */
function atPrevalence(card, prevalence) {
  const frequencies = frequenciesAt(card, prevalence);
  return card.operating_points.map((point) => {
    const positive = share(card, frequencies, point.target);
    const { ppv, npv } = predictiveValues(point, positive);
    return { ...point, ppv: ppv ?? 0, npv: npv ?? 0, prevalence: positive };
  });
}
