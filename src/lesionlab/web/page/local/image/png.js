/** The header of a PNG file: its chunks. Source: W3C, Portable Network Graphics, third edition. */

import { orientationIn, orientationInXmp } from "./exif.js";
import { ORDINARY, text } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

const GREY = [0, 4];
const XMP = "XML:com.adobe.xmp\0";

/**
 * @param {DataView} view
 * @returns {Header}
 */
export function pngHeader(view) {
  const [depth, colour] = [view.getUint8(24), view.getUint8(25)];
  /** @type {Header} */
  const header = {
    ...ORDINARY,
    format: "PNG",
    type: "image/png",
    width: view.getUint32(16),
    height: view.getUint32(20),
    grey: GREY.includes(colour),
    deep: depth === 16 && colour === 0,
    whole: false,
  };
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const kind = text(view, at + 4, 4);
    if (kind === "eXIf") header.orientation = orientationIn(view, at + 8) ?? header.orientation;
    if (kind === "iTXt" && text(view, at + 8, XMP.length) === XMP) header.orientation ??= orientationInXmp(view, at + 8, view.getUint32(at));
    if (kind === "acTL") header.several = view.getUint32(at + 8) > 1;
    if (kind === "IEND") header.whole = true;
  }
  return header;
}
