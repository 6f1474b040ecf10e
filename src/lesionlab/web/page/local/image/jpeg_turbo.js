/**
 * JPEG decoding by libjpeg-turbo, compiled to WebAssembly: the same values as on the command line, in every browser. The
 * decoders of browsers differ, and cannot decode at a reduced size.
 */

import { EngineError } from "../../engine.js";

/** @typedef {import("./rgb_image.js").RgbImage} RgbImage */

/**
 * @typedef {object} Exports Functions of TurboJPEG; pointers are addresses in its memory.
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
   * @param {number} width Width to decode at: that of the image, or a half, a quarter or an eighth of it, rounded up.
   * @param {number} height
   * @returns {RgbImage} As stored, without its orientation applied.
   * @throws {EngineError}
   */
  decode(file, width, height) {
    try {
      // A new instance each time: its memory never shrinks, and it cannot be used after an error.
      const { exports } = new WebAssembly.Instance(this.#module, IMPORTS);
      const turbo = /** @type {Exports} */ (/** @type {unknown} */ (exports));
      const size = 3 * width * height;
      const [from, to] = [allocate(turbo, file.byteLength), allocate(turbo, size)];
      new Uint8Array(turbo.memory.buffer).set(new Uint8Array(file), from);
      // The return value also reports warnings; errors arrive as exceptions.
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
function allocate(turbo, bytes) {
  const pointer = turbo.malloc(bytes);
  if (pointer === 0) throw new Error("out of memory");
  return pointer;
}

/** @returns {never} */
function abort() {
  throw new Error("libjpeg-turbo aborted");
}

// The library handles an error by a long jump, which is an exception here.
const IMPORTS = {
  env: { setjmp: () => 0, longjmp: abort },
  wasi_snapshot_preview1: {
    environ_sizes_get: () => 0,
    environ_get: abort,
    proc_exit: abort,
    fd_close: abort,
    fd_seek: abort,
    fd_write: abort,
  },
};
