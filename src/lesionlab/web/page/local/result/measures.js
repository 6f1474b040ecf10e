/** Image quality measures and the out-of-distribution score, on the scales of the bundle's limits. */

import { sum } from "../../result/numbers.js";

/** @typedef {import("../reference.js").FeatureSpace} FeatureSpace */

/**
 * Brightness: mean of all values. Contrast: standard deviation of a channel, averaged over the channels.
 * @param {Uint8ClampedArray} pixels [size, size, 3].
 */
export function brightnessAndContrast(pixels) {
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
 * Standard deviation of the Laplacian of the grey values; large images are subsampled
 * (`lesionlab.images.quality.sharpness`).
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
      const neighbours = (grey[at - size] ?? 0) + (grey[at + size] ?? 0) + (grey[at - 1] ?? 0) + (grey[at + 1] ?? 0);
      const value = neighbours - 4 * (grey[at] ?? 0);
      total += value;
      squares += value * value;
    }
  }
  const count = (size - 2) ** 2;
  return Math.sqrt(Math.max(0, squares / count - (total / count) ** 2));
}

/**
 * Norm of the residual of the features' signed square roots after projection on the principal directions of the
 * training images (`lesionlab.bundle.features.ood_scores`).
 * @param {FeatureSpace} space
 * @param {Float32Array} features [D].
 */
export function oodScore({ mean, basis }, features) {
  const centred = Float64Array.from(features, (value, index) => Math.sign(value) * Math.sqrt(Math.abs(value)) - (mean[index] ?? 0));
  const residual = Float64Array.from(centred);
  const width = features.length;
  for (let start = 0; start < basis.length; start += width) {
    let coordinate = 0;
    for (let index = 0; index < width; index++) coordinate += (centred[index] ?? 0) * (basis[start + index] ?? 0);
    for (let index = 0; index < width; index++) residual[index] = (residual[index] ?? 0) - coordinate * (basis[start + index] ?? 0);
  }
  return Math.hypot(...residual);
}
