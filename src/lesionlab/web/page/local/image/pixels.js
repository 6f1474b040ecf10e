/** From an image file to its pixels as they are stored: the browser decodes, this reads. */

import { EngineError } from "../../engine.js";

/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./picture.js").Picture} Picture */

// Read in stripes: a camera's picture as a whole is more than the canvas of a phone may hold.
const STRIPE = 256;

/**
 * @param {Blob} file
 * @param {Header} header
 * @returns {Promise<{ picture: Picture, clear: boolean }>} `clear`: parts were transparent and are white now.
 * @throws {EngineError}
 */
export async function drawn(file, { width, height }) {
  // The colours as they are in the file, as in training: no profile is applied.
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" }).catch(() => {
    throw new EngineError("image", "the image is damaged (this browser cannot decode it); copy or export it again");
  });
  try {
    if (bitmap.width !== width || bitmap.height !== height) {
      throw new EngineError("image", "the image is damaged (its size is not the one in its header); export it again");
    }
    const data = new Uint8ClampedArray(3 * width * height);
    const context = new OffscreenCanvas(width, Math.min(STRIPE, height)).getContext("2d", { willReadFrequently: true });
    if (!context) throw new EngineError("fault", "this browser cannot draw images outside of the page");
    let clear = false;
    for (let top = 0; top < height; top += STRIPE) {
      const rows = Math.min(STRIPE, height - top);
      context.clearRect(0, 0, width, STRIPE);
      context.drawImage(bitmap, 0, -top);
      const stripe = context.getImageData(0, 0, width, rows).data;
      clear = laidOnWhite(stripe) || clear;
      withoutAlpha(stripe, data.subarray(3 * width * top));
    }
    return { picture: { width, height, data }, clear };
  } finally {
    bitmap.close();
  }
}

/**
 * @param {Uint8ClampedArray} pixels Red, green, blue and alpha; changed in place.
 * @returns {boolean} Whether there was anything transparent.
 */
function laidOnWhite(pixels) {
  let found = false;
  for (let at = 3; at < pixels.length; at += 4) {
    const alpha = pixels[at] ?? 255;
    if (alpha === 255) continue;
    found = true;
    for (let channel = at - 3; channel < at; channel++) {
      pixels[channel] = ((pixels[channel] ?? 0) * alpha + 255 * (255 - alpha)) / 255;
    }
  }
  return found;
}

/**
 * @param {Uint8ClampedArray} pixels
 * @param {Uint8ClampedArray} into
 */
function withoutAlpha(pixels, into) {
  for (let at = 0, place = 0; at < pixels.length; at += 4) {
    into[place++] = pixels[at] ?? 0;
    into[place++] = pixels[at + 1] ?? 0;
    into[place++] = pixels[at + 2] ?? 0;
  }
}
