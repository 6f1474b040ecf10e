/** The header and RIFF chunks of a WebP file. Source: RFC 9649. */

import { orientationIn, orientationInXmp } from "./exif.js";
import { DEFAULTS, text } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

// In the chunk VP8X.
const FLAGS = 20;
const HAS_PROFILE = 0x20;
const UNKNOWN = 0x6e6f6e65;

/**
 * @param {DataView<ArrayBuffer>} view
 * @returns {Header}
 */
export function webpHeader(view) {
  /** @type {Header} */
  const header = { ...DEFAULTS, format: "WEBP", type: "image/webp", ...canvasSize(view) };
  let frames = 0;
  for (let next = 12; next + 8 <= view.byteLength; ) {
    const at = next;
    const [kind, length, body] = [text(view, at, 4), view.getUint32(at + 4, true), at + 8];
    if (kind === "ANMF") frames += 1;
    if (kind === "EXIF") {
      header.orientation = orientationIn(view, text(view, body, 6) === "Exif\0\0" ? body + 6 : body) ?? header.orientation;
    }
    if (kind === "ICCP") {
      header.profile = new Uint8Array(view.buffer, body, Math.min(length, view.byteLength - body));
      header.withoutProfile = () => hideChunk(view, at);
    }
    if (kind === "XMP ") header.orientation ??= orientationInXmp(view, body, length);
    next = body + length + (length % 2);
  }
  return { ...header, multiFrame: frames > 1, complete: 8 + view.getUint32(4, true) <= view.byteLength };
}

/**
 * A copy of the file in which the chunk of the colour profile is one of an unknown kind, which decoders skip.
 * @param {DataView<ArrayBuffer>} file
 * @param {number} at
 * @returns {ArrayBuffer[]}
 */
function hideChunk(file, at) {
  const copy = file.buffer.slice(0);
  const view = new DataView(copy);
  view.setUint8(FLAGS, view.getUint8(FLAGS) & ~HAS_PROFILE);
  view.setUint32(at, UNKNOWN);
  return [copy];
}

/**
 * @param {DataView} view
 * @returns {{ width: number, height: number }}
 */
function canvasSize(view) {
  const kind = text(view, 12, 4);
  if (kind === "VP8X") return { width: 1 + uint24(view, 24), height: 1 + uint24(view, 27) };
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff) };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

/**
 * @param {DataView} view
 * @param {number} at
 */
function uint24(view, at) {
  return view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
}
