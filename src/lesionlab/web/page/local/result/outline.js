/** Outline of the lesion, as in `lesionlab.segmentation.outline`. */

const POINTS = 128;
const WINDOW = 7;
// A region with a smaller share of the image is noise, not a lesion.
const SMALLEST_SHARE = 0.003;

/**
 * The outline of the largest region of a segmentation; null if there is no lesion.
 * @param {Float32Array} probability [side, side].
 * @param {number} threshold A pixel belongs to the lesion at or above it.
 * @returns {[number, number][] | null} Points x, y as shares of the image's sides.
 */
export function lesionOutline(probability, threshold) {
  const side = Math.sqrt(probability.length);
  const region = largestRegion(probability, side, threshold);
  if (region.size < SMALLEST_SHARE * probability.length) return null;
  const corners = boundary(region, side);
  const step = Math.ceil(corners.length / POINTS);
  return corners.flatMap((_, index) => {
    if (index % step) return [];
    const near = Array.from({ length: WINDOW }, (_, shift) => corners[(index + shift) % corners.length] ?? [0, 0]);
    const mean = (/** @type {0 | 1} */ axis) => near.reduce((sum, corner) => sum + corner[axis], 0) / WINDOW / side;
    return [[round(mean(0)), round(mean(1))]];
  });
}

/** @param {number} share */
function round(share) {
  return Math.round(1e4 * share) / 1e4;
}

/**
 * Indices of the pixels of the largest 4-connected region.
 * @param {Float32Array} probability
 * @param {number} side
 * @param {number} threshold
 */
function largestRegion(probability, side, threshold) {
  const seen = new Uint8Array(probability.length);
  /** @type {number[]} */
  let largest = [];
  for (let first = 0; first < probability.length; first++) {
    /** @type {number[]} */
    const region = [];
    const visit = (/** @type {number} */ pixel) => {
      if (seen[pixel] || (probability[pixel] ?? 0) < threshold) return;
      seen[pixel] = 1;
      region.push(pixel);
    };
    visit(first);
    for (const pixel of region) {
      if (pixel % side > 0) visit(pixel - 1);
      if (pixel % side < side - 1) visit(pixel + 1);
      if (pixel >= side) visit(pixel - side);
      if (pixel < probability.length - side) visit(pixel + side);
    }
    if (region.length > largest.length) largest = region;
  }
  return new Set(largest);
}

/**
 * Corners x, y of pixels along the outer boundary of a region, clockwise.
 * @param {Set<number>} region
 * @param {number} side
 */
function boundary(region, side) {
  const inside = (/** @type {number} */ y, /** @type {number} */ x) => x >= 0 && x < side && region.has(y * side + x);
  const first = Math.min(...region);
  let [y, x] = [Math.floor(first / side), first % side];
  const start = [y, x];
  // The step to the next corner; the region is on its right-hand side.
  let [down, right] = [0, 1];
  /** @type {[number, number][]} */
  const corners = [];
  do {
    corners.push([x, y]);
    [y, x] = [y + down, x + right];
    if (!inside(y + (down + right - 1) / 2, x + (right - down - 1) / 2)) [down, right] = [right, -down];
    else if (inside(y + (down - right - 1) / 2, x + (right + down - 1) / 2)) [down, right] = [-right, down];
  } while (y !== start[0] || x !== start[1] || down !== 0 || right !== 1);
  return corners;
}
