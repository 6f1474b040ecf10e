/** Decoding: from an image file to upright RGB pixels, as in `lesionlab.images.decode`. */

import { EngineError } from "../../engine.js";
import { hasTooManyParts } from "./bounds.js";
import { decodeInBrowser } from "./browser_decoder.js";
import { profileTransform } from "./colour_profile.js";
import { readHeader } from "./formats.js";
import { text } from "./header.js";
import { applyOrientation, swapsSides } from "./rgb_image.js";

/** @typedef {import("../../types.js").Limits} Limits */
/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./rgb_image.js").RgbImage} RgbImage */

/**
 * @typedef {object} DecodedImage
 * @property {RgbImage} image
 * @property {number} width Width of the stored image, upright; `image` may be smaller.
 * @property {number} height
 * @property {string[]} notes Changes made while decoding.
 */

const MIN_SIDE = 8;
const REDUCTIONS = [8, 4, 2];

/**
 * @param {Blob} file
 * @param {number} side Side of the square that the image is scaled to.
 * @param {Limits} limits
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @returns {Promise<DecodedImage>}
 * @throws {EngineError}
 */
export async function decodeImage(file, side, limits, jpeg) {
  const bytes = await file.arrayBuffer().catch(() => reject("the file cannot be read; check that it still exists"));
  const header = await checkHeader(new DataView(bytes), limits);
  const orientation = header.orientation?.value ?? 1;
  const [width, height] = swapsSides(orientation) ? [header.height, header.width] : [header.width, header.height];
  const profile = profileTransform(header);
  const { image, transparent } = await decodePixels(bytes, header, side, jpeg, profile.transform);
  return { image: applyOrientation(image, orientation), width, height, notes: notes(header, profile.notes, transparent) };
}

/**
 * @param {ArrayBuffer} bytes
 * @param {Header} header
 * @param {number} side
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @param {import("./colour_profile.js").Transform | null} transform
 * @returns {Promise<{ image: RgbImage, transparent: boolean }>} As stored; `transparent`: parts were transparent.
 */
async function decodePixels(bytes, header, side, jpeg, transform) {
  const { format, cmyk, width, height, orientation } = header;
  if (format === "JPEG" && !cmyk) {
    const factor = reduction(width, height, side);
    const image = jpeg.decode(bytes, Math.ceil(width / factor), Math.ceil(height / factor));
    transform?.(image.data, 3);
    return { image, transparent: false };
  }
  // The browser must not apply the orientation as well.
  if (orientation?.exif) new DataView(bytes).setUint16(orientation.exif.offset, 1, orientation.exif.little);
  return decodeInBrowser(new Blob(header.withoutProfile?.() ?? [bytes], { type: header.type }), header, transform);
}

/**
 * The factor by which Pillow reduces a JPEG while decoding: the largest of 1, 2, 4 and 8 that keeps at least twice the
 * requested side.
 * @param {number} width
 * @param {number} height
 * @param {number} side
 */
function reduction(width, height, side) {
  const most = Math.floor(Math.min(width, height) / (2 * side));
  return REDUCTIONS.find((factor) => factor <= most) ?? 1;
}

/**
 * @param {DataView<ArrayBuffer>} view
 * @param {Limits} limits
 * @returns {Promise<Header>}
 */
async function checkHeader(view, { formats, max_pixels: maxPixels }) {
  if (view.byteLength === 0) reject("the file is empty (0 bytes); copy or download it again");
  if (hasTooManyParts(view)) reject("the image is split into too many parts; save it again without its metadata, as PNG");
  /** @type {Header | null} */
  let header;
  try {
    header = await readHeader(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return reject("the image is damaged or truncated in its header; copy or export it again");
  }
  if (!header) return reject(`${unknownFormat(view)}; export the image as one of ${formats.join(", ")}`);
  const { width, height, unread, multiFrame, complete } = header;
  if (unread) reject(unread);
  if (width * height > maxPixels) {
    reject(`the image is too large (${width}x${height}; the limit is ${maxPixels / 1e6} megapixels); scale it down`);
  }
  if (Math.min(width, height) < MIN_SIDE) {
    reject(`the image is too small (${width}x${height}; at least ${MIN_SIDE}x${MIN_SIDE} pixels are needed)`);
  }
  if (multiFrame) reject("the file holds several frames (animation or pages); export a single frame");
  if (!complete) reject("the image is truncated; copy or export it again");
  return header;
}

/**
 * @param {Header} header
 * @param {string[]} ofProfile
 * @param {boolean} transparent Whether parts were transparent.
 */
function notes({ orientation, grey, sixteenBit, cmyk }, ofProfile, transparent) {
  return [
    ...((orientation?.value ?? 1) > 1 ? ["rotated by its EXIF orientation"] : []),
    ...ofProfile,
    ...(grey ? ["grey image: the model was trained on colour"] : []),
    ...(sixteenBit ? ["16 bits reduced to 8"] : []),
    ...(transparent ? ["transparent pixels composited on white"] : []),
    ...(cmyk ? ["CMYK converted to RGB without a colour profile: colours may be off"] : []),
  ];
}

/** @param {DataView} view */
function unknownFormat(view) {
  const head = text(view, 0, 512);
  if (head.startsWith("II*\0") || head.startsWith("MM\0*")) return "TIFF files are not read in the browser";
  if (/^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(head) && isUtf8(view)) return "the file holds text, not an image";
  return "this is not an image of a supported format";
}

/** @param {DataView} view */
function isUtf8(view) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(view.buffer, 0, Math.min(512, view.byteLength)), { stream: true });
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function reject(message) {
  throw new EngineError("image", message);
}
