/**
 * Conversion of colours by the embedded profile to sRGB, as in `lesionlab.images.colour_profile`, with the arithmetic of
 * Little CMS: fixed point with 14 bits, relative colorimetric.
 */

import { EngineError } from "../../engine.js";
import { parseProfile } from "./icc.js";

/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./icc.js").Profile} Profile */

/**
 * @callback Transform Converts pixels in place.
 * @param {Uint8ClampedArray} pixels
 * @param {3 | 4} channels Values per pixel; a fourth one is kept.
 * @returns {void}
 */

const CONVERTED = "colours converted to sRGB by the embedded profile";
const IGNORED = "the embedded colour profile is not readable and was ignored: colours may be off";

const SPACES = ["RGB", "GRAY", "CMYK"];
const BITS = 14;
const ONE = 2 ** BITS;
const HALF = ONE / 2;
const NONE = new Int32Array();
// From XYZ adapted to D50; the inverse of the primaries that Little CMS computes from those of Rec. 709.
const SRGB_FROM_XYZ = [
  [3.13418636423682, -1.617208958998275, -0.49069406400638405],
  [-0.9787485041906937, 1.9161300967735857, 0.03343339915999551],
  [0.07196392780224675, -0.22899387345320316, 1.4057537328964438],
];
// The curve of sRGB is a straight line up to LINEAR_END.
const SLOPE = 12.92;
const LINEAR_END = 0.04045;
// Versions of the sRGB profile differ by rounding of their curves and primaries.
const SRGB_LEVELS = 3;
const STEPS = [0, 32, 64, 128, 192, 255];

/**
 * @param {Header} header
 * @returns {{ transform: Transform | null, notes: string[] }} No transform for colours that stay unchanged.
 * @throws {EngineError} The profile is one that is not read here.
 */
export function profileTransform({ profile: bytes, grey, sixteenBit, cmyk }) {
  if (!bytes) return { transform: null, notes: [] };
  try {
    const profile = parseProfile(bytes);
    const { space, description } = profile;
    if (!SPACES.includes(space)) throw new RangeError("another colour space");
    if (space === "RGB" && description.startsWith("sRGB") && !description.toLowerCase().includes("linear")) {
      return { transform: null, notes: [] };
    }
    const fits = !sixteenBit && space === (cmyk ? "CMYK" : grey ? "GRAY" : "RGB");
    if (profile.isLookupTable) {
      if (!fits) throw new RangeError("another colour space");
      throw new EngineError(
        "image",
        `its colour profile (${description || space}) is not read in the browser; save the image in sRGB, or use the command line or lesionlab serve`,
      );
    }
    const transform = space === "RGB" ? ofColours(profile) : ofGrey(profile);
    if (isSrgb(transform, space === "GRAY")) return { transform: null, notes: [] };
    if (!fits) throw new RangeError("another colour space");
    return { transform, notes: [CONVERTED] };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { transform: null, notes: [IGNORED] };
  }
}

/**
 * @param {Profile} profile
 * @returns {Transform}
 */
function ofColours(profile) {
  const [reds = NONE, greens = NONE, blues = NONE] = profile.curves().map((curve) => Int32Array.from(linear(curve), toFixed));
  const primaries = profile.primaries();
  const [toRed = NONE, toGreen = NONE, toBlue = NONE] = SRGB_FROM_XYZ.map((row) =>
    Int32Array.from(primaries, (xyz) => toFixed(row.reduce((total, weight, axis) => total + weight * (xyz[axis] ?? 0), 0))),
  );
  const levels = Uint8Array.from({ length: ONE + 1 }, (_, value) => encode(value / ONE));
  return (pixels, channels) => {
    for (let at = 0; at < pixels.length; at += channels) {
      const red = reds[pixels[at] ?? 0] ?? 0;
      const green = greens[pixels[at + 1] ?? 0] ?? 0;
      const blue = blues[pixels[at + 2] ?? 0] ?? 0;
      pixels[at] = levels[product(toRed, red, green, blue)] ?? 0;
      pixels[at + 1] = levels[product(toGreen, red, green, blue)] ?? 0;
      pixels[at + 2] = levels[product(toBlue, red, green, blue)] ?? 0;
    }
  };
}

/**
 * @param {Int32Array} row Of the matrix.
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 */
function product(row, red, green, blue) {
  const sum = (row[0] ?? 0) * red + (row[1] ?? 0) * green + (row[2] ?? 0) * blue;
  return Math.min(Math.max((sum + HALF) >> BITS, 0), ONE);
}

/**
 * @param {Profile} profile
 * @returns {Transform}
 */
function ofGrey(profile) {
  const levels = profile.curves().flatMap(linear).map(encode);
  return (pixels, channels) => {
    for (let at = 0; at < pixels.length; at += channels) pixels.fill(levels[pixels[at] ?? 0] ?? 0, at, at + 3);
  };
}

/**
 * The linear value of each of the 256 levels.
 * @param {import("./icc.js").Curve} curve
 */
function linear(curve) {
  return Array.from({ length: 256 }, (_, level) => Math.fround(curve(Math.fround(level / 255))));
}

/** @param {number} value */
function toFixed(value) {
  return Math.floor(value * ONE + 0.5);
}

/**
 * The 8-bit level of a linear value, by way of 16 bits.
 * @param {number} value From 0 to 1.
 */
function encode(value) {
  const curved = Math.fround(value >= LINEAR_END / SLOPE ? 1.055 * value ** (1 / 2.4) - 0.055 : value * SLOPE);
  const word = Math.floor(65535 * Math.min(Math.max(curved, 0), 1) + 0.5);
  return Math.floor((word * 65281 + 8388608) / 2 ** 24);
}

/**
 * @param {Transform} transform
 * @param {boolean} grey
 */
function isSrgb(transform, grey) {
  const colours = STEPS.flatMap((red) => (grey ? [red, red, red] : STEPS.flatMap((green) => STEPS.flatMap((blue) => [red, green, blue]))));
  const changed = Uint8ClampedArray.from(colours);
  transform(changed, 3);
  return changed.every((value, index) => Math.abs(value - (colours[index] ?? 0)) <= SRGB_LEVELS);
}
