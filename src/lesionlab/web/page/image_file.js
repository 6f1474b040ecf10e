/** Image files that are dropped, pasted or chosen: type detection, remedies for unsupported types, thumbnails. */

import { megabytes } from "./format.js";

/** Types in the file dialog. With explicit formats, an iPhone converts HEIC photographs to JPEG. */
export const ACCEPTED = "image/jpeg,image/png,image/webp,image/tiff,image/bmp,image/gif,.jpg,.jpeg,.png,.webp,.tif,.tiff,.bmp,.gif";

const THUMBNAIL = 144;
const HEIC_BRANDS = ["heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"];

/** Remedies for unsupported types. Unknown types are left to the engine. */
const REMEDIES = {
  empty: "The file is empty. Copy or download it again.",
  heic: "This is a HEIC photograph from an iPhone. Export it as JPEG (on the phone: Settings, Camera, Formats, Most Compatible).",
  avif: "This is an AVIF image. Save it as JPEG or PNG.",
  dicom: "This is a DICOM file. Export the image as PNG or JPEG from your viewer (often “Save as image”). This also removes the patient data.",
  pdf: "This is a PDF. Export the image as PNG or JPEG.",
  zip: "This is an archive. Extract the images.",
  text: "This is text or a drawing (SVG, HTML), not an image.",
  video: "This is a video. Save one frame as JPEG or PNG.",
};

/**
 * The reason why a file is not supported, from its first bytes and size; null if it can be sent.
 * @param {Blob} file
 * @param {number} [maxBytes] Limit of the engine.
 * @returns {Promise<string | null>}
 */
export async function unsupportedReason(file, maxBytes = Number.POSITIVE_INFINITY) {
  /** @type {Uint8Array} */
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  } catch {
    return "The browser cannot read this file. It may be a folder, or have been moved.";
  }
  const type = detectType(head);
  if (type) return REMEDIES[type];
  if (file.size > maxBytes) {
    return `The file has ${megabytes(file.size)}; the limit is ${megabytes(maxBytes)}. Scale it down, or save it as JPEG.`;
  }
  return null;
}

/**
 * @param {Uint8Array} head
 * @returns {keyof typeof REMEDIES | null}
 */
function detectType(head) {
  if (head.length === 0) return "empty";
  const text = String.fromCharCode(...head);
  if (text.startsWith("DICM", 128)) return "dicom";
  if (text.startsWith("ftyp", 4)) {
    const brand = text.slice(8, 12);
    if (brand.startsWith("avi")) return "avif";
    return HEIC_BRANDS.includes(brand) ? "heic" : "video";
  }
  if (text.startsWith("%PDF")) return "pdf";
  if (text.startsWith("PK\x03\x04") || text.startsWith("\x1f\x8b") || text.startsWith("Rar!")) return "zip";
  if (/^(\xef\xbb\xbf)?\s*<[!?a-z]/i.test(text)) return "text";
  return null;
}

/**
 * The files of a drop or paste. Folders are included as files that cannot be read.
 * @param {DataTransfer | null} transfer
 * @returns {File[]}
 */
export function filesOf(transfer) {
  return transfer ? [...transfer.files] : [];
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
