/** Restores a graph whose weights were sent as 16-bit floats, as `lesionlab.web.weights` packs it. */

/** @typedef {import("./model_files.js").GraphLayout} GraphLayout */

/**
 * @param {ArrayBuffer} packed The bytes around the weights, the high bytes of the weights, and the low ones.
 * @param {GraphLayout} layout
 * @returns {ArrayBuffer} The graph, with 32-bit floats.
 */
export function unpackGraph(packed, { bytes, tensors }) {
  const source = new Uint8Array(packed);
  const graph = new Uint8Array(bytes);
  const values = tensors.reduce((sum, [, count]) => sum + count, 0);
  const rest = source.length - 2 * values;
  const toFloat = floatsOfHalves();
  let from = 0;
  let to = 0;
  let high = rest;
  for (const [offset, count] of tensors) {
    graph.set(source.subarray(from, from + offset - to), to);
    from += offset - to;
    const weights = new Float32Array(count);
    for (let index = 0; index < count; index++, high++) {
      weights[index] = toFloat[(source[high] << 8) | source[high + values]];
    }
    graph.set(new Uint8Array(weights.buffer), offset);
    to = offset + 4 * count;
  }
  graph.set(source.subarray(from, rest), to);
  return graph.buffer;
}

/** The value of each 16-bit float that is finite. */
function floatsOfHalves() {
  const floats = new Float32Array(1 << 16);
  for (let bits = 0; bits < floats.length; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    floats[bits] = bits >> 15 ? -size : size;
  }
  return floats;
}
