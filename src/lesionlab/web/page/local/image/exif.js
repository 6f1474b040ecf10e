/** The orientation of an image from its metadata: EXIF, or XMP where EXIF has none, as in Pillow. */

import { text } from "./header.js";

/**
 * @typedef {object} Orientation
 * @property {number} value EXIF orientation from 1 (upright) to 8.
 * @property {{ offset: number, little: boolean } | null} exif Its position in the file; null for XMP, which browsers ignore.
 */

const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * Find the orientation in a block of TIFF tags.
 * @param {DataView} view The whole file.
 * @param {number} start Offset of the block.
 * @returns {Orientation | null} Null for none, or an unreadable one: damaged metadata do not reject an image.
 */
export function orientationIn(view, start) {
  try {
    const little = view.getUint16(start) === 0x4949;
    const first = start + view.getUint32(start + 4, little);
    const count = view.getUint16(first, little);
    for (let index = 0; index < count; index++) {
      const entry = first + 2 + 12 * index;
      if (view.getUint16(entry, little) !== ORIENTATION || view.getUint16(entry + 2, little) !== SHORT) continue;
      return { value: valid(view.getUint16(entry + 8, little)), exif: { offset: entry + 8, little } };
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

/**
 * @param {DataView} view
 * @param {number} start Offset of the text.
 * @param {number} length
 * @returns {Orientation | null}
 */
export function orientationInXmp(view, start, length) {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(text(view, start, length));
  return found ? { value: valid(Number(found[1])), exif: null } : null;
}

/** @param {number} value */
function valid(value) {
  return value >= 2 && value <= 8 ? value : 1;
}
