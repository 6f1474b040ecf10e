/** The third view: two images of one lesion, their answers and maps next to each other, and what changed. */

import { fetchExample, EXAMPLES } from "../examples.js";
import { filesOf } from "../intake.js";
import { FileButton } from "../judge/intake_panel.js";
import { Refusal } from "../judge/answer.js";
import { HeatControls, HeatFigure } from "../judge/heat_figure.js";
import { html, useState } from "../vendor/htm-preact.js";
import { Changes } from "./changes.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */

const SIDES = ["Earlier", "Later"];

/** @param {{ session: Session }} props */
export function CompareView({ session }) {
  const pair = session.pair.map((id) => session.item(id));
  const [left, right] = pair;
  const [chosen, setChosen] = useState("");
  const first = left?.answer ?? right?.answer;
  const diagnosis = chosen || first?.result.diagnosis || "";
  return html`
    <h1>Side by side</h1>
    <p class="lead">Two images of one lesion, for example before and after some months.</p>
    <p class="note">
      Light, angle, distance and camera alone move these numbers. A change here is a change of the picture; whether the lesion changed
      is for a specialist to say.
    </p>
    ${first &&
    html`<div class="card shared-controls">
      <${HeatControls} session=${session} classes=${first.result.classes} diagnosis=${diagnosis} onDiagnosis=${setChosen} />
    </div>`}
    <div class="pair">
      ${pair.map((item, side) => html`<${Slot} key=${side} session=${session} item=${item} side=${side} diagnosis=${diagnosis} />`)}
    </div>
    ${left?.answer && right?.answer && html`<${Changes} session=${session} left=${left.answer.result} right=${right.answer.result} />`}
    ${!left && !right && html`<${Example} session=${session} />`}
  `;
}

/** @param {{ session: Session, item: Item | null, side: number, diagnosis: string }} props */
function Slot({ session, item, side, diagnosis }) {
  const put = (/** @type {number | null} */ id) => {
    const pair = /** @type {Session["pair"]} */ (session.pair.map((other, index) => (index === side ? id : other)));
    session.set({ pair });
  };
  const take = (/** @type {File[]} */ [file]) => {
    if (!file) return;
    const [added] = session.add([{ file, name: file.name || "pasted image" }]);
    if (added) put(added.id);
  };
  const drop = (/** @type {DragEvent} */ event) => take(filesOf(event.dataTransfer));
  const choose = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    put(currentTarget.value === "" ? null : Number(currentTarget.value));
  const heading = `side-${side}`;
  return html`<section class="card slot" aria-labelledby=${heading} onDrop=${drop}>
    <h2 id=${heading}>${SIDES[side]}</h2>
    <div class="actions">
      <${FileButton} label=${item ? "Another image" : "Choose or drop an image"} primary=${!item} onFiles=${take} />
      ${session.items.length > 0 &&
      html`<label class="unseen" for=${`judged-${side}`}>${SIDES[side]}: an image judged before</label>
        <select id=${`judged-${side}`} value=${item ? String(item.id) : ""} onChange=${choose}>
          <option value="" selected=${!item}>judged before …</option>
          ${session.items.map(
            (other) => html`<option key=${other.id} value=${String(other.id)} selected=${other === item}>${other.name}</option>`,
          )}
        </select>`}
    </div>
    ${item && html`<${Filled} session=${session} item=${item} diagnosis=${diagnosis} />`}
  </section>`;
}

/** @param {{ session: Session, item: Item, diagnosis: string }} props */
function Filled({ session, item, diagnosis }) {
  const open = item.state === "waiting" || item.state === "judging";
  return html`
    <p class="file-name">${item.name}</p>
    ${open && html`<p class="progress"><span class="spinner" aria-hidden="true"></span> ${item.delay || "Judging …"}</p>`}
    ${item.state === "failed" &&
    html`<div class="banner" role="alert">
      <p>${item.problem}</p>
      ${item.passing && html`<button type="button" onClick=${() => session.retry([item])}>Try again</button>`}
    </div>`}
    ${item.answer?.result.refusal && html`<${Refusal} reasons=${item.answer.result.refusal.reasons} />`}
    <${HeatFigure} key=${item.id} session=${session} item=${item} diagnosis=${item.answer ? diagnosis : ""} />
  `;
}

/** @param {{ session: Session }} props */
function Example({ session }) {
  const [problem, setProblem] = useState("");
  const take = async () => {
    try {
      const shots = await Promise.all(EXAMPLES.filter(({ file }) => file.startsWith("melanoma")).map(fetchExample));
      const [left, right] = session.add(shots);
      session.set({ pair: [left?.id ?? null, right?.id ?? null] });
    } catch {
      setProblem("The example cannot be fetched. Is the network up?");
    }
  };
  return html`<div class="actions">
    <button type="button" onClick=${take}>Try it with two synthetic images of one lesion</button>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
  </div>`;
}
