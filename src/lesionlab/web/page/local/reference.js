/** The bundle's reference statistics, as `lesionlab build-web` packs them. */

/**
 * @typedef {object} FeatureSpace
 * @property {Float32Array} mean [D].
 * @property {Float32Array} basis [K, D].
 * @property {number} limit
 *
 * @typedef {object} Reference Statistics that a model lacks are null.
 * @property {Float32Array | null} head Weights of the classifier, [C, D].
 * @property {{ darkest: number, brightest: number, flattest: number } | null} image
 * @property {number | null} softest
 * @property {FeatureSpace | null} features
 */

/**
 * @param {ArrayBuffer} bytes Little-endian float32.
 * @param {import("./model_files.js").ModelDescription["reference"]} layout
 * @returns {Reference}
 */
export function readReference(bytes, layout) {
  const view = new DataView(bytes);
  const array = (/** @type {string} */ name) => {
    const { offset = 0, shape = [0] } = layout[name] ?? {};
    const length = shape.reduce((product, side) => product * side, 1);
    return Float32Array.from({ length }, (_, index) => view.getFloat32(offset + 4 * index, true));
  };
  const number = (/** @type {string} */ name) => array(name)[0] ?? Number.NaN;
  return {
    head: layout["head_weights"] ? array("head_weights") : null,
    image: layout["image_darkest"]
      ? { darkest: number("image_darkest"), brightest: number("image_brightest"), flattest: number("image_flattest") }
      : null,
    softest: layout["sharpness_softest"] ? number("sharpness_softest") : null,
    features: layout["features_basis"]
      ? { mean: array("features_mean"), basis: array("features_basis"), limit: number("features_limit") }
      : null,
  };
}
