/** One image and all that is to be said of it. */

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { Beside } from "./beside.js";
import { HeatControls, HeatFigure } from "./heat_figure.js";
import { PatientFields } from "./patient.js";
import { Probabilities } from "./probabilities.js";
import { ReportActions } from "./report_actions.js";
import { Verdict } from "./verdict.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */

/** @param {{ session: Session, item: Item }} props */
export function AnswerView({ session, item }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const many = session.items.length > 1;
  useEffect(() => {
    // Also where the button that was pressed is gone by now.
    if (many || document.activeElement === document.body) heading.current?.focus();
  }, []);
  const open = item.state === "waiting" || item.state === "judging";
  return html`<article class="answer" aria-labelledby="answer-title" aria-busy=${String(open)}>
    ${many &&
    html`<button type="button" class="quiet-button back" onClick=${() => session.set({ selected: null })}>
      ← All ${session.items.length} images
    </button>`}
    <h1 id="answer-title" class="file-name" ref=${heading} tabindex="-1">${item.name}</h1>
    ${item.synthetic &&
    html`<p class="note">This picture was drawn by a program. What the model says of it means nothing about skin.</p>`}
    ${open && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || "Judging …"}</p>`}
    ${item.state === "failed" && html`<${Failure} session=${session} item=${item} />`}
    ${item.answer ? html`<${Answered} session=${session} item=${item} />` : html`<${Bare} item=${item} />`}
    ${!item.answer && html`<div class="actions"><${Remove} session=${session} item=${item} /></div>`}
  </article>`;
}

/** @param {{ session: Session, item: Item }} props */
function Answered({ session, item }) {
  const result = item.answer?.result;
  const [diagnosis, setDiagnosis] = useState(result?.diagnosis ?? "");
  if (!result) return null;
  const numbers = html`
    <${Verdict} session=${session} result=${result} />
    <${Probabilities} session=${session} result=${result} />
    <${Beside} item=${item} />
  `;
  return html`
    ${result.refusal && html`<${Refusal} reasons=${result.refusal.reasons} />`}
    <div class="answer-grid">
      <div class="picture">
        <${HeatFigure} session=${session} item=${item} diagnosis=${diagnosis} />
        <${HeatControls} session=${session} classes=${result.classes} diagnosis=${diagnosis} onDiagnosis=${setDiagnosis} />
      </div>
      <div class="numbers">
        ${result.refusal
          ? html`<details class="card all-the-same"><summary>Show the numbers all the same</summary>${numbers}</details>`
          : numbers}
        ${result.notes.length > 0 &&
        html`<section class="note" aria-label="Notes">
          <h2 class="minor">What was unusual</h2>
          <ul>
            ${result.notes.map((note) => html`<li key=${note}>${note}</li>`)}
          </ul>
        </section>`}
        <${PatientFields} key=${item.id} session=${session} item=${item} />
        <p class="identity quiet">Answered by <b>${item.answer?.bundle.identity}</b>.</p>
        <${ReportActions} session=${session} item=${item} diagnosis=${diagnosis}>
          <${Remove} session=${session} item=${item} />
        <//>
      </div>
    </div>
  `;
}

/** @param {{ reasons: { code: string, message: string }[] }} props */
export function Refusal({ reasons }) {
  return html`<section class="banner refusal" aria-labelledby="refusal-title">
    <h2 id="refusal-title">The model should not be relied on for this image</h2>
    <ul>
      ${reasons.map(({ code, message }) => html`<li key=${code}>${message}</li>`)}
    </ul>
  </section>`;
}

/** @param {{ session: Session, item: Item }} props */
function Failure({ session, item }) {
  return html`<section class="banner" role="alert">
    <h2>No answer for this image</h2>
    <p>${item.problem}</p>
    ${item.passing && html`<button type="button" onClick=${() => session.retry([item])}>Try again</button>`}
  </section>`;
}

/** @param {{ item: Item }} props */
function Bare({ item }) {
  return item.thumb && html`<img class="bare" src=${item.url} alt="The image" />`;
}

/** @param {{ session: Session, item: Item }} props */
function Remove({ session, item }) {
  return html`<button type="button" onClick=${() => session.remove(item)}>Remove this image</button>`;
}
