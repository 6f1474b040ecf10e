/** The image with the heat map of a class over it. */

import { className, ranked } from "../format.js";
import { colour, drawHeatMap } from "../heat_map.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../types.js").Prediction} Prediction */

/** @param {{ session: Session, item: Item, code: string }} props `code`: the explained class; empty for no heat map. */
export function HeatFigure({ session, item, code }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [supported, setSupported] = useState(true);
  const explanation = item.explanations.get(code);
  useEffect(() => {
    if (code && item.state === "done") void session.explain(item, code);
  }, [item, item.state, code, session.model]);
  useLayoutEffect(() => {
    if (canvas.current && explanation && typeof explanation !== "string") drawHeatMap(canvas.current, explanation);
  }, [explanation]);

  const name = className(session.model, code);
  const mapped = explanation && typeof explanation !== "string";
  return html`<figure class="heat">
    <div class=${supported ? "stack" : "stack unsupported"}>
      ${supported
        ? html`<img src=${item.url} alt=${`The image ${item.name}`} onError=${() => setSupported(false)} />`
        : html`<p>This browser cannot show this format. The model has read the image.</p>`}
      ${mapped &&
      html`<canvas
        ref=${canvas}
        role="img"
        aria-label=${`Heat map for ${name}: ${strongestRegion(explanation.values)}`}
        style=${{ opacity: String(session.opacity) }}
      ></canvas>`}
    </div>
    <figcaption class="muted">
      ${mapped && `Evidence for ${name}`}
      ${typeof explanation === "string" && `No heat map: ${explanation}`}
      ${code && !session.model?.explainable && "This model has no heat map."}
    </figcaption>
  </figure>`;
}

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {Prediction} props.result Its classes can be selected.
 * @param {string} props.code
 * @param {(code: string) => void} props.onSelect
 */
export function HeatControls({ session, result, code, onSelect }) {
  if (!session.model?.explainable) return null;
  const onSlide = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) =>
    session.set({ opacity: Number(currentTarget.value) / 100 });
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    onSelect(currentTarget.value);
  const opacity = Math.round(100 * session.opacity);
  return html`<div class="heat-controls">
    <div>
      <label for="explained">Heat map for</label>
      <select id="explained" value=${code} onChange=${onChange}>
        ${ranked(result, session.model).map(
          (other) => html`<option key=${other.code} value=${other.code} selected=${other.code === code}>${other.name}</option>`,
        )}
      </select>
    </div>
    <div>
      <label for="opacity">Opacity of the heat map</label>
      <span class="slider">
        <input id="opacity" type="range" min="0" max="100" step="5" value=${opacity} onInput=${onSlide} aria-valuetext=${`${opacity}%`} />
        <output for="opacity">${opacity}%</output>
      </span>
    </div>
    <${Legend} />
    <p class="muted map-note">Class activation map: the image regions that support the class. It does not show the extent of disease.</p>
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
  return html`<p class="legend muted">weak <canvas ref=${canvas} width="64" height="1" aria-hidden="true"></canvas> strong</p>`;
}

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
  if (best === 0) return "no region supports it";
  const third = (/** @type {number} */ position, /** @type {number} */ length, /** @type {string[]} */ words) =>
    words[Math.min(2, Math.floor((3 * (position + 0.5)) / length))];
  const vertical = third(y, rows, ["upper", "middle", "lower"]);
  const horizontal = third(x, columns, ["left", "middle", "right"]);
  return vertical === horizontal ? "strongest in the middle" : `strongest in the ${vertical} ${horizontal}`;
}
