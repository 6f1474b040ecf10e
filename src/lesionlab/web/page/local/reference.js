/** What reasons and refusals rest on: the numbers of the bundle's `reference.npz`, as `lesionlab site` lays them out. */

/**
 * @typedef {object} FeatureSpace
 * @property {Float32Array} mean [D].
 * @property {Float32Array} basis [K, D].
 * @property {number} limit
 *
 * @typedef {object} Reference What a model cannot have is null.
 * @property {Float32Array | null} head Weights of the classifier, [C, D].
 * @property {{ darkest: number, brightest: number, flattest: number } | null} picture
 * @property {number | null} softest
 * @property {FeatureSpace | null} features
 */

/**
 * @param {ArrayBuffer} bytes Little-endian float32.
 * @param {import("./site.js").Site["reference"]} places
 * @returns {Reference}
 */
export function readReference(bytes, places) {
  const view = new DataView(bytes);
  const array = (/** @type {string} */ name) => {
    const { offset = 0, shape = [0] } = places[name] ?? {};
    const length = shape.reduce((product, side) => product * side, 1);
    return Float32Array.from({ length }, (_, index) => view.getFloat32(offset + 4 * index, true));
  };
  const number = (/** @type {string} */ name) => array(name)[0] ?? Number.NaN;
  return {
    head: places["head_weights"] ? array("head_weights") : null,
    picture: places["picture_darkest"]
      ? { darkest: number("picture_darkest"), brightest: number("picture_brightest"), flattest: number("picture_flattest") }
      : null,
    softest: places["sharpness_softest"] ? number("sharpness_softest") : null,
    features: places["features_basis"]
      ? { mean: array("features_mean"), basis: array("features_basis"), limit: number("features_limit") }
      : null,
  };
}
