/** What is drawn over the image: the heat map of a class, and the outline of the lesion. */

import { className, ranked } from "../format.js";
import { colour, drawHeatMap } from "../heat_map.js";
import { t } from "../messages.js";
import { html, useEffect, useLayoutEffect, useRef } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").Explanation} Explanation */
/** @typedef {import("../types.js").Prediction} Prediction */

/** @param {{ explanation: Explanation, name: string, opacity: number }} props */
export function HeatMapLayer({ explanation, name, opacity }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useLayoutEffect(() => {
    if (canvas.current) drawHeatMap(canvas.current, explanation);
  }, [explanation]);
  return html`<canvas
    ref=${canvas}
    role="img"
    aria-label=${t("viewer.mapLabel", { name, region: strongestRegion(explanation.values) })}
    style=${{ opacity: String(opacity) }}
  ></canvas>`;
}

/** @param {{ outline: number[][] }} props Points x, y as shares of the image's sides. */
export function OutlineLayer({ outline }) {
  const points = outline.map(([x = 0, y = 0]) => `${(1000 * x).toFixed(1)},${(1000 * y).toFixed(1)}`).join(" ");
  // Light on dark, so that it is visible on any skin.
  return html`<svg class="outline" viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=${t("viewer.outlineLabel")}>
    <polygon class="casing" points=${points} />
    <polygon points=${points} />
  </svg>`;
}

/**
 * The explained class and the opacity of the heat map.
 * @param {object} props
 * @param {Session} props.session
 * @param {Prediction} props.result Its classes can be selected.
 * @param {string} props.code
 * @param {(code: string) => void} props.onSelect
 */
export function MapControls({ session, result, code, onSelect }) {
  if (!session.model?.explainable || !session.layers.map) return null;
  const onSlide = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) =>
    session.set({ opacity: Number(currentTarget.value) / 100 });
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    onSelect(currentTarget.value);
  const opacity = Math.round(100 * session.opacity);
  return html`<div class="heat-controls">
    <div>
      <label for="explained">${t("map.class")}</label>
      <select id="explained" value=${code} onChange=${onChange}>
        ${ranked(result, session.model).map(
          (other) =>
            html`<option key=${other.code} value=${other.code} selected=${other.code === code}>${className(session.model, other.code)}</option>`,
        )}
      </select>
    </div>
    <div>
      <label for="opacity">${t("map.opacity")}</label>
      <span class="slider">
        <input id="opacity" type="range" min="0" max="100" step="5" value=${opacity} onInput=${onSlide} aria-valuetext=${`${opacity}%`} />
        <output for="opacity">${opacity}%</output>
      </span>
    </div>
    <${Legend} />
    <p class="muted map-note">${t("map.note")}</p>
  </div>`;
}

function Legend() {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    for (let x = 0; context && x < 64; x++) {
      context.fillStyle = `rgb(${colour(x / 63).map(Math.round).join(" ")})`;
      context.fillRect(x, 0, 1, 1);
    }
  }, []);
  return html`<p class="legend muted">
    ${t("map.weak")} <canvas ref=${canvas} width="64" height="1" aria-hidden="true"></canvas> ${t("map.strong")}
  </p>`;
}

/** @type {import("../messages.js").MessageKey[][]} */
const REGIONS = [
  ["region.upperLeft", "region.upperMiddle", "region.upperRight"],
  ["region.middleLeft", "region.middle", "region.middleRight"],
  ["region.lowerLeft", "region.lowerMiddle", "region.lowerRight"],
];

/**
 * The region with the highest value, for screen readers.
 * @param {number[][]} values
 */
function strongestRegion(values) {
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  let [best, y, x] = [0, 0, 0];
  values.forEach((row, j) => row.forEach((value, i) => {
    if (value > best) [best, y, x] = [value, j, i];
  }));
  const third = (/** @type {number} */ position, /** @type {number} */ length) => Math.min(2, Math.floor((3 * (position + 0.5)) / length));
  const key = REGIONS[third(y, rows)]?.[third(x, columns)];
  return best > 0 && key ? t(key) : t("region.none");
}
