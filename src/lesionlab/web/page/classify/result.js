/** The result for one image. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { HeatControls, HeatFigure } from "./heat_figure.js";
import { RelatedInformation } from "./nearest_images.js";
import { PatientFields } from "./patient.js";
import { Probabilities } from "./probabilities.js";
import { ReportActions } from "./report_actions.js";
import { Summary } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
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
    ${several &&
    html`<button type="button" class="plain-button back" onClick=${() => session.set({ selected: null })}>
      ← All ${session.items.length} images
    </button>`}
    <h1 id="result-title" class="file-name" ref=${heading} tabindex="-1">${item.name}</h1>
    ${item.synthetic && html`<p class="note">This image is a computer-generated drawing. Its result has no meaning.</p>`}
    ${pending && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || "Classifying …"}</p>`}
    ${item.state === "failed" && html`<${Failure} session=${session} item=${item} />`}
    ${item.response
      ? html`<${Result} session=${session} item=${item} result=${item.response.result} />`
      : item.thumb && html`<img class="preview" src=${item.url} alt="The image" />`}
    ${!item.response && html`<div class="actions"><${Remove} session=${session} item=${item} /></div>`}
  </article>`;
}

/** @param {{ session: Session, item: Item, result: Prediction }} props */
function Result({ session, item, result }) {
  const [selected, setSelected] = useState("");
  const abstained = result.status === "abstained";
  const code = abstained ? "" : selected || (result.top[0]?.code ?? "");
  return html`
    ${abstained ? html`<${Abstention} result=${result} />` : html`<p class="lead headline">${result.headline}</p>`}
    <div class="result-grid">
      <div class="image-column">
        <${HeatFigure} session=${session} item=${item} code=${code} />
        ${!abstained && html`<${HeatControls} session=${session} result=${result} code=${code} onSelect=${setSelected} />`}
      </div>
      <div class="result-column">
        ${!abstained &&
        html`<${Summary} session=${session} result=${result} />
          <${Probabilities} session=${session} result=${result} />
          <${RelatedInformation} item=${item} />`}
        ${result.notes.length > 0 &&
        html`<section class="note" aria-label="Notes">
          <h2 class="minor">Notes on the image</h2>
          <ul>
            ${result.notes.map((note) => html`<li key=${note}>${note}</li>`)}
          </ul>
        </section>`}
        <${PatientFields} key=${item.id} session=${session} item=${item} />
        <p class="identity muted">Model <b>${result.model}</b></p>
        <${ReportActions} session=${session} item=${item} code=${code}>
          <${Remove} session=${session} item=${item} />
        <//>
      </div>
    </div>
  `;
}

/** @param {{ result: Prediction }} props */
export function Abstention({ result }) {
  return html`<section class="banner abstention" aria-labelledby="abstention-title">
    <h2 id="abstention-title">The model abstained</h2>
    <p class="headline">${result.headline}</p>
    <p>A prediction for this image would not be reliable. No diagnosis, risk level or heat map is shown.</p>
  </section>`;
}

/** @param {{ session: Session, item: Item }} props */
function Failure({ session, item }) {
  return html`<section class="banner" role="alert">
    <h2>No result for this image</h2>
    <p>${item.problem}</p>
    ${item.retryable && html`<button type="button" onClick=${() => session.retry([item])}>Try again</button>`}
  </section>`;
}

/** @param {{ session: Session, item: Item }} props */
function Remove({ session, item }) {
  return html`<button type="button" onClick=${() => session.remove(item)}>Remove this image</button>`;
}
