/** Small sums over arrays, and numbers written as Python writes them, so that a reason reads the same everywhere. */

/** @param {number[]} values */
export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Indices from the largest value to the smallest; equal ones keep their order.
 * @param {number[]} values
 */
export function descending(values) {
  return values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
}

/**
 * Three significant digits, as Python's `.3g`.
 * @param {number} value
 */
export function general(value) {
  const [digits = "", exponent] = value.toPrecision(3).split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  if (!exponent) return short;
  return `${short}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
