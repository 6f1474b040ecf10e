/** Writes PNG files (W3C, Portable Network Graphics, third edition): 8-bit RGB, without loss in every browser. */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const [RGB, PAETH] = [2, 4];
const CHANNELS = 3;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/**
 * @param {Uint8ClampedArray} pixels [height, width, 3].
 * @param {number} width
 * @param {number} height
 * @param {Record<string, string>} texts ASCII texts by keyword.
 * @returns {Promise<Blob>}
 */
export async function encodePng(pixels, width, height, texts) {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, RGB);
  const stream = new Blob([filtered(pixels, width, height)]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", new Uint8Array(header.buffer)),
    ...Object.entries(texts).map(([key, text]) => chunk("tEXt", ascii(`${key}\0${text}`))),
    chunk("IDAT", data),
    chunk("IEND", new Uint8Array()),
  ];
  return new Blob(parts, { type: "image/png" });
}

/**
 * The differences to the Paeth predictor, row by row, each after the number of the filter.
 * @param {Uint8ClampedArray} pixels
 * @param {number} width
 * @param {number} height
 */
function filtered(pixels, width, height) {
  const stride = CHANNELS * width;
  const rows = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * stride, y * (stride + 1)];
    rows[to] = PAETH;
    for (let x = 0; x < stride; x++) {
      const left = x < CHANNELS ? 0 : (pixels[from + x - CHANNELS] ?? 0);
      const above = y === 0 ? 0 : (pixels[from + x - stride] ?? 0);
      const corner = x < CHANNELS || y === 0 ? 0 : (pixels[from + x - stride - CHANNELS] ?? 0);
      rows[to + 1 + x] = (pixels[from + x] ?? 0) - paeth(left, above, corner);
    }
  }
  return rows;
}

/**
 * @param {number} left
 * @param {number} above
 * @param {number} corner
 */
function paeth(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

/**
 * @param {string} type
 * @param {Uint8Array} data
 * @returns {Uint8Array<ArrayBuffer>}
 */
function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(ascii(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** @param {Uint8Array} bytes */
function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (CRC_TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {string} text */
function ascii(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
