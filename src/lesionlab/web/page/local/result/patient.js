/** What is known of the patient, and what it says of each diagnosis: `lesionlab.bundle.patient`, in the browser. */

import { EngineError } from "../../engine.js";
import { normalised } from "./probabilities.js";

/** @typedef {import("../site.js").PatientEffects} PatientEffects */
/** @typedef {{ age?: number, sex?: string, site?: string }} Known */

const OLDEST = 120;
const SEXES = ["female", "male"];

/**
 * Read what was typed.
 * @param {import("../../contract.js").Patient} patient
 * @param {string[]} sites Places on the body that have a name.
 * @returns {Known} What is missing is not there.
 * @throws {EngineError}
 */
export function known({ age = "", sex = "", site = "" }, sites) {
  const years = Number(age);
  if (age !== "" && !(years >= 0 && years <= OLDEST)) refuse(`age: it should be a number from 0 to ${OLDEST}`);
  if (sex !== "" && !SEXES.includes(sex)) refuse(`sex: it should be one of ${SEXES.join(", ")}`);
  if (site !== "" && !sites.includes(site)) refuse(`site: it should be one of ${sites.join(", ")}`);
  return {
    ...(age === "" ? {} : { age: years }),
    ...(sex === "" ? {} : { sex }),
    ...(site === "" || site === "unknown" ? {} : { site }),
  };
}

/**
 * The probabilities of an image together with what is known of its patient: log likelihood ratios are added.
 * @param {number[]} probabilities
 * @param {PatientEffects} effects
 * @param {Known} patient
 */
export function adjusted(probabilities, effects, patient) {
  const rows = [
    patient.age === undefined || effects.ages.length === 0 ? undefined : atAge(effects, patient.age),
    effects.sex[patient.sex ?? ""],
    effects.site[patient.site ?? ""],
  ].filter((row) => row !== undefined);
  if (rows.length === 0) return probabilities;
  const ratios = probabilities.map((_, index) => effects.strength * rows.reduce((total, row) => total + (row[index] ?? 0), 0));
  const highest = Math.max(...ratios);
  return normalised(probabilities.map((probability, index) => probability * Math.exp((ratios[index] ?? 0) - highest)));
}

/**
 * What a reader of the result has to know of what was told of the patient.
 * @param {PatientEffects | null} effects
 * @param {Known} patient
 */
export function patientNotes(effects, patient) {
  const given = Object.keys(patient).join(" and ");
  if (!given) return [];
  return [effects ? `${given} taken into account` : `${given} given, but not read: this model judges the picture alone`];
}

/**
 * Between the ages that there are ratios for they are interpolated, beyond them they stay.
 * @param {PatientEffects} effects
 * @param {number} age
 */
function atAge({ ages, age: rows }, age) {
  const above = ages.findIndex((other) => other >= age);
  if (above <= 0) return above === 0 ? rows[0] : rows.at(-1);
  const [low = 0, high = 0] = ages.slice(above - 1, above + 1);
  const share = (age - low) / (high - low);
  return rows[above]?.map((value, index) => (1 - share) * (rows[above - 1]?.[index] ?? 0) + share * value);
}

/**
 * @param {string} why
 * @returns {never}
 */
function refuse(why) {
  throw new EngineError("image", why);
}
