/** RGB images outside a canvas, and their orientation. */

/**
 * @typedef {object} RgbImage
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray} data Red, green, blue; row by row from the top left.
 */

/**
 * Whether an EXIF orientation swaps width and height.
 * @param {number} orientation
 */
export function swapsSides(orientation) {
  return orientation >= 5;
}

/**
 * Apply an EXIF orientation, 1 to 8.
 * @param {RgbImage} image
 * @param {number} orientation
 * @returns {RgbImage}
 */
export function applyOrientation(image, orientation) {
  if (orientation === 1) return image;
  const { width, height, data } = image;
  const swapped = swapsSides(orientation);
  const [fromRight, fromBottom] = [[2, 3, 7, 8].includes(orientation), [3, 4, 6, 7].includes(orientation)];
  const [columns, rows] = swapped ? [height, width] : [width, height];
  const out = new Uint8ClampedArray(data.length);
  let place = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [across, down] = swapped ? [y, x] : [x, y];
      const column = fromRight ? width - 1 - across : across;
      const row = fromBottom ? height - 1 - down : down;
      const at = 3 * (row * width + column);
      out[place++] = data[at] ?? 0;
      out[place++] = data[at + 1] ?? 0;
      out[place++] = data[at + 2] ?? 0;
    }
  }
  return { width: columns, height: rows, data: out };
}
