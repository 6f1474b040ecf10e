/** A part of the performance view that can be closed; on a phone it begins closed, so that the page stays short. */

import { html, useState } from "../vendor/htm-preact.js";
import { Leaky } from "./metrics.js";

const WIDE = "(min-width: 721px)";

/** @param {{ title: string, leaky?: boolean, children?: unknown }} props */
export function Section({ title, leaky = false, children }) {
  const [open] = useState(() => matchMedia(WIDE).matches);
  return html`<details class="card section" open=${open}>
    <summary><h2>${title}<${Leaky} on=${leaky} /></h2></summary>
    ${children}
  </details>`;
}
