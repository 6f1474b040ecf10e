/** The result for one image. */

import { itemAddress } from "../address.js";
import { t } from "../messages.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { Abstention } from "./abstention.js";
import { MapControls } from "./layers.js";
import { RelatedInformation } from "./nearest_images.js";
import { listed } from "./list.js";
import { AssumptionFields } from "./assumptions.js";
import { Probabilities } from "./probabilities.js";
import { ReportActions } from "./report_actions.js";
import { DecisionDetails, Summary } from "./summary.js";
import { ImageViewer } from "./viewer.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("../types.js").Prediction} Prediction */

/** @param {{ session: Session, item: Item }} props */
export function ResultView({ session, item }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const several = session.items.length > 1;
  useEffect(() => {
    // Also if the button that was pressed no longer exists.
    if (several || document.activeElement === document.body) heading.current?.focus();
  }, []);
  const pending = item.state === "waiting" || item.state === "predicting";
  return html`<article class="result" aria-labelledby="result-title" aria-busy=${String(pending)}>
    ${several && html`<${Neighbours} session=${session} item=${item} />`}
    ${several &&
    html`<button type="button" class="plain-button back" onClick=${() => session.open(null)}>
      ← ${t("result.all", { count: session.items.length })}
    </button>`}
    <h1 id="result-title" class="file-name" ref=${heading} tabindex="-1">${item.name}</h1>
    ${item.synthetic && html`<p class="note">${t("result.synthetic")}</p>`}
    ${pending && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || t("result.classifying")}</p>`}
    ${item.state === "failed" && html`<${Failure} session=${session} item=${item} />`}
    ${item.response
      ? html`<${Result} session=${session} item=${item} result=${item.response.result} />`
      : item.thumb && html`<${ImageViewer} session=${session} item=${item} code="" />`}
    ${!item.response && html`<div class="actions"><${Remove} session=${session} item=${item} /></div>`}
  </article>`;
}

/**
 * The previous and the next image, in the order of the list.
 * @param {{ session: Session, item: Item }} props
 */
function Neighbours({ session, item }) {
  const all = listed(session);
  const place = all.indexOf(item);
  if (place < 0) return null;
  const link = (/** @type {Item | undefined} */ other, /** @type {"result.previous" | "result.next"} */ label) =>
    other
      ? html`<a class="button" href=${itemAddress(other.id)} rel=${label === "result.next" ? "next" : "prev"}>${t(label)}</a>`
      : html`<span class="button" aria-disabled="true">${t(label)}</span>`;
  return html`<nav class="neighbours" aria-label=${t("result.neighbours")}>
    ${link(all[place - 1], "result.previous")}
    <span class="muted">${t("result.place", { place: place + 1, count: all.length })}</span>
    ${link(all[place + 1], "result.next")}
  </nav>`;
}

/** @param {{ session: Session, item: Item, result: Prediction }} props */
function Result({ session, item, result }) {
  const first = result.top[0]?.code ?? "";
  const [selected, setSelected] = useState({ first, code: "" });
  const abstained = result.status === "abstained";
  // A class that the reader has selected is explained until the first diagnosis changes.
  const code = (selected.first === first && selected.code) || first;
  const onSelect = (/** @type {string} */ other) => setSelected({ first, code: other });
  return html`
    ${abstained ? html`<${Abstention} result=${result} />` : html`<${Summary} session=${session} result=${result} />`}
    <div class=${session.layers.sideBySide && !abstained ? "result-grid wide" : "result-grid"}>
      <div class="image-column">
        <${ImageViewer} session=${session} item=${item} code=${code} />
        ${!abstained && html`<${MapControls} session=${session} result=${result} code=${code} onSelect=${onSelect} />`}
      </div>
      <div class="result-column">
        ${!abstained &&
        html`<${Probabilities} session=${session} result=${result} />
          <${DecisionDetails} session=${session} result=${result} />`}
        ${result.notes.length > 0 &&
        html`<section class="note" aria-label=${t("notes")}>
          <h2 class="minor">${t("notes.title")}</h2>
          <ul lang="en">
            ${result.notes.map((note) => html`<li key=${note}>${note}</li>`)}
          </ul>
        </section>`}
        <${AssumptionFields} key=${item.id} session=${session} item=${item} />
        ${!abstained && html`<${RelatedInformation} item=${item} />`}
        <p class="identity muted">${t("model")} <b>${result.model}</b></p>
        <${ReportActions} session=${session} item=${item} code=${code}>
          <${Remove} session=${session} item=${item} />
        <//>
      </div>
    </div>
  `;
}

/** @param {{ session: Session, item: Item }} props */
function Failure({ session, item }) {
  return html`<section class="banner" role="alert">
    <h2>${t("result.failed")}</h2>
    <p>${item.problem}</p>
    ${item.retryable && html`<button type="button" onClick=${() => session.retry([item])}>${t("tryAgain")}</button>`}
  </section>`;
}

/** @param {{ session: Session, item: Item }} props */
function Remove({ session, item }) {
  return html`<button type="button" onClick=${() => session.remove([item])}>${t("result.remove")}</button>`;
}
