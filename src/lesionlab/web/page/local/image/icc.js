/**
 * Colour profiles of displays and cameras: a curve for each channel, and the colours of the primaries.
 * Source: ICC.1:2022. Profiles of lookup tables, as printers have, are recognised but not read.
 */

import { text } from "./header.js";

/** @typedef {(value: number) => number} Curve From 0..1 to 0..1. */

/**
 * @typedef {object} Profile
 * @property {string} space The colour space of the pixels, such as "RGB" or "GRAY".
 * @property {string} description
 * @property {boolean} isLookupTable
 * @property {() => Curve[]} curves One for each channel.
 * @property {() => number[][]} primaries XYZ of red, green and blue. Both throw a RangeError for damaged tags.
 */

const MAX_TAGS = 100;
const MAX_CURVE = 0x7fff;
// Tables for the relative colorimetric intent, in the order in which they replace curves and primaries.
const TABLES = ["D2B1", "A2B1", "A2B0"];
// The number of parameters of each kind of parametric curve.
const PARAMETERS = [1, 3, 4, 5, 7];

/**
 * @param {Uint8Array} bytes
 * @returns {Profile}
 * @throws {RangeError} This is not a profile.
 */
export function parseProfile({ buffer, byteOffset, byteLength }) {
  const whole = new DataView(buffer, byteOffset, byteLength);
  const size = Math.min(whole.getUint32(0), byteLength);
  const view = new DataView(buffer, byteOffset, size);
  if (text(view, 36, 4) !== "acsp" || view.getUint8(8) > 5) throw new RangeError("no profile");
  const tags = readTags(view);
  const tag = (/** @type {string} */ name) => {
    const found = tags.get(name);
    if (!found) throw new RangeError(`no tag ${name}`);
    return found;
  };
  const letters = ["r", "g", "b"];
  const space = text(view, 16, 4).trim();
  return {
    space,
    description: tags.has("desc") ? description(tag("desc")) : "",
    isLookupTable: text(view, 20, 4) !== "XYZ " || TABLES.some((name) => tags.has(name)),
    curves: () => (space === "GRAY" ? ["k"] : letters).map((letter) => readCurve(tag(`${letter}TRC`))),
    primaries: () => letters.map((letter) => readColour(tag(`${letter}XYZ`))),
  };
}

/**
 * The tags that lie within the profile.
 * @param {DataView} view
 * @returns {Map<string, DataView>}
 */
function readTags(view) {
  const count = view.getUint32(128);
  if (count > MAX_TAGS) throw new RangeError("too many tags");
  const tags = new Map();
  for (let at = 132; at < 132 + 12 * count; at += 12) {
    const [start, length] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (start + length <= view.byteLength) tags.set(text(view, at, 4), new DataView(view.buffer, view.byteOffset + start, length));
  }
  return tags;
}

/** @param {DataView} tag */
function description(tag) {
  if (text(tag, 0, 4) !== "mluc") return text(tag, 12, tag.getUint32(8)).replace(/\0.*/s, "");
  const count = tag.getUint32(8);
  const places = Array.from({ length: count }, (_, index) => 16 + 12 * index);
  const inLanguage = (/** @type {string} */ wanted) => places.find((at) => text(tag, at, wanted.length) === wanted);
  const at = inLanguage("enUS") ?? inLanguage("en") ?? 16;
  const [length, start] = [tag.getUint32(at + 4), tag.getUint32(at + 8)];
  return new TextDecoder("utf-16be").decode(new Uint8Array(tag.buffer, tag.byteOffset + start, length));
}

/** @param {DataView} tag */
function readColour(tag) {
  if (text(tag, 0, 4) !== "XYZ ") throw new RangeError("no colour");
  return [8, 12, 16].map((at) => fixed(tag, at));
}

/**
 * @param {DataView} tag
 * @returns {Curve}
 */
function readCurve(tag) {
  const kind = text(tag, 0, 4);
  if (kind === "para") {
    const count = PARAMETERS[tag.getUint16(8)];
    if (count === undefined) throw new RangeError("an unknown curve");
    return parametric(tag.getUint16(8), Array.from({ length: count }, (_, index) => fixed(tag, 12 + 4 * index)));
  }
  const count = tag.getUint32(8);
  if (kind !== "curv" || count > MAX_CURVE) throw new RangeError("an unknown curve");
  if (count === 0) return (value) => value;
  if (count === 1) return parametric(0, [tag.getUint16(12) / 256]);
  return table(Array.from({ length: count }, (_, index) => tag.getUint16(12 + 2 * index)));
}

/**
 * @param {number} kind
 * @param {number[]} parameters
 * @returns {Curve}
 */
function parametric(kind, [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0]) {
  const power = (/** @type {number} */ value) => Math.max(0, value) ** g;
  if (kind === 0) return power;
  const start = -b / a;
  if (kind === 1) return (value) => (value >= start ? power(a * value + b) : 0);
  if (kind === 2) return (value) => (value >= start ? power(a * value + b) : 0) + c;
  return (value) => (value >= d ? power(a * value + b) + e : c * value + f);
}

/**
 * Linear interpolation in integers, as in Little CMS.
 * @param {number[]} values 16-bit values at equal distances.
 * @returns {Curve}
 */
function table(values) {
  const last = values.length - 1;
  return (value) => {
    const product = last * Math.round(65535 * value);
    const place = product + Math.floor((product + 0x7fff) / 0xffff);
    const [cell, rest] = [place >>> 16, place & 0xffff];
    const [low = 0, high = low] = values.slice(cell, cell + 2);
    return (low + Math.floor(((high - low) * rest + 0x8000) / 0x10000)) / 65535;
  };
}

/**
 * A number with 16 bits before and 16 bits after the point.
 * @param {DataView} view
 * @param {number} at
 */
function fixed(view, at) {
  return view.getInt32(at) / 65536;
}
