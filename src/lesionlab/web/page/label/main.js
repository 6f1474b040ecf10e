/** Starts the page of `lesionlab label serve`. */

import { restoreTheme } from "../theme.js";
import { html, render, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { Answers } from "./answers.js";
import { enqueue, flush, get, newId } from "./api.js";
import { imageAddress, LesionImage } from "./viewer.js";

/** @typedef {import("./api.js").Labelling} Labelling */
/** @typedef {import("./api.js").Next} Next */

const READER = "lesionlab-label-reader";

function Page() {
  const [labelling, setLabelling] = useState(/** @type {Labelling | null} */ (null));
  const [reader, setReader] = useState(sessionStorage.getItem(READER) ?? "");
  const [adjudicating, setAdjudicating] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => void get("session", setProblem).then(/** @param {Labelling | null} found */ (found) => setLabelling(found)), []);
  if (!labelling) return html`<main><p role="status">${problem || "Loading"}</p></main>`;
  return html`<header class="top">
      <p class="research-notice">${labelling.notice}</p>
      <div class="top-bar">
        <span class="brand">lesionlab label</span>
        ${reader &&
        html`<nav aria-label="Views">
          <ul>
            ${[false, true].map(
              (view) =>
                html`<li key=${view}><a href="#" aria-current=${view === adjudicating ? "page" : undefined} onClick=${(/** @type {Event} */ event) => {
                  event.preventDefault();
                  setAdjudicating(view);
                }}>${view ? "Adjudicate" : "Label"}</a></li>`,
            )}
          </ul>
        </nav>`}
      </div>
    </header>
    <main tabindex="-1">
      ${reader
        ? html`<${Labels} key=${adjudicating} labelling=${labelling} reader=${reader} adjudicating=${adjudicating} />`
        : html`<${Start} labelling=${labelling} onStart=${setReader} />`}
    </main>`;
}

/** @param {{ labelling: Labelling, onStart: (reader: string) => void }} props */
function Start({ labelling, onStart }) {
  const onSubmit = (/** @type {Event & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("reader")).trim();
    if (!name) return;
    // Two windows of one browser may have two readers.
    sessionStorage.setItem(READER, name);
    onStart(name);
  };
  return html`<form class="card start" onSubmit=${onSubmit}>
    <h1>${labelling.dataset}</h1>
    <p>Each lesion is read by ${labelling.readings} ${labelling.readings === 1 ? "reader" : "readers, who do not see each other's answers"}.</p>
    <p class="muted">Strategy ${labelling.strategy}: ${labelling.description}</p>
    <label for="reader">Your name</label>
    <input id="reader" name="reader" maxlength="64" required autofocus />
    <button class="primary" type="submit">Start</button>
  </form>`;
}

/** @param {{ labelling: Labelling, reader: string, adjudicating: boolean }} props */
function Labels({ labelling, reader, adjudicating }) {
  const [next, setNext] = useState(/** @type {Next | null} */ (null));
  const [problem, setProblem] = useState("");
  const [outlined, setOutlined] = useState(false);
  const began = useRef(0);
  const busy = useRef(false);

  const load = async () => {
    busy.current = true;
    const stored = await flush(setProblem);
    const path = `${adjudicating ? "adjudication" : "next"}?reader=${encodeURIComponent(reader)}`;
    /** @type {Next | null} */
    const found = await get(path, stored ? setProblem : () => {});
    if (found) setNext(found);
    began.current = performance.now();
    busy.current = false;
  };
  useEffect(() => void load(), []);

  const post = (/** @type {import("./api.js").Posted} */ event) => {
    enqueue({ id: newId(), reader, ...event });
    return load();
  };
  const view = next?.view ?? null;
  const onAnswer = (/** @type {string} */ answer, /** @type {string | null} */ diagnosis) => {
    // A key that is pressed again before the next lesion is shown is not an answer to that one.
    if (busy.current || !view) return;
    const seconds = Math.round(performance.now() - began.current) / 1000;
    void post({ kind: adjudicating ? "adjudicated" : "answered", lesion: view.lesion, answer, diagnosis, seconds });
  };
  const last = next?.last ?? null;
  const onUndo = () => {
    if (!busy.current && last) void post({ kind: "undone", event: last.event });
  };
  const onNote = (/** @type {Event & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("note"));
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    if (!view || !next) return;
    enqueue({ id: newId(), reader, kind: "noted", lesion: view.lesion, text });
    setNext({ ...next, view: { ...view, note: text } });
    // The lesion stays, and can be answered meanwhile.
    void flush(setProblem);
  };

  if (!next) return html`<p class="problem" role="alert">${problem}</p>`;
  const { progress } = next;
  return html`
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    <p class="muted" role="status">
      ${progress && `${reader}: ${progress.read} read; ${progress.done} of ${progress.lesions} lesions done, ${progress.disagreed} to adjudicate.`}
      ${adjudicating && `${next.waiting} to adjudicate.`}
    </p>
    ${view
      ? html`<div class="labelling" key=${view.lesion}>
          <div>${view.images.map((image, place) => html`<${LesionImage} key=${image.name} image=${image} keys=${place === 0} outlined=${outlined} />`)}</div>
          <div>
            <h1 class="minor">Lesion ${view.lesion}</h1>
            ${view.answers && html`<p>Answers of the readers: ${view.answers.join("; ")}</p>`}
            <${Answers} diagnoses=${labelling.diagnoses} adjudicating=${adjudicating} onAnswer=${onAnswer} onUndo=${onUndo} undoable=${Boolean(last)} outlined=${outlined} onOutline=${() => setOutlined(!outlined)} />
            <form onSubmit=${onNote}>
              <input id="note" name="note" aria-label="Note (n)" placeholder="Note (n)" maxlength="2000" value=${view.note} />
              <button type="submit">Save note</button>
            </form>
            ${view.prediction && html`<p class="note">Model: ${inWords(view.prediction)}</p>`}
            <${Similar} nearest=${view.nearest} />
            ${!adjudicating && html`<p class="muted">Chosen by ${labelling.strategy}: ${labelling.description}</p>`}
          </div>
        </div>`
      : html`<p class="card">Nothing is left ${adjudicating ? "to adjudicate" : "to label"}.</p>
          ${last && html`<button type="button" onClick=${onUndo}>Undo</button>`}`}
    ${last &&
    html`<div class="note last">
      <p>Last: lesion ${last.lesion}, your answer ${last.answer}.${last.prediction && ` Model: ${inWords(last.prediction)}`}</p>
      <${Similar} nearest=${last.nearest} />
    </div>`}
  `;
}

/** @param {{ nearest: import("./api.js").Nearest }} props */
function Similar({ nearest }) {
  if (nearest.length === 0) return null;
  return html`<p class="muted">Most similar labelled lesions</p>
    <ul class="similar">
      ${nearest.map(
        ({ image, name, similarity }) =>
          html`<li key=${image}><img src=${imageAddress(image)} alt="" loading="lazy" /><span>${name}, similarity ${similarity.toFixed(2)}</span></li>`,
      )}
    </ul>`;
}

/** @param {import("./api.js").Prediction} prediction */
function inWords(prediction) {
  return prediction
    .slice(0, 3)
    .map(({ name, probability }) => `${name} ${(100 * probability).toFixed(0)}%`)
    .join(", ");
}

restoreTheme();
const root = document.getElementById("app");
if (root) render(html`<${Page} />`, root);
