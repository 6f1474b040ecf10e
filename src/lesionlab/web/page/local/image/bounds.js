/** A limit against small files that take minutes to decode, as in `lesionlab.images.bounds`. */

const MAX_SCANS = 32; // cameras and editors write at most about a dozen
const MAX_SEGMENTS = 20_000;
const SCAN = 0xda;
const END = 0xd9;
const FIRST_RESTART = 0xd0;
const LAST_RESTART = 0xd7;
const WITHOUT_LENGTH = [0x01, 0xd8];

/**
 * Whether a JPEG has too many scans, each of which refines the whole image, or segments, up to the end of the image.
 * What follows it, such as the film of a phone, is no part of it.
 * @param {DataView<ArrayBuffer>} view
 */
export function hasTooManyParts(view) {
  if (view.byteLength < 2 || view.getUint16(0) !== 0xffd8) return false;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  let scans = 0;
  let segments = 0;
  for (let at = bytes.indexOf(0xff); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at)) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at += 1; // fill byte
      continue;
    }
    at += 2;
    if (marker === 0 || (marker >= FIRST_RESTART && marker <= LAST_RESTART)) continue; // within the data of a scan
    if (marker === END) return false;
    segments += 1;
    if (marker === SCAN) scans += 1;
    if (scans > MAX_SCANS || segments > MAX_SEGMENTS) return true;
    if (!WITHOUT_LENGTH.includes(marker) && at + 2 <= bytes.length) at += Math.max(2, view.getUint16(at));
  }
  return false;
}
