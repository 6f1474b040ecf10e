/** Where in the picture an answer comes from: the class activation map (`lesionlab.prediction.explanation`). */

/** @typedef {import("../graph.js").FeatureMap} FeatureMap */

const METHOD = "class activation map";
// Cells along a side of a map that was placed in its picture.
const GRID = 32;

/**
 * @param {Float32Array} weights Of the class explained, one for each channel.
 * @param {FeatureMap} map
 * @param {Float32Array | null} crop Where in the picture the map lies; null for all of it.
 * @param {{ code: string, name: string }} of
 * @returns {import("../../contract.js").Explanation}
 */
export function explanation(weights, { data, rows, columns }, crop, { code, name }) {
  const places = rows * columns;
  const activation = new Float32Array(places);
  weights.forEach((weight, channel) => {
    for (let place = 0; place < places; place++) activation[place] = (activation[place] ?? 0) + weight * (data[channel * places + place] ?? 0);
  });
  const highest = Math.max(0, ...activation);
  // Three digits are finer than any screen shows.
  const share = (/** @type {number} */ value) => (highest > 0 ? Math.round((1000 * Math.max(0, value)) / highest) / 1000 : 0);
  const positive = activation.map((value) => Math.max(0, value));
  if (crop) {
    const values = placed({ data: positive, rows, columns }, crop).map((row) => row.map(share));
    return { method: METHOD, diagnosis: code, name, rows: GRID, columns: GRID, values };
  }
  const values = Array.from({ length: rows }, (_, row) => Array.from(positive.subarray(row * columns, (row + 1) * columns), share));
  return { method: METHOD, diagnosis: code, name, rows, columns, values };
}

/**
 * The map of a part of a picture as one of the whole; 0 where nothing was looked at.
 * @param {FeatureMap} map
 * @param {Float32Array} crop
 */
function placed({ data, rows, columns }, [left = 0, top = 0, side = 1]) {
  const along = (/** @type {number} */ begin, /** @type {number} */ count) =>
    Array.from({ length: GRID }, (_, cell) => {
      const share = ((cell + 0.5) / GRID - begin) / side;
      const position = Math.min(Math.max(share * count - 0.5, 0), count - 1);
      return { inside: share >= 0 && share <= 1, first: Math.min(Math.floor(position), Math.max(0, count - 2)), position };
    });
  const at = (/** @type {number} */ row, /** @type {number} */ column) => data[row * columns + column] ?? 0;
  const across = along(left, columns);
  return along(top, rows).map((down) =>
    across.map((over) => {
      if (!down.inside || !over.inside) return 0;
      const [y, x] = [down.position - down.first, over.position - over.first];
      const [row, column] = [Math.min(down.first + 1, rows - 1), Math.min(over.first + 1, columns - 1)];
      const upper = (1 - x) * at(down.first, over.first) + x * at(down.first, column);
      const lower = (1 - x) * at(row, over.first) + x * at(row, column);
      return (1 - y) * upper + y * lower;
    }),
  );
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
