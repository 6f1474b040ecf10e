/** The header and blocks of a GIF file. Source: CompuServe, GIF89a. */

import { DEFAULTS } from "./header.js";

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
  const { frames, complete } = scanBlocks(view, 13 + tableSize(flags));
  return {
    ...DEFAULTS,
    format: "GIF",
    type: "image/gif",
    width: view.getUint16(6, true),
    height: view.getUint16(8, true),
    grey: tableSize(flags) > 0 && isGreyRamp(view, 13, tableSize(flags)),
    multiFrame: frames > 1,
    complete,
  };
}

/**
 * @param {DataView} view
 * @param {number} start
 */
function scanBlocks(view, start) {
  let [frames, at] = [0, start];
  while (at < view.byteLength && view.getUint8(at) !== END) {
    const kind = view.getUint8(at);
    if (kind === FRAME) {
      frames += 1;
      at += 11 + tableSize(view.getUint8(at + 9));
    } else if (kind === EXTENSION) at += 2;
    else break;
    while (at < view.byteLength && view.getUint8(at) > 0) at += 1 + view.getUint8(at);
    at += 1;
  }
  return { frames, complete: at <= view.byteLength };
}

/**
 * Size in bytes of the colour table.
 * @param {number} flags
 */
function tableSize(flags) {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}

/**
 * Whether the colour table is a grey ramp, which Pillow reads as a grey image.
 * @param {DataView} view
 * @param {number} start
 * @param {number} length
 */
function isGreyRamp(view, start, length) {
  for (let index = 0; index < length; index++) {
    if (view.getUint8(start + index) !== Math.floor(index / 3)) return false;
  }
  return true;
}
