/** Detection of the image format from the first bytes of a file. */

import { bmpHeader } from "./bmp.js";
import { gifHeader } from "./gif.js";
import { text } from "./header.js";
import { jpegHeader } from "./jpeg.js";
import { pngHeader } from "./png.js";
import { webpHeader } from "./webp.js";

/** @typedef {import("./header.js").Header} Header */

/** @type {[signature: string, place: number, read: (view: DataView<ArrayBuffer>) => Header | Promise<Header>][]} */
const READERS = [
  ["\xff\xd8\xff", 0, jpegHeader],
  ["\x89PNG\r\n\x1a\n", 0, pngHeader],
  ["WEBP", 8, webpHeader],
  ["GIF8", 0, gifHeader],
  ["BM", 0, bmpHeader],
];

/**
 * @param {DataView<ArrayBuffer>} view The whole file.
 * @returns {Promise<Header | null>} Null for an unknown format.
 * @throws {RangeError} The file ends within its header.
 */
export async function readHeader(view) {
  const [, , read] = READERS.find(([signature, place]) => text(view, place, signature.length) === signature) ?? [];
  return read ? read(view) : null;
}
