/** The third view: comparison of two images of one lesion. */

import { Abstention } from "../classify/abstention.js";
import { MapControls } from "../classify/layers.js";
import { FileButton } from "../classify/upload.js";
import { ImageViewer } from "../classify/viewer.js";
import { EXAMPLES, fetchExample } from "../examples.js";
import { transferredFiles } from "../files.js";
import { headline } from "../headline.js";
import { t } from "../messages.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Changes } from "./changes.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */

/** @type {import("../messages.js").MessageKey[]} */
const SIDES = ["compare.earlier", "compare.later"];

/** @param {{ session: Session }} props */
export function CompareView({ session }) {
  const pair = session.pair.map((id) => session.item(id));
  const [left, right] = pair;
  const [selected, setSelected] = useState("");
  const first = pair.map(withDiagnosis).find(Boolean);
  const code = selected || (first?.top[0]?.code ?? "");
  return html`
    <h1>${t("compare.title")}</h1>
    <p class="lead">${t("compare.lead")}</p>
    <p class="note">${t("compare.note")}</p>
    ${first &&
    html`<div class="card shared-controls">
      <${MapControls} session=${session} result=${first} code=${code} onSelect=${setSelected} />
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
    const [added] = session.add([{ file, name: file.name || t("pasted") }], { open: false });
    if (added) put(added.id);
  };
  const onDrop = async (/** @type {DragEvent} */ event) => add((await transferredFiles(event.dataTransfer)).files.map(({ file }) => file));
  const onChange = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    put(currentTarget.value === "" ? null : Number(currentTarget.value));
  const heading = `side-${side}`;
  const title = t(SIDES[side] ?? "compare.earlier");
  return html`<section class="card slot" aria-labelledby=${heading} onDrop=${onDrop}>
    <h2 id=${heading}>${title}</h2>
    <div class="actions">
      <${FileButton} label=${t(item ? "compare.another" : "compare.choose")} primary=${!item} onFiles=${add} />
      ${session.items.length > 0 &&
      html`<label class="visually-hidden" for=${`classified-${side}`}>${t("compare.classified", { side: title })}</label>
        <select id=${`classified-${side}`} value=${item ? String(item.id) : ""} onChange=${onChange}>
          <option value="" selected=${!item}>${t("compare.select")}</option>
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
    ${pending && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || t("result.classifying")}</p>`}
    ${item.state === "failed" &&
    html`<div class="banner" role="alert">
      <p>${item.problem}</p>
      ${item.retryable && html`<button type="button" onClick=${() => session.retry([item])}>${t("tryAgain")}</button>`}
    </div>`}
    ${result && (result.status === "abstained" ? html`<${Abstention} result=${result} />` : html`<p class="headline">${headline(result, session.model)}</p>`)}
    <${ImageViewer} small key=${item.id} session=${session} item=${item} code=${withDiagnosis(item) ? code : ""} />
  `;
}

/** @param {{ session: Session }} props */
function Example({ session }) {
  const [problem, setProblem] = useState("");
  const add = async () => {
    try {
      const images = await Promise.all(EXAMPLES.filter(({ file }) => file.startsWith("melanoma")).map(fetchExample));
      const [left, right] = session.add(images, { open: false });
      session.set({ pair: [left?.id ?? null, right?.id ?? null] });
    } catch {
      setProblem(t("examples.failed"));
    }
  };
  return html`<div class="actions">
    <button type="button" onClick=${add}>${t("compare.example")}</button>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </div>`;
}
