/** The buttons below the image: zoom, full screen and layers. */

import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session["layers"]} Layers */

// Strokes on a grid of 20 by 20.
const ICONS = {
  enlarge: "M10 4v12M4 10h12",
  reduce: "M4 10h12",
  fullScreen: "M3 8V3h5M17 8V3h-5M3 12v5h5M17 12v5h-5",
  leaveFullScreen: "M8 3v5H3M12 3v5h5M8 17v-5H3M12 17v-5h5",
};

/** @type {{ name: keyof Layers, label: import("../messages.js").MessageKey, key: string }[]} */
const LAYERS = [
  { name: "map", label: "viewer.map", key: "M" },
  { name: "outline", label: "viewer.outline", key: "O" },
  { name: "sideBySide", label: "viewer.sideBySide", key: "S" },
];

/**
 * @param {object} props
 * @param {ReturnType<typeof import("./zoom.js").useZoom>} props.zoom
 * @param {boolean} props.full
 * @param {() => void} props.onFull
 * @param {Layers} props.layers
 * @param {Layers} props.available
 * @param {(name: keyof Layers) => void} props.onToggle
 */
export function ViewerButtons({ zoom, full, onFull, layers, available, onToggle }) {
  const { scale } = zoom.view;
  return html`<div class="viewer-buttons" role="group" aria-label=${t("viewer.buttons")}>
    <div class="button-group">
      <${IconButton} icon="reduce" label=${t("viewer.reduce")} keys="-" onClick=${zoom.reduce} disabled=${scale <= 1} />
      <button type="button" class="zoom-level" title="${t("viewer.fit")} (0)" aria-label=${t("viewer.fit")} onClick=${zoom.fit}>${Math.round(100 * scale)}%</button>
      <${IconButton} icon="enlarge" label=${t("viewer.enlarge")} keys="+" onClick=${zoom.enlarge} disabled=${zoom.atMost} />
      <${IconButton}
        icon=${full ? "leaveFullScreen" : "fullScreen"}
        label=${t(full ? "viewer.leaveFullScreen" : "viewer.fullScreen")}
        keys="F"
        onClick=${onFull}
      />
    </div>
    <div class="button-group">
      ${LAYERS.map(
        ({ name, label, key }) =>
          available[name] &&
          html`<button key=${name} type="button" title=${`${t(label)} (${key})`} aria-pressed=${String(layers[name])} onClick=${() => onToggle(name)}>
            ${t(label)}
          </button>`,
      )}
    </div>
  </div>`;
}

/** @param {{ icon: keyof typeof ICONS, label: string, keys: string, onClick: () => void, disabled?: boolean }} props */
function IconButton({ icon, label, keys, onClick, disabled = false }) {
  return html`<button type="button" class="icon-button" title=${`${label} (${keys})`} aria-label=${label} onClick=${onClick} disabled=${disabled}>
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d=${ICONS[icon]} /></svg>
  </button>`;
}
