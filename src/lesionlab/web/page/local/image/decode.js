/** From an image file to upright pixels, as `lesionlab.images.decode` makes them, or one clear reason why not. */

import { EngineError } from "../../engine.js";
import { FORMATS, readHeader } from "./formats.js";
import { text } from "./header.js";
import { onItsSide, upright } from "./picture.js";
import { drawn } from "./pixels.js";

/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./picture.js").Picture} Picture */

/**
 * @typedef {object} Decoded
 * @property {Picture} picture
 * @property {number} width Of the image as it was stored, upright.
 * @property {number} height
 * @property {string[]} notes What had to be changed on the way, for the reader.
 */

export const MAX_PIXELS = 50_000_000;
const MIN_SIDE = 8;
const DRAFTS = [8, 4, 2];

/**
 * @param {Blob} file
 * @param {number} wanted Side of the square that the image becomes in the end.
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @returns {Promise<Decoded>}
 * @throws {EngineError}
 */
export async function decoded(file, wanted, jpeg) {
  const bytes = await file.arrayBuffer().catch(() => refuse("the file cannot be read; has it been moved?"));
  const header = checkedHeader(new DataView(bytes));
  const turn = header.orientation?.value ?? 1;
  const [width, height] = onItsSide(turn) ? [header.height, header.width] : [header.width, header.height];
  const { picture, clear } = await stored(bytes, header, wanted, jpeg);
  return { picture: upright(picture, turn), width, height, notes: notes(header, clear) };
}

/**
 * @param {ArrayBuffer} bytes
 * @param {Header} header
 * @param {number} wanted
 * @param {import("./jpeg_turbo.js").JpegDecoder} jpeg
 * @returns {Promise<{ picture: Picture, clear: boolean }>} As it is stored; `clear`: parts were transparent.
 */
async function stored(bytes, header, wanted, jpeg) {
  const { format, cmyk, width, height, orientation } = header;
  if (format === "JPEG" && !cmyk) {
    const factor = draft(width, height, wanted);
    return { picture: jpeg.decode(bytes, Math.ceil(width / factor), Math.ceil(height / factor)), clear: false };
  }
  // The browser must not turn it as well.
  if (orientation?.exif) new DataView(bytes).setUint16(orientation.exif.place, 1, orientation.exif.little);
  return drawn(new Blob([bytes], { type: header.type }), header);
}

/**
 * The share of a JPEG's pixels that Pillow decodes: at the smallest of the sizes 1/1, 1/2, 1/4 and 1/8 that still has
 * twice as many pixels each way as are wanted.
 * @param {number} width
 * @param {number} height
 * @param {number} wanted
 */
function draft(width, height, wanted) {
  const most = Math.floor(Math.min(width, height) / (2 * wanted));
  return DRAFTS.find((factor) => factor <= most) ?? 1;
}

/**
 * @param {DataView} view
 * @returns {Header}
 */
function checkedHeader(view) {
  if (view.byteLength === 0) refuse("the file is empty (0 bytes); copy or download it again");
  /** @type {Header | null} */
  let header;
  try {
    header = readHeader(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse("the image is damaged or truncated in its header; copy or export it again");
  }
  if (!header) return refuse(`${unknown(view)}; export the image as one of ${FORMATS.join(", ")}`);
  const { width, height, several, whole } = header;
  if (width * height > MAX_PIXELS) {
    const limit = MAX_PIXELS / 1e6;
    refuse(`the image is too large (${width}x${height}; the limit is ${limit} megapixels); scale it down`);
  }
  if (Math.min(width, height) < MIN_SIDE) {
    refuse(`the image is too small (${width}x${height}; at least ${MIN_SIDE}x${MIN_SIDE} pixels are needed)`);
  }
  if (several) refuse("the file holds several frames (animation or pages); export the one to be judged");
  if (!whole) refuse("the image is truncated; copy or export it again");
  return header;
}

/**
 * @param {Header} header
 * @param {boolean} clear Whether parts were transparent.
 */
function notes({ orientation, grey, deep, cmyk }, clear) {
  return [
    ...((orientation?.value ?? 1) > 1 ? ["turned upright as its EXIF orientation says"] : []),
    ...(grey ? ["grey image: the model was trained on colour"] : []),
    ...(deep ? ["16 bits reduced to 8"] : []),
    ...(clear ? ["transparent parts laid on white"] : []),
    ...(cmyk ? ["CMYK converted to RGB without a colour profile: colours may be off"] : []),
  ];
}

/** @param {DataView} view */
function unknown(view) {
  const head = text(view, 0, 512);
  if (head.startsWith("II*\0") || head.startsWith("MM\0*")) return "TIFF files are not read in the browser";
  if (/^[\t\n\r\x20-\x7e\x80-\xff]*$/.test(head) && isUtf8(view)) return "the file holds text, not an image";
  return "this is not an image of a known format";
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
 * @param {string} why
 * @returns {never}
 */
export function refuse(why) {
  throw new EngineError("image", why);
}
