/** What a file says of its picture before any pixel is decoded. */

/**
 * @typedef {object} Header
 * @property {string} format
 * @property {string} type Media type.
 * @property {number} width As stored, before it is turned upright.
 * @property {number} height
 * @property {import("./exif.js").Orientation | null} orientation
 * @property {boolean} grey
 * @property {boolean} deep Grey of 16 bits.
 * @property {boolean} cmyk
 * @property {boolean} several Whether it holds several frames.
 * @property {boolean} whole Whether its end is there.
 */

/** @type {Omit<Header, "format" | "type" | "width" | "height">} */
export const ORDINARY = { orientation: null, grey: false, deep: false, cmyk: false, several: false, whole: true };

/**
 * Bytes as a text, one character for each.
 * @param {DataView} view
 * @param {number} at
 * @param {number} length
 */
export function text(view, at, length) {
  const end = Math.min(at + length, view.byteLength);
  return Array.from({ length: Math.max(0, end - at) }, (_, index) => String.fromCharCode(view.getUint8(at + index))).join("");
}
