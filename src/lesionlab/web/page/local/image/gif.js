/** The header of a GIF file: its blocks. Source: CompuServe, GIF89a. */

import { ORDINARY } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

const EXTENSION = 0x21;
const FRAME = 0x2c;
const END = 0x3b;

/**
 * @param {DataView} view
 * @returns {Header}
 */
export function gifHeader(view) {
  const flags = view.getUint8(10);
  const { frames, whole } = walked(view, 13 + table(flags));
  return {
    ...ORDINARY,
    format: "GIF",
    type: "image/gif",
    width: view.getUint16(6, true),
    height: view.getUint16(8, true),
    grey: table(flags) > 0 && isRamp(view, 13, table(flags)),
    several: frames > 1,
    whole,
  };
}

/**
 * @param {DataView} view
 * @param {number} start
 */
function walked(view, start) {
  let [frames, at] = [0, start];
  while (at < view.byteLength && view.getUint8(at) !== END) {
    const kind = view.getUint8(at);
    if (kind === FRAME) {
      frames += 1;
      at += 11 + table(view.getUint8(at + 9));
    } else if (kind === EXTENSION) at += 2;
    else break;
    while (at < view.byteLength && view.getUint8(at) > 0) at += 1 + view.getUint8(at);
    at += 1;
  }
  return { frames, whole: at <= view.byteLength };
}

/**
 * Bytes of the colour table that the flags announce.
 * @param {number} flags
 */
function table(flags) {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}

/**
 * Whether each colour is the grey of its own number, which Pillow reads as a grey image.
 * @param {DataView} view
 * @param {number} start
 * @param {number} length
 */
function isRamp(view, start, length) {
  for (let index = 0; index < length; index++) {
    if (view.getUint8(start + index) !== Math.floor(index / 3)) return false;
  }
  return true;
}
