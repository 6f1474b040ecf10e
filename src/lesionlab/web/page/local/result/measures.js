/** What a picture and its features are like, in the numbers that the bundle's limits are given in. */

import { sum } from "./numbers.js";

/** @typedef {import("../reference.js").FeatureSpace} FeatureSpace */

/**
 * Brightness, the mean of all values, and contrast, the mean over the channels of a channel's standard deviation.
 * @param {Uint8ClampedArray} pixels [size, size, 3].
 */
export function measuredPicture(pixels) {
  const count = pixels.length / 3;
  const channels = [0, 1, 2].map((channel) => {
    let [total, squares] = [0, 0];
    for (let at = channel; at < pixels.length; at += 3) {
      const value = pixels[at] ?? 0;
      total += value;
      squares += value * value;
    }
    return { mean: total / count, deviation: Math.sqrt((squares - (total * total) / count) / count) };
  });
  return { brightness: sum(channels.map(({ mean }) => mean)) / 3, contrast: sum(channels.map(({ deviation }) => deviation)) / 3 };
}

const SHARPNESS_SIDE = 224;

/**
 * The standard deviation of the Laplacian of a picture's grey, of a large one at each second pixel or each third
 * (`lesionlab.prediction.refusal.sharpness`).
 * @param {Uint8ClampedArray} pixels [side, side, 3].
 * @param {number} side
 */
export function sharpness(pixels, side) {
  const step = Math.max(1, Math.floor(side / SHARPNESS_SIDE));
  const size = Math.ceil(side / step);
  const grey = new Float64Array(size * size);
  for (let at = 0; at < grey.length; at++) {
    const from = 3 * step * (Math.floor(at / size) * side + (at % size));
    grey[at] = ((pixels[from] ?? 0) + (pixels[from + 1] ?? 0) + (pixels[from + 2] ?? 0)) / 3;
  }
  let [total, squares] = [0, 0];
  for (let y = 1; y < size - 1; y++) {
    for (let at = y * size + 1; at < (y + 1) * size - 1; at++) {
      const around = (grey[at - size] ?? 0) + (grey[at + size] ?? 0) + (grey[at - 1] ?? 0) + (grey[at + 1] ?? 0);
      const value = around - 4 * (grey[at] ?? 0);
      total += value;
      squares += value * value;
    }
  }
  const count = (size - 2) ** 2;
  return Math.sqrt(Math.max(0, squares / count - (total / count) ** 2));
}

/**
 * How far the features of an image lie from those of the training images: the length of what these images' principal
 * directions leave of the roots of its features (`lesionlab.prediction.refusal.distances`).
 * @param {FeatureSpace} space
 * @param {Float32Array} features [D].
 */
export function distance({ mean, basis }, features) {
  const left = Float64Array.from(features, (value, index) => Math.sign(value) * Math.sqrt(Math.abs(value)) - (mean[index] ?? 0));
  const width = features.length;
  const whole = Float64Array.from(left);
  for (let start = 0; start < basis.length; start += width) {
    let share = 0;
    for (let index = 0; index < width; index++) share += (whole[index] ?? 0) * (basis[start + index] ?? 0);
    for (let index = 0; index < width; index++) left[index] = (left[index] ?? 0) - share * (basis[start + index] ?? 0);
  }
  return Math.hypot(...left);
}
