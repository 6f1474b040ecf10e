/** The image, with the map of the evidence for a diagnosis laid over it. */

import { colour, drawHeat } from "../heat.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../contract.js").ClassProbability} ClassProbability */

/** @param {{ session: Session, item: Item, diagnosis: string }} props */
export function HeatFigure({ session, item, diagnosis }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [shown, setShown] = useState(true);
  const explanation = item.maps.get(diagnosis);
  useEffect(() => {
    if (diagnosis && item.state === "done") void session.explain(item, diagnosis);
  }, [item, item.state, diagnosis, session.model]);
  useLayoutEffect(() => {
    if (canvas.current && explanation && typeof explanation !== "string") drawHeat(canvas.current, explanation);
  }, [explanation]);

  const name = item.answer?.result.classes.find(({ code }) => code === diagnosis)?.name ?? diagnosis;
  const mapped = explanation && typeof explanation !== "string";
  return html`<figure class="heat">
    <div class=${shown ? "stack" : "stack unshown"}>
      ${shown
        ? html`<img src=${item.url} alt=${`The image ${item.name}`} onError=${() => setShown(false)} />`
        : html`<p>This browser cannot show this format; the model has read it all the same.</p>`}
      ${mapped &&
      html`<canvas
        ref=${canvas}
        role="img"
        aria-label=${`Heat map for ${name}: ${whereabouts(explanation.values)}`}
        style=${{ opacity: String(session.opacity) }}
      ></canvas>`}
    </div>
    <figcaption class="quiet">
      ${mapped && `Evidence for ${name}`}
      ${typeof explanation === "string" && `No heat map: ${explanation}`}
      ${!session.model?.explains && "This model has no heat map."}
    </figcaption>
  </figure>`;
}

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {ClassProbability[]} props.classes
 * @param {string} props.diagnosis
 * @param {(code: string) => void} props.onDiagnosis
 */
export function HeatControls({ session, classes, diagnosis, onDiagnosis }) {
  if (!session.model?.explains) return null;
  const slide = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) =>
    session.set({ opacity: Number(currentTarget.value) / 100 });
  const choose = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    onDiagnosis(currentTarget.value);
  const shown = Math.round(100 * session.opacity);
  return html`<div class="heat-controls">
    <div>
      <label for="explained">Heat map for</label>
      <select id="explained" value=${diagnosis} onChange=${choose}>
        ${classes.map(({ code, name }) => html`<option key=${code} value=${code} selected=${code === diagnosis}>${name}</option>`)}
      </select>
    </div>
    <div>
      <label for="opacity">Strength of the map</label>
      <span class="slider">
        <input id="opacity" type="range" min="0" max="100" step="5" value=${shown} onInput=${slide} aria-valuetext=${`${shown}%`} />
        <output for="opacity">${shown}%</output>
      </span>
    </div>
    <${Legend} />
    <p class="quiet words">A class activation map: where the network looked, not why, and not where disease is.</p>
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
  return html`<p class="legend quiet">weak <canvas ref=${canvas} width="64" height="1" aria-hidden="true"></canvas> strong</p>`;
}

/**
 * Where a map is strongest, for those who cannot see it.
 * @param {number[][]} values
 */
function whereabouts(values) {
  const [rows, columns] = [values.length, values[0]?.length ?? 0];
  let [best, y, x] = [0, 0, 0];
  values.forEach((row, j) => row.forEach((value, i) => {
    if (value > best) [best, y, x] = [value, j, i];
  }));
  if (best === 0) return "nothing in the image is evidence for it";
  const third = (/** @type {number} */ place, /** @type {number} */ length, /** @type {string[]} */ words) =>
    words[Math.min(2, Math.floor((3 * (place + 0.5)) / length))];
  const up = third(y, rows, ["upper", "middle", "lower"]);
  const across = third(x, columns, ["left", "middle", "right"]);
  return up === across ? "strongest in the middle" : `strongest in the ${up} ${across}`;
}
