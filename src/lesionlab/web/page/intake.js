/** From what a reader drops, pastes or picks to something that can be sent: what it is, and what to do if it cannot. */

import { megabytes } from "./format.js";

/** What the file dialog offers. Naming the formats makes an iPhone hand over HEIC photographs as JPEG. */
export const ACCEPTED = "image/jpeg,image/png,image/webp,image/tiff,image/bmp,image/gif,.jpg,.jpeg,.png,.webp,.tif,.tiff,.bmp,.gif";

const THUMBNAIL = 144;
const HEIC_BRANDS = ["heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"];

/** Formats that people try, and what to do with each. Whatever is not recognised is for the engine to judge. */
const REMEDIES = {
  empty: "The file is empty. Was it copied whole?",
  heic: "This is a HEIC photograph, as iPhones make them. Export it as JPEG (on the phone: Settings, Camera, Formats, Most Compatible) and choose that.",
  avif: "This is an AVIF picture. Save it as JPEG or PNG and choose that.",
  dicom: "This is a DICOM file. Export the picture as PNG or JPEG from your viewer (often “Save as image”) and choose that. Its patient data then stay behind.",
  pdf: "This is a PDF. Export the picture in it as PNG or JPEG and choose that.",
  zip: "This is an archive. Unpack it and choose the images inside.",
  text: "This is text or a drawing (SVG, HTML), not a photograph.",
  video: "This is a video. Save one still of it as JPEG or PNG and choose that.",
};

/**
 * Say why a file cannot be judged, from its first bytes; null where nothing speaks against sending it.
 * @param {Blob} file
 * @param {number} [maxBytes] What the engine takes.
 * @returns {Promise<string | null>}
 */
export async function objection(file, maxBytes = Number.POSITIVE_INFINITY) {
  /** @type {Uint8Array} */
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  } catch {
    return "The browser cannot read this file. Is it a folder, or has it been moved?";
  }
  const kind = recognised(head);
  if (kind) return REMEDIES[kind];
  if (file.size > maxBytes) {
    return `The file has ${megabytes(file.size)}; this page takes at most ${megabytes(maxBytes)}. Save it smaller, or as JPEG.`;
  }
  return null;
}

/**
 * @param {Uint8Array} head
 * @returns {keyof typeof REMEDIES | null}
 */
function recognised(head) {
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
 * The files of a drop or paste. Folders are not followed: a browser hands them over as files that cannot be read.
 * @param {DataTransfer | null} transfer
 * @returns {File[]}
 */
export function filesOf(transfer) {
  return transfer ? [...transfer.files] : [];
}

/**
 * A small picture for a table; null where this browser cannot decode the format.
 * @param {Blob} file
 * @returns {Promise<Blob | null>}
 */
export async function thumbnail(file) {
  try {
    return await scaled(file, THUMBNAIL);
  } catch {
    return null;
  }
}

/**
 * The picture as a JPEG of at most `side` pixels a side, upright, with nothing of the file but its pixels.
 * @param {Blob} file
 * @param {number} side
 * @returns {Promise<Blob>}
 */
export async function scaled(file, side) {
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
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", 0.88);
    });
  } finally {
    bitmap.close();
  }
}
