/** An image of a lesion, with zoom and pan. */

import { useZoom } from "../classify/zoom.js";
import { html, useLayoutEffect, useState } from "../vendor/htm-preact.js";

// Width divided by height until the image is there; most dermoscopic images are 4:3.
const USUAL_RATIO = 4 / 3;

/** @param {{ image: { name: string, type: string | null }, keys: boolean }} props `keys`: whether it has the zoom's keys. */
export function LesionImage({ image, keys }) {
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
            <img src=${`api/image?name=${encodeURIComponent(image.name)}`} alt=${`Image ${image.name} of the lesion`} draggable=${false} onLoad=${onLoad} />
          </div>
        </div>
        ${image.type && html`<span class="pane-label">${image.type}</span>`}
      </div>
    </div>
  </figure>`;
}
