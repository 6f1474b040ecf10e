/** Metadata, as far as they say which way is up: EXIF, or XMP where that says nothing, as Pillow reads them. */

import { text } from "./header.js";

/**
 * @typedef {object} Orientation
 * @property {number} value As in EXIF, from 1 for upright to 8.
 * @property {{ place: number, little: boolean } | null} exif Where it stands in the file; null for XMP, which no browser heeds.
 */

const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * Find the orientation in a block of TIFF tags.
 * @param {DataView} view The whole file.
 * @param {number} start Where the block begins.
 * @returns {Orientation | null} Null where there is none, or none that can be read: metadata must not cost the picture.
 */
export function orientationIn(view, start) {
  try {
    const little = view.getUint16(start) === 0x4949;
    const first = start + view.getUint32(start + 4, little);
    const count = view.getUint16(first, little);
    for (let index = 0; index < count; index++) {
      const entry = first + 2 + 12 * index;
      if (view.getUint16(entry, little) !== ORIENTATION || view.getUint16(entry + 2, little) !== SHORT) continue;
      return { value: known(view.getUint16(entry + 8, little)), exif: { place: entry + 8, little } };
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

/**
 * @param {DataView} view
 * @param {number} start Where the text begins.
 * @param {number} length
 * @returns {Orientation | null}
 */
export function orientationInXmp(view, start, length) {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(text(view, start, length));
  return found ? { value: known(Number(found[1])), exif: null } : null;
}

/** @param {number} value */
function known(value) {
  return value >= 2 && value <= 8 ? value : 1;
}
