/** When an image is not one that the model can judge, and why: `lesionlab.prediction.refusal`, in the browser. */

import { distance, measuredPicture, sharpness } from "./measures.js";
import { general } from "./numbers.js";

/** @typedef {import("../image/prepare.js").Prepared} Prepared */
/** @typedef {import("../reference.js").Reference} Reference */
/** @typedef {{ code: string, message: string }} Reason */

// A picture whose shorter side has fewer pixels than this share of the input's shows too little.
const LEAST_SHARE = 0.25;
// Less of the picture than this is a speck of the network's and no lesion.
const SMALLEST_SHARE = 0.003;

/**
 * What speaks against judging an image, whatever the answer; mostly nothing.
 * @param {Reference} reference
 * @param {Prepared} image
 * @param {Float32Array | null} features Pooled; null for a graph that gives none.
 * @returns {Reason[]}
 */
export function reasonsAgainst(reference, image, features) {
  return [
    ...(reference.picture ? [...sizeReasons(image), ...pictureReasons(reference.picture, image.pixels)] : []),
    ...(reference.softest === null ? [] : sharpnessReasons(reference.softest, image)),
    ...(reference.features && features ? distanceReasons(reference.features, features) : []),
  ];
}

/**
 * Why not to judge a picture in which the network that looks for the lesion finds none.
 * @param {Float32Array | null} lesion Probability of each pixel; null for a graph that does not look.
 * @param {number} threshold A pixel belongs to the lesion at or above it.
 * @returns {Reason[]}
 */
export function withoutLesion(lesion, threshold) {
  if (!lesion) return [];
  const found = lesion.reduce((count, value) => count + Number(value >= threshold), 0) / lesion.length;
  return found >= SMALLEST_SHARE ? [] : [{ code: "no_lesion", message: "no lesion was found in the picture" }];
}

/**
 * @param {number} score Of the answer, where the scores of all classes sum to 1.
 * @param {number} limit
 * @returns {Reason[]}
 */
export function uncertain(score, limit) {
  if (score >= limit) return [];
  const message = `uncertain: no class stands out; the first scores ${score.toFixed(2)}, of 98 in 100 images at least ${limit.toFixed(2)}`;
  return [{ code: "uncertain", message }];
}

/**
 * @param {Prepared} image
 * @returns {Reason[]}
 */
function sizeReasons({ size, original }) {
  if (!original || Math.min(...original) >= size * LEAST_SHARE) return [];
  return [{ code: "too_small", message: `too small: ${original.join("x")} pixels for an input of ${size}x${size}` }];
}

/**
 * @param {NonNullable<Reference["picture"]>} limits
 * @param {Uint8ClampedArray} pixels
 */
function pictureReasons({ darkest, brightest, flattest }, pixels) {
  const { brightness, contrast } = measuredPicture(pixels);
  /** @type {Reason[]} */
  const reasons = [];
  if (contrast < flattest) {
    const message = `nearly uniform: contrast ${contrast.toFixed(1)}, training images have at least ${flattest.toFixed(1)}`;
    reasons.push({ code: "uniform", message });
  }
  if (brightness < darkest || brightness > brightest) {
    const [code, words] = brightness < darkest ? ["too_dark", "too dark"] : ["too_bright", "too bright"];
    const seen = `training images have ${darkest.toFixed(0)} to ${brightest.toFixed(0)}`;
    reasons.push({ code, message: `${words}: brightness ${brightness.toFixed(0)} of 255, ${seen}` });
  }
  return reasons;
}

/**
 * @param {number} least
 * @param {Prepared} image
 * @returns {Reason[]}
 */
function sharpnessReasons(least, { pixels, size }) {
  const found = sharpness(pixels, size);
  if (found >= least) return [];
  return [{ code: "blurred", message: `blurred: sharpness ${found.toFixed(2)}, training images have at least ${least.toFixed(2)}` }];
}

/**
 * @param {NonNullable<Reference["features"]>} space
 * @param {Float32Array} features
 * @returns {Reason[]}
 */
function distanceReasons(space, features) {
  const away = distance(space, features);
  if (away <= space.limit) return [];
  const message =
    `unlike the images that the model was trained on: distance ${general(away)}, ` +
    `98 in 100 of their kind lie within ${general(space.limit)}`;
  return [{ code: "unfamiliar", message }];
}
