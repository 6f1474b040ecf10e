/** The header of a JPEG file: the segments before the first scan. Source: ITU-T T.81, annex B. */

import { orientationIn, orientationInXmp } from "./exif.js";
import { DEFAULTS, joined, text } from "./header.js";

/** @typedef {import("./header.js").Header} Header */

const SCAN = 0xda;
const APP1 = 0xe1;
const APP2 = 0xe2;
const END = 0xd9;
const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const START = 0xd8;
const FIRST_RESTART = 0xd0;
const PROFILE = "ICC_PROFILE\0";
// Markers of frame headers, which also tell the coding.
const READ_FRAMES = [0xc0, 0xc1, 0xc2];
const ARITHMETIC_FRAMES = [0xc9, 0xca];
const LOSSLESS_FRAMES = [0xc3, 0xc7, 0xcb, 0xcf];
const HIERARCHICAL_FRAMES = [0xc5, 0xc6, 0xcd, 0xce];
const JPEG_LS = 0xf7;
const FRAMES = [...READ_FRAMES, ...ARITHMETIC_FRAMES, ...LOSSLESS_FRAMES, ...HIERARCHICAL_FRAMES, JPEG_LS];

/**
 * @param {DataView} view
 * @returns {Header}
 */
export function jpegHeader(view) {
  /** @type {Header} */
  const header = { ...DEFAULTS, format: "JPEG", type: "image/jpeg", width: 0, height: 0, complete: false };
  /** @type {Uint8Array[]} */
  const profile = [];
  for (let at = 2; ; ) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || marker === 0xff) {
      at += 1; // fill byte, or bytes between segments, which libjpeg-turbo passes over too
      continue;
    }
    if (hasNoLength(marker)) {
      at += 2;
      continue;
    }
    const body = at + 4;
    if (FRAMES.includes(marker)) {
      header.unread = unreadReason(marker, view.getUint8(body));
      header.height = view.getUint16(body + 1);
      header.width = view.getUint16(body + 3);
      const channels = view.getUint8(body + 5);
      Object.assign(header, { grey: channels === 1, cmyk: channels === 4, profile: wholeProfile(profile) });
    } else if (marker === APP1 && text(view, body, EXIF.length) === EXIF) {
      header.orientation = orientationIn(view, body + EXIF.length) ?? header.orientation;
    } else if (marker === APP1 && text(view, body, XMP.length) === XMP) {
      header.orientation ??= orientationInXmp(view, body, view.getUint16(at + 2));
    } else if (marker === APP2 && text(view, body, PROFILE.length) === PROFILE) {
      profile.push(new Uint8Array(view.buffer, body + PROFILE.length, Math.max(0, view.getUint16(at + 2) - 2 - PROFILE.length)));
    } else if (marker === SCAN) {
      if (header.width === 0) throw new RangeError("scan before frame header");
      return { ...header, complete: hasEndAfter(view, body) };
    }
    at += 2 + view.getUint16(at + 2);
  }
}

/** @param {number} marker */
function hasNoLength(marker) {
  return marker <= 1 || (marker >= FIRST_RESTART && marker <= START);
}

/**
 * The reason why a kind of JPEG is not read, as on the command line; null for one that is read.
 * @param {number} frame Marker of the frame header.
 * @param {number} bits Bits per value.
 */
function unreadReason(frame, bits) {
  if (READ_FRAMES.includes(frame) && bits === 8) return null;
  if (ARITHMETIC_FRAMES.includes(frame) && bits === 8) {
    return "JPEG with arithmetic coding is not read in the browser; save the image as PNG, or use the command line";
  }
  return `${kind(frame, bits)} is not read; export the image with 8 bits per channel`;
}

/**
 * @param {number} frame
 * @param {number} bits
 */
function kind(frame, bits) {
  if (frame === JPEG_LS) return "JPEG-LS";
  if (LOSSLESS_FRAMES.includes(frame)) return `JPEG with lossless coding and ${bits} bits`;
  return bits === 8 ? "JPEG with hierarchical coding" : `JPEG with ${bits} bits`;
}

/**
 * @param {DataView} view
 * @param {number} start
 */
function hasEndAfter(view, start) {
  for (let at = view.byteLength - 2; at >= start; at--) {
    if (view.getUint8(at) === 0xff && view.getUint8(at + 1) === END) return true;
  }
  return false;
}

/**
 * Join the segments of a colour profile, each with its number and their count in front.
 * @param {Uint8Array[]} segments
 * @returns {Uint8Array | null} Empty if a segment is missing; null for no profile.
 */
function wholeProfile(segments) {
  const [first, ...others] = segments.sort(([one = 0], [other = 0]) => one - other);
  if (!first) return null;
  return first[1] === segments.length ? joined([first, ...others].map((segment) => segment.subarray(2))) : new Uint8Array();
}
