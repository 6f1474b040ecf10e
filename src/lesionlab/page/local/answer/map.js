/** Where in the picture an answer comes from: the class activation map (`lesionlab.prediction.explanation`). */

/** @typedef {import("../graph.js").FeatureMap} FeatureMap */

const METHOD = "class activation map";

/**
 * @param {Float32Array} weights Of the class explained, one for each channel.
 * @param {FeatureMap} map
 * @param {{ code: string, name: string }} of
 * @returns {import("../../contract.js").Explanation}
 */
export function explanation(weights, { data, rows, columns }, { code, name }) {
  const places = rows * columns;
  const activation = new Float32Array(places);
  weights.forEach((weight, channel) => {
    for (let place = 0; place < places; place++) activation[place] = (activation[place] ?? 0) + weight * (data[channel * places + place] ?? 0);
  });
  const highest = Math.max(0, ...activation);
  // Three digits are finer than any screen shows.
  const share = (/** @type {number} */ value) => (highest > 0 ? Math.round((1000 * Math.max(0, value)) / highest) / 1000 : 0);
  const values = Array.from({ length: rows }, (_, row) => Array.from(activation.subarray(row * columns, (row + 1) * columns), share));
  return { method: METHOD, diagnosis: code, name, rows, columns, values };
}

/**
 * The mean over the places of a map, one for each channel.
 * @param {FeatureMap} map
 */
export function pooled({ data, rows, columns }) {
  const places = rows * columns;
  return Float32Array.from({ length: data.length / places }, (_, channel) => {
    let total = 0;
    for (let place = channel * places; place < (channel + 1) * places; place++) total += data[place] ?? 0;
    return total / places;
  });
}
