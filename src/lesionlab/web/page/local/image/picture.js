/** Pixels outside of any canvas. */

/**
 * @typedef {object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray} data Red, green, blue; row by row from the top left.
 */

/**
 * Whether an EXIF orientation swaps width and height.
 * @param {number} orientation
 */
export function onItsSide(orientation) {
  return orientation >= 5;
}

/**
 * Turn a picture as its EXIF orientation, 1 to 8, says.
 * @param {Picture} picture
 * @param {number} orientation
 * @returns {Picture}
 */
export function upright(picture, orientation) {
  if (orientation === 1) return picture;
  const { width, height, data } = picture;
  const side = onItsSide(orientation);
  const [fromRight, fromBottom] = [[2, 3, 7, 8].includes(orientation), [3, 4, 6, 7].includes(orientation)];
  const [columns, rows] = side ? [height, width] : [width, height];
  const out = new Uint8ClampedArray(data.length);
  let place = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [across, down] = side ? [y, x] : [x, y];
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
