/** Axes, grid and labels of the diagrams, as SVG. */

import { html } from "../vendor/htm-preact.js";

/**
 * @typedef {object} Axis
 * @property {number} from
 * @property {number} to
 * @property {number[]} ticks
 * @property {string} label
 *
 * @typedef {object} Scale From values to coordinates of the drawing.
 * @property {(value: number) => number} x
 * @property {(value: number) => number} y
 */

const MARGIN = { left: 54, right: 10, top: 10, bottom: 38 };

/**
 * @param {object} props
 * @param {Axis} props.across
 * @param {Axis} props.up
 * @param {string} props.label Description for screen readers.
 * @param {(scale: Scale) => unknown} props.draw
 * @param {number} [props.width]
 * @param {number} [props.height]
 */
export function Plot({ across, up, label, draw, width = 340, height = 280 }) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const x = (/** @type {number} */ value) => MARGIN.left + (inner.width * (value - across.from)) / (across.to - across.from);
  const y = (/** @type {number} */ value) => MARGIN.top + inner.height * (1 - (value - up.from) / (up.to - up.from));
  const [bottom, right] = [MARGIN.top + inner.height, MARGIN.left + inner.width];
  return html`<svg class="plot" viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${label}>
    ${up.ticks.map(
      (tick) => html`<line class="grid" x1=${MARGIN.left} x2=${right} y1=${y(tick)} y2=${y(tick)} />
        <text class="tick" x=${MARGIN.left - 6} y=${y(tick) + 4} text-anchor="end">${tick}</text>`,
    )}
    ${across.ticks.map(
      (tick) => html`<line class="grid" x1=${x(tick)} x2=${x(tick)} y1=${MARGIN.top} y2=${bottom} />
        <text class="tick" x=${x(tick)} y=${bottom + 15} text-anchor="middle">${tick}</text>`,
    )}
    <line class="axis" x1=${MARGIN.left} x2=${right} y1=${bottom} y2=${bottom} />
    <line class="axis" x1=${MARGIN.left} x2=${MARGIN.left} y1=${MARGIN.top} y2=${bottom} />
    ${draw({ x, y })}
    <text class="label" x=${(MARGIN.left + right) / 2} y=${height - 6} text-anchor="middle">${across.label}</text>
    <text class="label" transform=${`translate(12 ${(MARGIN.top + bottom) / 2}) rotate(-90)`} text-anchor="middle">${up.label}</text>
  </svg>`;
}

/**
 * The `d` attribute of a path through points.
 * @param {[number, number][]} points
 */
export function path(points) {
  return points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/**
 * About `count` round ticks from `from` to `to`.
 * @param {number} from
 * @param {number} to
 * @param {number} [count]
 * @returns {number[]}
 */
export function ticks(from, to, count = 5) {
  const rough = Math.max(to - from, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(10)));
}

/** An axis from 0 to 1. */
export const UNIT = { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
