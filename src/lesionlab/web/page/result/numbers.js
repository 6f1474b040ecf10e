/** Sums and orders of arrays, and numbers formatted as Python formats them, so that messages are the same everywhere. */

/** @param {number[]} values */
export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Indices from the largest value to the smallest; equal values keep their order.
 * @param {number[]} values
 */
export function descending(values) {
  return values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
}

/**
 * Python's `.1%`.
 * @param {number} share
 */
export function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

/**
 * Python's `.3g`.
 * @param {number} value
 */
export function general(value) {
  const [digits = "", exponent] = value.toPrecision(3).split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  if (!exponent) return short;
  return `${short}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
