/** Patient data and their effect on the probabilities, as in `lesionlab.bundle.patient`. */

import { EngineError } from "../engine.js";
import { normalize } from "./probabilities.js";

/** @typedef {import("../types.js").PatientEffects} PatientEffects */
/** @typedef {{ age?: number, sex?: string, site?: string }} ParsedPatient */

const MAX_AGE = 120;
const SEXES = ["female", "male"];
const UNKNOWN = "unknown";

/**
 * Parse the form's fields; values that are not given are left out.
 * @param {import("../types.js").Patient} patient
 * @param {string[]} sites Anatomical sites.
 * @returns {ParsedPatient}
 * @throws {EngineError}
 */
export function parsePatient({ age = "", sex = "", site = "" }, sites) {
  const years = Number(age);
  if (age !== "" && !(years >= 0 && years <= MAX_AGE)) fail(`age: it should be a number from 0 to ${MAX_AGE}`);
  if (sex !== "" && !SEXES.includes(sex)) fail(`sex: it should be one of ${SEXES.join(", ")}`);
  if (site !== "" && !sites.includes(site)) fail(`site: it should be one of ${sites.join(", ")}`);
  return {
    ...(age === "" ? {} : { age: years }),
    ...(sex === "" ? {} : { sex }),
    ...(site === "" ? {} : { site }),
  };
}

/**
 * Add the patient's log likelihood ratios to the log-probabilities.
 * @param {number[]} probabilities
 * @param {PatientEffects} effects
 * @param {ParsedPatient} patient
 */
export function adjustForPatient(probabilities, effects, patient) {
  const rows = [
    patient.age === undefined || effects.ages.length === 0 ? undefined : atAge(effects, patient.age),
    effects.sex[patient.sex ?? ""],
    effects.site[patient.site ?? ""],
  ].filter((row) => row !== undefined);
  if (rows.length === 0) return probabilities;
  const ratios = probabilities.map((_, index) => effects.strength * rows.reduce((total, row) => total + (row[index] ?? 0), 0));
  const highest = Math.max(...ratios);
  return normalize(probabilities.map((probability, index) => probability * Math.exp((ratios[index] ?? 0) - highest)));
}

/**
 * Notes on the use of the patient data.
 * @param {PatientEffects | null} effects
 * @param {ParsedPatient} patient
 */
export function patientNotes(effects, patient) {
  const isUnknown = patient.site === UNKNOWN;
  const given = Object.keys(patient)
    .filter((field) => field !== "site" || !isUnknown)
    .join(" and ");
  return [
    ...(given ? [effects ? `${given} taken into account` : `${given} ignored: this model uses the image alone`] : []),
    ...(isUnknown ? ["site not taken into account: it is none of those in the training data"] : []),
  ];
}

/**
 * The ratios at an age: linear interpolation, constant beyond the first and last age.
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
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  throw new EngineError("image", message);
}
