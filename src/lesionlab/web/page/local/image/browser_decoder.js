/** Decoding by the browser, for all formats but JPEG. */

import { EngineError } from "../../engine.js";

/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./rgb_image.js").RgbImage} RgbImage */

// Read in stripes: a canvas of a phone is smaller than a camera's image.
const STRIPE = 256;

/**
 * @param {Blob} file
 * @param {Header} header
 * @param {import("./colour_profile.js").Transform | null} transform Conversion of the colours.
 * @returns {Promise<{ image: RgbImage, transparent: boolean }>} `transparent`: parts were transparent and are white now.
 * @throws {EngineError}
 */
export async function decodeInBrowser(file, { width, height }, transform) {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" }).catch(() => {
    throw new EngineError("image", "this browser cannot decode the image: it is damaged, or of an unusual kind; save it as JPEG or PNG");
  });
  try {
    if (bitmap.width !== width || bitmap.height !== height) {
      throw new EngineError("image", "the image is damaged (its size is not the one in its header); export it again");
    }
    const data = new Uint8ClampedArray(3 * width * height);
    const context = new OffscreenCanvas(width, Math.min(STRIPE, height)).getContext("2d", { willReadFrequently: true });
    if (!context) throw new EngineError("internal", "this browser has no OffscreenCanvas");
    let transparent = false;
    for (let top = 0; top < height; top += STRIPE) {
      const rows = Math.min(STRIPE, height - top);
      context.clearRect(0, 0, width, STRIPE);
      context.drawImage(bitmap, 0, -top);
      const stripe = context.getImageData(0, 0, width, rows).data;
      transform?.(stripe, 4);
      transparent = blendOnWhite(stripe) || transparent;
      copyRgb(stripe, data.subarray(3 * width * top));
    }
    // A canvas keeps too few digits of the colours of transparent pixels to convert them.
    if (transparent && transform) throw new EngineError("image", "transparent pixels with a colour profile are not read in the browser; save the image without transparency");
    return { image: { width, height, data }, transparent };
  } finally {
    bitmap.close();
  }
}

/**
 * @param {Uint8ClampedArray} pixels Red, green, blue and alpha; changed in place.
 * @returns {boolean} Whether any pixel was transparent.
 */
function blendOnWhite(pixels) {
  let transparent = false;
  for (let at = 3; at < pixels.length; at += 4) {
    const alpha = pixels[at] ?? 255;
    if (alpha === 255) continue;
    transparent = true;
    for (let channel = at - 3; channel < at; channel++) {
      pixels[channel] = ((pixels[channel] ?? 0) * alpha + 255 * (255 - alpha)) / 255;
    }
  }
  return transparent;
}

/**
 * @param {Uint8ClampedArray} pixels
 * @param {Uint8ClampedArray} target
 */
function copyRgb(pixels, target) {
  for (let at = 0, place = 0; at < pixels.length; at += 4) {
    target[place++] = pixels[at] ?? 0;
    target[place++] = pixels[at + 1] ?? 0;
    target[place++] = pixels[at + 2] ?? 0;
  }
}
