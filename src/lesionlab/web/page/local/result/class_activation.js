/** Class activation maps, as in `lesionlab.prediction.explanation.class_activation`. */

/** @typedef {import("../graph.js").FeatureMap} FeatureMap */

const METHOD = "class activation map";
// Cells along a side of the map of a cropped image.
const GRID = 32;

/**
 * @param {Float32Array} weights Weights of the class, one for each channel.
 * @param {FeatureMap} map
 * @param {Float32Array | null} crop Position of the map in the image; null for the whole image.
 * @param {{ code: string, name: string }} explained
 * @returns {import("../../types.js").Explanation}
 */
export function classActivationMap(weights, { data, rows, columns }, crop, { code, name }) {
  const places = rows * columns;
  const activation = new Float32Array(places);
  weights.forEach((weight, channel) => {
    for (let place = 0; place < places; place++) activation[place] = (activation[place] ?? 0) + weight * (data[channel * places + place] ?? 0);
  });
  const positive = activation.map((value) => Math.max(0, value));
  const highest = Math.max(...positive);
  // Three digits are finer than a screen resolves.
  const scale = (/** @type {number} */ value) => (highest > 0 ? Math.round((1000 * value) / highest) / 1000 : 0);
  if (crop) {
    const values = placeInImage({ data: positive, rows, columns }, crop).map((row) => row.map(scale));
    return { method: METHOD, code, name, rows: GRID, columns: GRID, values };
  }
  const values = Array.from({ length: rows }, (_, row) => Array.from(positive.subarray(row * columns, (row + 1) * columns), scale));
  return { method: METHOD, code, name, rows, columns, values };
}

/**
 * The map of a square of the image as a map of the whole image; 0 outside the square.
 * @param {FeatureMap} map
 * @param {Float32Array} crop
 */
function placeInImage({ data, rows, columns }, [left = 0, top = 0, side = 1]) {
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
 * The mean over the positions of a map, one value for each channel.
 * @param {FeatureMap} map
 */
export function poolFeatures({ data, rows, columns }) {
  const places = rows * columns;
  return Float32Array.from({ length: data.length / places }, (_, channel) => {
    let total = 0;
    for (let place = channel * places; place < (channel + 1) * places; place++) total += data[place] ?? 0;
    return total / places;
  });
}
