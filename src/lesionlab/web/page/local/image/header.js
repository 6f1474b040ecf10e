/** The header of an image file, read before any pixel is decoded. */

/**
 * @typedef {object} Header
 * @property {string} format
 * @property {string} type Media type.
 * @property {number} width As stored, before the EXIF orientation is applied.
 * @property {number} height
 * @property {import("./exif.js").Orientation | null} orientation
 * @property {Uint8Array | null} profile The embedded colour profile; empty if it is incomplete.
 * @property {(() => BlobPart[]) | null} withoutProfile The file for a browser that would convert its colours; null for the whole file.
 * @property {boolean} grey
 * @property {boolean} sixteenBit Greyscale with 16 bits.
 * @property {boolean} cmyk
 * @property {string | null} unread Why images of this kind are not read.
 * @property {boolean} multiFrame
 * @property {boolean} complete Whether the file is not truncated.
 */

/** @type {Omit<Header, "format" | "type" | "width" | "height">} */
export const DEFAULTS = {
  orientation: null,
  profile: null,
  withoutProfile: null,
  grey: false,
  sixteenBit: false,
  cmyk: false,
  unread: null,
  multiFrame: false,
  complete: true,
};

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

/**
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array}
 */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
