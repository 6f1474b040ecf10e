/** An image of a lesion, with zoom, pan and the outline of the lesion. */

import { OutlineLayer } from "../classify/layers.js";
import { useZoom } from "../classify/zoom.js";
import { html, useEffect, useLayoutEffect, useState } from "../vendor/htm-preact.js";
import { get } from "./api.js";

// Width divided by height until the image is there; most dermoscopic images are 4:3.
const USUAL_RATIO = 4 / 3;

/** @param {string} name */
export function imageAddress(name) {
  return `api/image?name=${encodeURIComponent(name)}`;
}

/**
 * @param {object} props
 * @param {{ name: string, type: string | null }} props.image
 * @param {boolean} props.keys Whether it has the zoom's keys.
 * @param {boolean} props.outlined
 */
export function LesionImage({ image, keys, outlined }) {
  const outline = useOutline(image.name, outlined);
  const zoom = useZoom(false);
  const [ratio, setRatio] = useState(USUAL_RATIO);
  useLayoutEffect(() => {
    if (!keys) return undefined;
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
      if (zoom.onKey(event.key)) event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  });
  const onLoad = (/** @type {Event & { currentTarget: HTMLImageElement }} */ { currentTarget }) =>
    setRatio(currentTarget.naturalWidth / currentTarget.naturalHeight);
  const transform = `translate(${100 * zoom.view.x}%, ${100 * zoom.view.y}%) scale(${zoom.view.scale})`;
  return html`<figure class=${zoom.view.scale > 1 ? "viewer zoomed" : "viewer"}>
    <div class="panes" ref=${zoom.panes} ...${zoom.handlers} tabindex="0" role="group" aria-label=${`Image ${image.name}`} aria-keyshortcuts="+ - 0">
      <div class="pane" style=${{ "--ratio": ratio.toFixed(5), "--scale": zoom.view.scale.toFixed(3) }}>
        <div class="stage">
          <div class="stack" style=${{ transform }}>
            <img src=${imageAddress(image.name)} alt=${`Image ${image.name} of the lesion`} draggable=${false} onLoad=${onLoad} />
            ${outlined && outline && html`<${OutlineLayer} outline=${outline} />`}
          </div>
        </div>
        ${image.type && html`<span class="pane-label">${image.type}</span>`}
      </div>
    </div>
  </figure>`;
}

/**
 * The outline of the lesion, once it is wanted; null before, and where no lesion is found.
 * @param {string} name
 * @param {boolean} wanted
 */
function useOutline(name, wanted) {
  const [outline, setOutline] = useState(/** @type {number[][] | null} */ (null));
  useEffect(() => {
    if (!wanted) return;
    void get(`outline?name=${encodeURIComponent(name)}`, () => {}).then(
      /** @param {{ outline: number[][] | null } | null} found */ (found) => setOutline(found?.outline ?? null),
    );
  }, [name, wanted]);
  return outline;
}
