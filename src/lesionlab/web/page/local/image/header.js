/** The header of an image file, read before any pixel is decoded. */

/**
 * @typedef {object} Header
 * @property {string} format
 * @property {string} type Media type.
 * @property {number} width As stored, before the EXIF orientation is applied.
 * @property {number} height
 * @property {import("./exif.js").Orientation | null} orientation
 * @property {boolean} grey
 * @property {boolean} sixteenBit Greyscale with 16 bits.
 * @property {boolean} cmyk
 * @property {boolean} multiFrame
 * @property {boolean} complete Whether the file is not truncated.
 */

/** @type {Omit<Header, "format" | "type" | "width" | "height">} */
export const DEFAULTS = { orientation: null, grey: false, sixteenBit: false, cmyk: false, multiFrame: false, complete: true };

/**
 * Bytes as text, one character for each.
 * @param {DataView} view
 * @param {number} at
 * @param {number} length
 */
export function text(view, at, length) {
  const end = Math.min(at + length, view.byteLength);
  return Array.from({ length: Math.max(0, end - at) }, (_, index) => String.fromCharCode(view.getUint8(at + index))).join("");
}
