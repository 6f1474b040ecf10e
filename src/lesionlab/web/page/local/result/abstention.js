/** Reasons for an abstention, as in `lesionlab.prediction.decision.abstention`. */

import { brightnessAndContrast, sharpness } from "./measures.js";
import { general } from "../../result/numbers.js";

/** @typedef {import("../image/preprocess.js").Input} Input */
/** @typedef {import("../reference.js").Reference} Reference */
/** @typedef {import("../../types.js").AbstainReason} AbstainReason */

/** @typedef {NonNullable<import("../model_files.js").ModelDescription["dermoscopy"]>} DermoscopyDetector */

// Minimum shorter side of an image, as a share of the input's side.
const LEAST_SHARE = 0.25;
// A smaller share of the image is noise of the segmentation and no lesion.
const SMALLEST_SHARE = 0.003;

/**
 * The reasons that follow from the image itself; usually none.
 * @param {Reference} reference
 * @param {Input} input
 * @param {number | null} oodScore Null for a model that does not abstain by this score.
 * @returns {AbstainReason[]}
 */
export function imageReasons(reference, input, oodScore) {
  return [
    ...(reference.image ? [...sizeReasons(input), ...exposureReasons(reference.image, input.pixels)] : []),
    ...(reference.softest === null ? [] : sharpnessReasons(reference.softest, input)),
    ...(reference.features && oodScore !== null ? oodReasons(reference.features.limit, oodScore) : []),
  ];
}

/**
 * A reason if the segmentation finds no lesion.
 * @param {Float32Array | null} lesion Probability of each pixel; null for a graph without segmentation.
 * @param {number} threshold A pixel belongs to the lesion at or above it.
 * @returns {AbstainReason[]}
 */
export function lesionReasons(lesion, threshold) {
  if (!lesion) return [];
  const share = lesion.reduce((count, value) => count + Number(value >= threshold), 0) / lesion.length;
  return share >= SMALLEST_SHARE ? [] : [{ code: "no_lesion", message: "no lesion was found in the image" }];
}

/**
 * A reason if the image is not a dermoscopic image of a skin lesion.
 * @param {number | null} logit Null for a graph without a detector.
 * @param {DermoscopyDetector | null} detector
 * @returns {AbstainReason[]}
 */
export function dermoscopyReasons(logit, detector) {
  if (logit === null || !detector || logit >= detector.threshold) return [];
  const share = ((1 - detector.validation_share) * 100).toFixed(1);
  const message =
    `not a dermoscopic image of a skin lesion: score ${logit.toFixed(1)}, ` +
    `${share}% of validation images have at least ${detector.threshold.toFixed(1)}`;
  return [{ code: "not_dermoscopic", message }];
}

/**
 * @param {Input} input
 * @returns {AbstainReason[]}
 */
function sizeReasons({ size, originalSize }) {
  if (!originalSize || Math.min(...originalSize) >= size * LEAST_SHARE) return [];
  return [{ code: "too_small", message: `too small: ${originalSize.join("x")} pixels for an input of ${size}x${size}` }];
}

/**
 * @param {NonNullable<Reference["image"]>} limits
 * @param {Uint8ClampedArray} pixels
 */
function exposureReasons({ darkest, brightest, flattest }, pixels) {
  const { brightness, contrast } = brightnessAndContrast(pixels);
  /** @type {AbstainReason[]} */
  const reasons = [];
  if (contrast < flattest) {
    const message = `nearly uniform: contrast ${contrast.toFixed(1)}, training images have at least ${flattest.toFixed(1)}`;
    reasons.push({ code: "uniform", message });
  }
  if (brightness < darkest || brightness > brightest) {
    const code = brightness < darkest ? "too_dark" : "too_bright";
    const range = `training images have ${darkest.toFixed(0)} to ${brightest.toFixed(0)}`;
    reasons.push({ code, message: `${code.replace("_", " ")}: brightness ${brightness.toFixed(0)} of 255, ${range}` });
  }
  return reasons;
}

/**
 * @param {number} least
 * @param {Input} input
 * @returns {AbstainReason[]}
 */
function sharpnessReasons(least, { pixels, size }) {
  const value = sharpness(pixels, size);
  if (value >= least) return [];
  return [{ code: "blurred", message: `blurred: sharpness ${value.toFixed(2)}, training images have at least ${least.toFixed(2)}` }];
}

/**
 * @param {number} limit
 * @param {number} score
 * @returns {AbstainReason[]}
 */
function oodReasons(limit, score) {
  if (score <= limit) return [];
  const message =
    `out of distribution: unlike the training images, score ${general(score)}, ` +
    `98% of validation images have at most ${general(limit)}`;
  return [{ code: "out_of_distribution", message }];
}
