/** The third view: comparison of two images of one lesion. */

import { Abstention } from "../classify/result.js";
import { HeatControls, HeatFigure } from "../classify/heat_figure.js";
import { FileButton } from "../classify/upload.js";
import { EXAMPLES, fetchExample } from "../examples.js";
import { filesOf } from "../image_file.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Changes } from "./changes.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */

const SIDES = ["Earlier", "Later"];

/** @param {{ session: Session }} props */
export function CompareView({ session }) {
  const pair = session.pair.map((id) => session.item(id));
  const [left, right] = pair;
  const [selected, setSelected] = useState("");
  const first = pair.map(withDiagnosis).find(Boolean);
  const code = selected || (first?.top[0]?.code ?? "");
  return html`
    <h1>Compare two images</h1>
    <p class="lead">Two images of one lesion, for example before and after several months.</p>
    <p class="note">
      Light, angle, distance and camera affect the probabilities. A difference between two images does not show that the lesion has
      changed.
    </p>
    ${first &&
    html`<div class="card shared-controls">
      <${HeatControls} session=${session} result=${first} code=${code} onSelect=${setSelected} />
    </div>`}
    <div class="pair">
      ${pair.map((item, side) => html`<${Slot} key=${side} session=${session} item=${item} side=${side} code=${code} />`)}
    </div>
    ${left?.response && right?.response && html`<${Changes} session=${session} left=${left.response.result} right=${right.response.result} />`}
    ${!left && !right && html`<${Example} session=${session} />`}
  `;
}

/**
 * The prediction for an image; null for an abstention or without a result.
 * @param {Item | null} item
 */
function withDiagnosis(item) {
  return item?.response?.result.status === "ok" ? item.response.result : null;
}

/** @param {{ session: Session, item: Item | null, side: number, code: string }} props */
function Slot({ session, item, side, code }) {
  const put = (/** @type {number | null} */ id) => {
    const pair = /** @type {Session["pair"]} */ (session.pair.map((other, index) => (index === side ? id : other)));
    session.set({ pair });
  };
  const add = (/** @type {File[]} */ [file]) => {
    if (!file) return;
    const [added] = session.add([{ file, name: file.name || "pasted image" }]);
    if (added) put(added.id);
  };
  const onDrop = (/** @type {DragEvent} */ event) => add(filesOf(event.dataTransfer));
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    put(currentTarget.value === "" ? null : Number(currentTarget.value));
  const heading = `side-${side}`;
  return html`<section class="card slot" aria-labelledby=${heading} onDrop=${onDrop}>
    <h2 id=${heading}>${SIDES[side]}</h2>
    <div class="actions">
      <${FileButton} label=${item ? "Another image" : "Choose or drop an image"} primary=${!item} onFiles=${add} />
      ${session.items.length > 0 &&
      html`<label class="visually-hidden" for=${`classified-${side}`}>${SIDES[side]}: a classified image</label>
        <select id=${`classified-${side}`} value=${item ? String(item.id) : ""} onChange=${onChange}>
          <option value="" selected=${!item}>classified images …</option>
          ${session.items.map(
            (other) => html`<option key=${other.id} value=${String(other.id)} selected=${other === item}>${other.name}</option>`,
          )}
        </select>`}
    </div>
    ${item && html`<${SlotContent} session=${session} item=${item} code=${code} />`}
  </section>`;
}

/** @param {{ session: Session, item: Item, code: string }} props */
function SlotContent({ session, item, code }) {
  const pending = item.state === "waiting" || item.state === "predicting";
  const result = item.response?.result;
  return html`
    <p class="file-name">${item.name}</p>
    ${pending && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || "Classifying …"}</p>`}
    ${item.state === "failed" &&
    html`<div class="banner" role="alert">
      <p>${item.problem}</p>
      ${item.retryable && html`<button type="button" onClick=${() => session.retry([item])}>Try again</button>`}
    </div>`}
    ${result && (result.status === "abstained" ? html`<${Abstention} result=${result} />` : html`<p class="headline">${result.headline}</p>`)}
    <${HeatFigure} key=${item.id} session=${session} item=${item} code=${withDiagnosis(item) ? code : ""} />
  `;
}

/** @param {{ session: Session }} props */
function Example({ session }) {
  const [problem, setProblem] = useState("");
  const add = async () => {
    try {
      const images = await Promise.all(EXAMPLES.filter(({ file }) => file.startsWith("melanoma")).map(fetchExample));
      const [left, right] = session.add(images);
      session.set({ pair: [left?.id ?? null, right?.id ?? null] });
    } catch {
      setProblem("The example cannot be loaded. Check the network.");
    }
  };
  return html`<div class="actions">
    <button type="button" onClick=${add}>Try two synthetic images of one lesion</button>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </div>`;
}
