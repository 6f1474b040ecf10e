/**
 * Resampling with exactly Pillow's values: each pass is a weighted mean over all source pixels that a target pixel
 * covers (antialiasing), with weights in fixed point, rounded to 8 bits.
 * Source: Pillow, `src/libImaging/Resample.c`.
 */

/** @typedef {import("./rgb_image.js").RgbImage} RgbImage */
/** @typedef {"bilinear" | "bicubic"} Interpolation */
/** @typedef {{ first: number, weights: Int32Array }} Tap The source pixels of one target pixel. */

const BITS = 22;
const ONE = 2 ** BITS;
const HALF = 2 ** (BITS - 1);

/** @type {Record<Interpolation, { reach: number, weight: (distance: number) => number }>} */
const FILTERS = {
  bilinear: { reach: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) },
  bicubic: { reach: 2, weight: keys },
};

/**
 * @param {RgbImage} image
 * @param {number} side Side of the resulting square.
 * @param {Interpolation} interpolation
 * @returns {RgbImage}
 */
export function resizeToSquare(image, side, interpolation) {
  const scaled = image.width === side ? image : resampleRows(image, taps(image.width, side, interpolation));
  return scaled.height === side ? scaled : resampleColumns(scaled, taps(scaled.height, side, interpolation));
}

/**
 * @param {number} from Pixels of the source.
 * @param {number} to Pixels of the target.
 * @param {Interpolation} interpolation
 * @returns {Tap[]}
 */
function taps(from, to, interpolation) {
  const { reach, weight } = FILTERS[interpolation];
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = reach * stretch;
  return Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: end - first }, (_, i) => weight((first + i - centre + 0.5) * (1 / stretch)));
    const sum = raw.reduce((total, value) => total + value, 0);
    return { first, weights: Int32Array.from(raw, (value) => toFixedPoint(value * (1 / sum))) };
  });
}

/** @param {number} weight */
function toFixedPoint(weight) {
  return Math.trunc(weight * ONE + (weight < 0 ? -0.5 : 0.5));
}

/**
 * @param {RgbImage} image
 * @param {Tap[]} columns
 * @returns {RgbImage}
 */
function resampleRows({ width, height, data }, columns) {
  const out = new Uint8ClampedArray(3 * columns.length * height);
  let place = 0;
  for (let row = 0; row < height; row++) {
    for (const { first, weights } of columns) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let at = 3 * (row * width + first);
      for (const weight of weights) {
        red += weight * (data[at++] ?? 0);
        green += weight * (data[at++] ?? 0);
        blue += weight * (data[at++] ?? 0);
      }
      out[place++] = red >> BITS;
      out[place++] = green >> BITS;
      out[place++] = blue >> BITS;
    }
  }
  return { width: columns.length, height, data: out };
}

/**
 * @param {RgbImage} image
 * @param {Tap[]} rows
 * @returns {RgbImage}
 */
function resampleColumns({ width, data }, rows) {
  const stride = 3 * width;
  const out = new Uint8ClampedArray(stride * rows.length);
  rows.forEach(({ first, weights }, row) => {
    for (let x = 0; x < stride; x++) {
      let sum = HALF;
      let at = first * stride + x;
      for (const weight of weights) {
        sum += weight * (data[at] ?? 0);
        at += stride;
      }
      out[row * stride + x] = sum >> BITS;
    }
  });
  return { width, height: rows.length, data: out };
}

/**
 * Cubic convolution with a = -0.5 (Keys, IEEE Trans. ASSP 29, 1981).
 * @param {number} distance
 */
function keys(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
