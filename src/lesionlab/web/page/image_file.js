/** Image files that are dropped, pasted or chosen: type detection, remedies for unsupported types, thumbnails. */

import { megabytes } from "./format.js";
import { t } from "./messages.js";

/** Types in the file dialog. With explicit formats, an iPhone converts HEIC photographs to JPEG. */
export const ACCEPTED =
  "image/jpeg,image/png,image/webp,image/tiff,image/bmp,image/gif,application/dicom,.jpg,.jpeg,.png,.webp,.tif,.tiff,.bmp,.gif,.dcm";

const THUMBNAIL = 144;

/** @typedef {"empty" | "heic" | "avif" | "jpegXl" | "jpeg2000" | "dicom" | "pdf" | "zip" | "text" | "video"} Unsupported */

/** @type {[start: string, type: Unsupported][]} */
const STARTS = [
  ["%PDF", "pdf"],
  ["PK\x03\x04", "zip"],
  ["\x1f\x8b", "zip"],
  ["Rar!", "zip"],
  ["\xff\x4f\xff\x51", "jpeg2000"],
  ["\0\0\0\x0cjP  ", "jpeg2000"],
  ["\xff\x0a", "jpegXl"],
  ["\0\0\0\x0cJXL ", "jpegXl"],
];

/**
 * The reason why a file is not supported, from its first bytes; null if it can be sent.
 * @param {Blob} file
 * @param {string[]} [formats] Of the engine.
 * @returns {Promise<string | null>}
 */
export async function unsupportedReason(file, formats) {
  /** @type {Uint8Array} */
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  } catch {
    return t("file.unreadable");
  }
  const type = detectType(head);
  return type && !(type === "dicom" && formats?.includes("DICOM")) ? t(`file.${type}`) : null;
}

/**
 * The reason why a file is too large; null if it can be sent.
 * @param {number} size In bytes.
 * @param {import("./types.js").Limits} [limits] Of the engine.
 */
export function tooLargeReason(size, limits) {
  if (!limits || size <= limits.max_bytes) return null;
  return t("file.tooLarge", { size: megabytes(size), limit: megabytes(limits.max_bytes) });
}

/**
 * @param {Uint8Array} head
 * @returns {Unsupported | null} Unknown types are left to the engine.
 */
function detectType(head) {
  if (head.length === 0) return "empty";
  const text = String.fromCharCode(...head);
  if (text.startsWith("DICM", 128)) return "dicom";
  if (text.startsWith("ftyp", 4)) return typeOfBrands(text.slice(8, new DataView(head.buffer).getUint32(0)));
  const found = STARTS.find(([start]) => text.startsWith(start));
  if (found) return found[1];
  if (/^(\xef\xbb\xbf)?\s*<[!?a-z]/i.test(text)) return "text";
  return null;
}

/**
 * @param {string} brands Of a file of boxes: the major brand, a version, and those that it is compatible with.
 * @returns {Unsupported}
 */
function typeOfBrands(brands) {
  const codings = new Set(Array.from({ length: brands.length / 4 }, (_, index) => brands.slice(4 * index, 4 * index + 3)));
  const isHeic = codings.has("hei") || codings.has("hev");
  if (brands.startsWith("avi") || (codings.has("avi") && !isHeic)) return "avif";
  return isHeic || codings.has("mif") || codings.has("msf") ? "heic" : "video";
}

/**
 * A small image for the table; null for a format that the browser cannot decode.
 * @param {Blob} file
 * @returns {Promise<Blob | null>}
 */
export async function thumbnail(file) {
  try {
    return await scaledJpeg(file, THUMBNAIL);
  } catch {
    return null;
  }
}

/**
 * The image as an upright JPEG of at most `side` pixels a side, without the file's metadata.
 * @param {Blob} file
 * @param {number} side
 * @returns {Promise<Blob>}
 */
export async function scaledJpeg(file, side) {
  const bitmap = await createImageBitmap(file);
  try {
    const factor = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(factor * bitmap.width));
    canvas.height = Math.max(1, Math.round(factor * bitmap.height));
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no blob"))), "image/jpeg", 0.88);
    });
  } finally {
    bitmap.close();
  }
}
