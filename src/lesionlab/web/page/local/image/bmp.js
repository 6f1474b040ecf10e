/** The header of a BMP file. Source: Microsoft, BITMAPFILEHEADER and BITMAPINFOHEADER. */

import { DEFAULTS } from "./header.js";

/**
 * @param {DataView} view
 * @returns {import("./header.js").Header}
 */
export function bmpHeader(view) {
  const old = view.getUint32(14, true) === 12;
  return {
    ...DEFAULTS,
    format: "BMP",
    type: "image/bmp",
    width: old ? view.getUint16(18, true) : Math.abs(view.getInt32(18, true)),
    height: old ? view.getUint16(20, true) : Math.abs(view.getInt32(22, true)),
    grey: !old && isGrey(view),
    complete: view.byteLength >= view.getUint32(10, true),
  };
}

/**
 * Whether the colour table is a grey ramp, which Pillow reads as a grey image.
 * @param {DataView} view
 */
function isGrey(view) {
  const bits = view.getUint16(28, true);
  if (bits !== 1 && bits !== 8) return false;
  const [start, colours] = [14 + view.getUint32(14, true), view.getUint32(46, true) || 2 ** bits];
  for (let index = 0; index < colours; index++) {
    const grey = colours === 2 ? 255 * index : index;
    for (let channel = 0; channel < 3; channel++) {
      if (view.getUint8(start + 4 * index + channel) !== grey) return false;
    }
  }
  return true;
}
