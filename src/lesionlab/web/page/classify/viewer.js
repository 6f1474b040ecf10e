/** The image in its own proportions: zoom, pan, full screen, and layers with the heat map and the outline of the lesion. */

import { className } from "../format.js";
import { t } from "../messages.js";
import { html, useRef, useState } from "../vendor/htm-preact.js";
import { useFullScreen } from "./full_screen.js";
import { HeatMapLayer, OutlineLayer } from "./layers.js";
import { useExplanation } from "./use_explanation.js";
import { ViewerButtons } from "./viewer_buttons.js";
import { useZoom } from "./zoom.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("./zoom.js").View} View */

// Width divided by height until the image is there; most dermoscopic images are 4:3.
const USUAL_RATIO = 4 / 3;

/**
 * @param {object} props
 * @param {Session} props.session
 * @param {Item} props.item
 * @param {string} props.code The explained class; empty for the image alone.
 * @param {boolean} [props.small] For one of several images: without the original beside it.
 */
export function ImageViewer({ session, item, code, small = false }) {
  const figure = useRef(/** @type {HTMLElement | null} */ (null));
  const [full, setFull] = useFullScreen(figure);
  const zoom = useZoom(full);
  const { explanation, loading, problem, retry } = useExplanation(session, item, code);
  const outline = (code && item.related?.outline) || null;
  const { layers } = session;
  const layered = Boolean(explanation || outline);
  const sideBySide = layers.sideBySide && layered && !small;

  const toggle = (/** @type {keyof Session["layers"]} */ name) => {
    zoom.fit();
    session.set({ layers: { ...layers, [name]: !layers[name] } });
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isControl(event.target)) return;
    /** @type {Record<string, () => void>} */
    const functions = { f: () => setFull(!full) };
    if (full) functions["Escape"] = () => setFull(false);
    if (explanation) functions["m"] = () => toggle("map");
    if (outline) functions["o"] = () => toggle("outline");
    if (layered && !small) functions["s"] = () => toggle("sideBySide");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!functions[key] && !zoom.onKey(key)) return;
    functions[key]?.();
    // The page has keys of its own.
    event.preventDefault();
    event.stopPropagation();
  };

  const name = className(session.model, code);
  const kinds = ["viewer", "heat", small && "small", full && "full", sideBySide && "side-by-side", zoom.view.scale > 1 && "zoomed"];
  return html`<figure class=${kinds.filter(Boolean).join(" ")} ref=${figure} onKeyDown=${onKeyDown}>
    ${full && html`<p class="research-notice">${t("researchOnly")}</p>`}
    <div
      class="panes"
      ref=${zoom.panes}
      ...${zoom.handlers}
      tabindex="0"
      role="group"
      aria-label=${t("viewer.label", { name: item.name })}
      aria-keyshortcuts="+ - 0 F M O S"
    >
      ${sideBySide && html`<${Pane} item=${item} view=${zoom.view} label=${t("viewer.original")} />`}
      <${Pane} item=${item} view=${zoom.view} label=${sideBySide && explanation && layers.map ? name : ""}>
        ${explanation && layers.map && html`<${HeatMapLayer} explanation=${explanation} name=${name} opacity=${session.opacity} />`}
        ${outline && layers.outline && html`<${OutlineLayer} outline=${outline} />`}
      <//>
    </div>
    <${ViewerButtons}
      zoom=${zoom}
      full=${full}
      onFull=${() => setFull(!full)}
      layers=${layers}
      available=${{ map: Boolean(explanation), outline: Boolean(outline), sideBySide: layered && !small }}
      onToggle=${toggle}
    />
    <figcaption class="muted">
      ${explanation && layers.map && html`<span>${t("viewer.evidence", { name })}</span>`}
      ${loading && html`<span class="progress"><span class="spinner" aria-hidden="true"></span> ${t("viewer.loadingMap")}</span>`}
      ${code && !session.model?.explainable && t("viewer.noMap")}
      ${problem &&
      html`<span class="problem" role="alert">${t("viewer.mapFailed", { reason: problem })}</span>
        <button type="button" onClick=${retry}>${t("tryAgain")}</button>`}
    </figcaption>
  </figure>`;
}

/**
 * The image with its layers, moved by the view.
 * @param {object} props
 * @param {Item} props.item
 * @param {View} props.view
 * @param {string} props.label
 * @param {unknown} [props.children] The layers.
 */
function Pane({ item, view, label, children }) {
  const [ratio, setRatio] = useState(USUAL_RATIO);
  const [supported, setSupported] = useState(true);
  const onLoad = (/** @type {Event & { currentTarget: HTMLImageElement }} */ { currentTarget }) =>
    setRatio(currentTarget.naturalWidth / currentTarget.naturalHeight);
  const transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.scale})`;
  return html`<div class="pane" style=${{ "--ratio": ratio.toFixed(5), "--scale": view.scale.toFixed(3) }}>
    <div class="stage">
      <div class=${supported ? "stack" : "stack unsupported"} style=${{ transform }}>
        ${supported
          ? html`<img
              src=${item.url}
              alt=${t("viewer.image", { name: item.name })}
              draggable=${false}
              onLoad=${onLoad}
              onError=${() => setSupported(false)}
            />`
          : html`<p>${t("viewer.unsupported")}</p>`}
        ${children}
      </div>
    </div>
    ${label && html`<span class="pane-label">${label}</span>`}
  </div>`;
}

/**
 * Whether an element has keys of its own.
 * @param {EventTarget | null} target
 */
function isControl(target) {
  return target instanceof Element && target.closest("input, select, button") !== null;
}
