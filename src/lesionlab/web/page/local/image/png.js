/** The header and chunks of a PNG file. Source: W3C, Portable Network Graphics, third edition. */

import { orientationIn, orientationInXmp } from "./exif.js";
import { DEFAULTS, joined, text } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

const GREY = [0, 4];
// Chunks by which browsers convert colours.
const COLOUR_SPACES = ["iCCP", "sRGB", "gAMA", "cHRM", "cICP", "mDCV", "cLLI"];
const XMP = "XML:com.adobe.xmp\0";

/**
 * @param {DataView<ArrayBuffer>} view
 * @returns {Promise<Header>}
 */
export async function pngHeader(view) {
  const [depth, colour] = [view.getUint8(24), view.getUint8(25)];
  /** @type {Header} */
  const header = {
    ...DEFAULTS,
    format: "PNG",
    type: "image/png",
    width: view.getUint32(16),
    height: view.getUint32(20),
    grey: GREY.includes(colour),
    sixteenBit: depth === 16 && colour === 0,
    complete: false,
  };
  const parts = [new Uint8Array(view.buffer, 0, 8)];
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const kind = text(view, at + 4, 4);
    if (!COLOUR_SPACES.includes(kind)) parts.push(new Uint8Array(view.buffer, at, Math.min(12 + view.getUint32(at), view.byteLength - at)));
    if (kind === "eXIf") header.orientation = orientationIn(view, at + 8) ?? header.orientation;
    if (kind === "iTXt" && text(view, at + 8, XMP.length) === XMP) header.orientation ??= orientationInXmp(view, at + 8, view.getUint32(at));
    if (kind === "iCCP") header.profile = await profileIn(new Uint8Array(view.buffer, at + 8, view.getUint32(at)));
    if (kind === "acTL") header.multiFrame = view.getUint32(at + 8) > 1;
    if (kind === "IEND") header.complete = true;
  }
  return { ...header, withoutProfile: () => parts };
}

/**
 * The colour profile of a chunk: a name, a zero, the method of compression, and the compressed profile.
 * @param {Uint8Array<ArrayBuffer>} chunk
 * @returns {Promise<Uint8Array>} As much of it as can be decompressed.
 */
async function profileIn(chunk) {
  const compressed = new Blob([chunk.subarray(chunk.indexOf(0) + 2)]).stream();
  /** @type {Uint8Array[]} */
  const parts = [];
  try {
    for (const reader = compressed.pipeThrough(new DecompressionStream("deflate")).getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      parts.push(value);
    }
  } catch {
    // Damaged, or bytes after its end.
  }
  return joined(parts);
}
