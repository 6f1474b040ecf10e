/** Preprocessing: from an image file to the input of the graph, as in `lesionlab.images.Preprocessing`. */

import { decodeImage } from "./decode.js";
import { resizeToSquare } from "./resample.js";

/** @typedef {import("../../types.js").ModelCard} ModelCard */

/**
 * @typedef {object} Input
 * @property {Uint8ClampedArray} pixels [size, size, 3].
 * @property {number} size
 * @property {string[]} notes Changes made while decoding.
 * @property {string[]} shapeNotes On an unusual shape or size.
 * @property {[number, number] | null} originalSize Width and height before scaling; null for a model of tiny images, which accepts them.
 */

// Dermoscopic images are 4:3; HAM10000 is also distributed squashed to a square.
const USUAL_ASPECT = [0.7, 1.55];

/**
 * @param {Blob} file
 * @param {ModelCard["preprocessing"]} preprocessing
 * @param {import("../../types.js").Limits} limits
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @returns {Promise<Input>}
 */
export async function preprocess(file, { size, through, interpolation }, limits, jpeg) {
  const { image, width, height, notes } = await decodeImage(file, through || size, limits, jpeg);
  const square = [through, size].filter(Boolean).reduce((from, side) => resizeToSquare(from, side, interpolation), image);
  return {
    pixels: square.data,
    size,
    notes,
    shapeNotes: shapeNotes(width, height, through || size, size),
    originalSize: through ? null : [width, height],
  };
}

/**
 * @param {number} width
 * @param {number} height
 * @param {number} smallest Side of the smallest square that the image is scaled to.
 * @param {number} size
 */
function shapeNotes(width, height, smallest, size) {
  const [low = 0, high = 0] = USUAL_ASPECT;
  const notes = [];
  if (!(low <= width / height && width / height <= high)) {
    notes.push(`unusual shape ${width}x${height}: resized to a square, the training images are 4:3 or 1:1`);
  }
  if (Math.min(width, height) < Math.floor(smallest / 2)) {
    notes.push(`only ${width}x${height} pixels, enlarged to ${size}x${size}`);
  }
  return notes;
}
