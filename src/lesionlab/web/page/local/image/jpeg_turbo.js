/**
 * Decodes JPEG files by libjpeg-turbo, compiled to WebAssembly: to the same values as the command line, in every browser.
 * Browsers have decoders of their own that differ, and cannot decode at a reduced size.
 */

import { EngineError } from "../../engine.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * @typedef {object} Exports Of TurboJPEG; places are addresses in its memory.
 * @property {WebAssembly.Memory} memory
 * @property {(bytes: number) => number} malloc
 * @property {() => number} tjInitDecompress
 * @property {(handle: number, from: number, size: number, to: number, width: number, pitch: number, height: number, format: number, flags: number) => number} tjDecompress2
 */

const RGB = 0;

export class JpegDecoder {
  #module;

  /** @param {WebAssembly.Module} module */
  constructor(module) {
    this.#module = module;
  }

  /** @param {ArrayBuffer} code */
  static async load(code) {
    return new JpegDecoder(await WebAssembly.compile(code));
  }

  /**
   * @param {ArrayBuffer} file
   * @param {number} width Of what comes out: that of the image, or a half, a quarter or an eighth, rounded up.
   * @param {number} height
   * @returns {Picture} As it is stored, not turned.
   * @throws {EngineError}
   */
  decode(file, width, height) {
    try {
      // A new one each time: its memory would never shrink, and after an error it is in no state to go on.
      const { exports } = new WebAssembly.Instance(this.#module, IMPORTS);
      const turbo = /** @type {Exports} */ (/** @type {unknown} */ (exports));
      const size = 3 * width * height;
      const [from, to] = [allocated(turbo, file.byteLength), allocated(turbo, size)];
      new Uint8Array(turbo.memory.buffer).set(new Uint8Array(file), from);
      // It also tells of what a viewer would pass over, and decodes all the same; real errors arrive as exceptions.
      turbo.tjDecompress2(turbo.tjInitDecompress(), from, file.byteLength, to, width, 3 * width, height, RGB, 0);
      return { width, height, data: new Uint8ClampedArray(turbo.memory.buffer.slice(to, to + size)) };
    } catch {
      throw new EngineError("image", "the image is damaged, or too large for this device; copy or export it again");
    }
  }
}

/**
 * @param {Exports} turbo
 * @param {number} bytes
 */
function allocated(turbo, bytes) {
  const place = turbo.malloc(bytes);
  if (place === 0) throw new Error("out of memory");
  return place;
}

/** @returns {never} */
function ended() {
  throw new Error("libjpeg-turbo gave up");
}

// The library leaves an error by a long jump, which here is an exception.
const IMPORTS = {
  env: { setjmp: () => 0, longjmp: ended },
  wasi_snapshot_preview1: {
    environ_sizes_get: () => 0,
    environ_get: ended,
    proc_exit: ended,
    fd_close: ended,
    fd_seek: ended,
    fd_write: ended,
  },
};
