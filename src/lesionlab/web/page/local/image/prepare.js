/** From an image file to what the graph takes: `lesionlab.prediction.prepared`, in the browser. */

import { decoded } from "./decode.js";
import { squared } from "./resample.js";

/** @typedef {import("../site.js").BundleInfo} BundleInfo */

/**
 * @typedef {object} Prepared
 * @property {Uint8ClampedArray} pixels [size, size, 3].
 * @property {number} size
 * @property {string[]} notes
 * @property {[number, number] | null} original Width and height before it was scaled; null where the model does not care.
 */

// Dermatoscope images are 4:3; HAM10000 is also handed round squashed to a square. Anything between is usual.
const USUAL_ASPECT = [0.7, 1.55];

/**
 * @param {Blob} file
 * @param {BundleInfo["preprocessing"]} preprocessing
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @returns {Promise<Prepared>}
 */
export async function prepared(file, { size, through, interpolation }, jpeg) {
  const { picture, width, height, notes } = await decoded(file, through || size, jpeg);
  const square = [through, size].filter(Boolean).reduce((from, side) => squared(from, side, interpolation), picture);
  return {
    pixels: square.data,
    size,
    notes: [...notes, ...shapeNotes(width, height, through || size, size)],
    original: through ? null : [width, height],
  };
}

/**
 * @param {number} width
 * @param {number} height
 * @param {number} seen Side of the smallest square on the way.
 * @param {number} size
 */
function shapeNotes(width, height, seen, size) {
  const [low = 0, high = 0] = USUAL_ASPECT;
  const notes = [];
  if (!(low <= width / height && width / height <= high)) {
    notes.push(`unusual shape ${width}x${height}: squashed to a square, the model has seen 4:3 and 1:1`);
  }
  if (Math.min(width, height) < Math.floor(seen / 2)) {
    notes.push(`only ${width}x${height} pixels, enlarged to ${size}x${size}`);
  }
  return notes;
}
