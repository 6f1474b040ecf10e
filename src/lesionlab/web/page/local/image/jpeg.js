/** The header of a JPEG file: the segments before the first scan. Source: ITU-T T.81, annex B. */

import { orientationIn, orientationInXmp } from "./exif.js";
import { DEFAULTS, text } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

const SCAN = 0xda;
const APP1 = 0xe1;
const END = 0xd9;
const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
// Markers in the range of the frame headers that are no frame headers.
const NO_FRAMES = [0xc4, 0xc8, 0xcc];

/**
 * @param {DataView} view
 * @returns {Header}
 */
export function jpegHeader(view) {
  /** @type {Header} */
  const header = { ...DEFAULTS, format: "JPEG", type: "image/jpeg", width: 0, height: 0, complete: false };
  for (let at = 2; ; ) {
    if (view.getUint8(at) !== 0xff) throw new RangeError("expected a segment");
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    const body = at + 4;
    if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAMES.includes(marker)) {
      header.height = view.getUint16(body + 1);
      header.width = view.getUint16(body + 3);
      const channels = view.getUint8(body + 5);
      Object.assign(header, { grey: channels === 1, cmyk: channels === 4 });
    } else if (marker === APP1 && text(view, body, EXIF.length) === EXIF) {
      header.orientation = orientationIn(view, body + EXIF.length) ?? header.orientation;
    } else if (marker === APP1 && text(view, body, XMP.length) === XMP) {
      header.orientation ??= orientationInXmp(view, body, view.getUint16(at + 2));
    } else if (marker === SCAN) {
      if (header.width === 0) throw new RangeError("scan before frame header");
      return { ...header, complete: hasEndAfter(view, body) };
    }
    at += 2 + view.getUint16(at + 2);
  }
}

/**
 * @param {DataView} view
 * @param {number} start
 */
function hasEndAfter(view, start) {
  for (let at = view.byteLength - 2; at >= start; at--) {
    if (view.getUint8(at) === 0xff && view.getUint8(at + 1) === END) return true;
  }
  return false;
}
