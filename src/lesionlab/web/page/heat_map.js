/** Draws a grid of values as a smooth heat map, in colours that are safe for colour blindness. */

/** @typedef {import("./types.js").Explanation} Explanation */

const SIDE = 256;

// Viridis (van der Walt and Smith, 2015) at nine points: perceptually uniform, safe for colour blindness, and distinct
// from the colours of skin.
const STOPS = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

/**
 * Draw the grid on a canvas. Low values are nearly transparent, so that the image stays visible.
 * @param {HTMLCanvasElement} canvas
 * @param {Explanation} explanation
 */
export function drawHeatMap(canvas, { values, rows, columns }) {
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = canvas.getContext("2d");
  if (!context) return;
  const pixels = context.createImageData(SIDE, SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const value = interpolate(values, rows, columns, ((y + 0.5) / SIDE) * rows - 0.5, ((x + 0.5) / SIDE) * columns - 0.5);
      pixels.data.set([...colour(value), 255 * Math.min(1, 0.15 + 1.1 * value)], 4 * (y * SIDE + x));
    }
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * Cubic interpolation (Catmull-Rom; Keys, IEEE Trans. ASSP 29, 1981) between the centres of the cells.
 * @param {number[][]} values
 * @param {number} rows
 * @param {number} columns
 * @param {number} y In cells.
 * @param {number} x In cells.
 */
function interpolate(values, rows, columns, y, x) {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  let sum = 0;
  for (let j = -1; j <= 2; j++) {
    const row = values[Math.min(Math.max(top + j, 0), rows - 1)] ?? [];
    for (let i = -1; i <= 2; i++) {
      const value = row[Math.min(Math.max(left + i, 0), columns - 1)] ?? 0;
      sum += value * keys(y - top - j) * keys(x - left - i);
    }
  }
  return Math.min(Math.max(sum, 0), 1);
}

/** @param {number} distance */
function keys(distance) {
  const d = Math.abs(distance);
  if (d < 1) return 1.5 * d ** 3 - 2.5 * d ** 2 + 1;
  return d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0;
}

/**
 * @param {number} value 0 to 1.
 * @returns {number[]} Red, green, blue.
 */
export function colour(value) {
  const position = value * (STOPS.length - 1);
  const below = STOPS[Math.floor(position)] ?? [0, 0, 0];
  const above = STOPS[Math.ceil(position)] ?? below;
  return below.map((channel, index) => channel + (position % 1) * ((above[index] ?? 0) - channel));
}
