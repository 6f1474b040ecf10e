/** Makes the small copy of an image file; see `client.js`. */

import { JpegDecoder } from "../local/image/jpeg_turbo.js";
import { preprocess } from "../local/image/preprocess.js";
import { encodePng } from "./png.js";

/** Read by `lesionlab.images.decode`: notes and measures refer to the size of the file. */
const SIZE_KEY = "lesionlab-original-size";
const DECODER = new URL("../vendor/jpeg-turbo.wasm", import.meta.url);

/** @type {Promise<JpegDecoder> | null} */
let decoder = null;
/** @type {Promise<void>} */
let queue = Promise.resolve();

addEventListener("message", ({ data: { id, file, preprocessing, limits } }) => {
  queue = queue.then(async () => {
    const copy = await copied(file, preprocessing, limits).catch(() => null);
    postMessage({ id, copy: copy && copy.file.size < file.size ? copy : null });
  });
});

/**
 * @param {Blob} file
 * @param {import("../types.js").ModelCard["preprocessing"]} preprocessing
 * @param {import("../types.js").Limits} limits
 * @returns {Promise<import("./client.js").Copy | null>}
 */
async function copied(file, preprocessing, limits) {
  // Of all formats, only JPEG is decoded by the page itself; a browser may alter the pixels of a canvas.
  const isJpeg = new Uint8Array(await file.slice(0, 2).arrayBuffer()).join() === "255,216";
  if (!isJpeg && !canvasIsExact()) return null;
  decoder ??= fetch(DECODER).then(async (response) => JpegDecoder.load(await response.arrayBuffer()));
  const { pixels, size, notes, originalSize } = await preprocess(file, preprocessing, limits, await decoder);
  return { file: await encodePng(pixels, size, size, { [SIZE_KEY]: originalSize?.join("x") ?? "" }), notes };
}

/** Whether pixels are read from a canvas as they were drawn. Browsers that protect against fingerprinting alter them. */
function canvasIsExact() {
  const side = 16;
  const context = new OffscreenCanvas(side, side).getContext("2d");
  if (!context) return false;
  const drawn = new ImageData(side, side);
  drawn.data.forEach((_, index) => (drawn.data[index] = index % 4 === 3 ? 255 : (37 * index) % 256));
  context.putImageData(drawn, 0, 0);
  const read = context.getImageData(0, 0, side, side).data;
  return drawn.data.every((value, index) => value === read[index]);
}
