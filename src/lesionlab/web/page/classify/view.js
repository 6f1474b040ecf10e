/** The first view: images in, answers out. */

import { inWords } from "../format.js";
import { filesOf } from "../intake.js";
import { html, useEffect } from "../vendor/htm-preact.js";
import { AnswerView } from "./answer.js";
import { Intake } from "./intake_panel.js";
import { AnswerTable } from "./table.js";

/** @typedef {import("../session.js").Session} Session */

/** @param {{ session: Session }} props */
export function JudgeView({ session }) {
  useDroppedAndPasted(session);
  const { items } = session;
  const chosen = session.item(session.selected);
  return html`
    ${items.length === 0 && html`<${Welcome} session=${session} />`}
    <${Intake} session=${session} small=${items.length > 0} />
    ${chosen && html`<${AnswerView} key=${chosen.id} session=${session} item=${chosen} />`}
    ${!chosen && items.length > 0 && html`<${AnswerTable} session=${session} />`}
  `;
}

/** @param {{ session: Session }} props */
function Welcome({ session }) {
  const classes = session.model?.classes ?? [];
  return html`<div class="welcome">
    <h1>Judge an image</h1>
    <p class="lead">
      Show a dermoscopic image of one skin lesion.
      ${classes.length > 0 &&
      ` The model says how probable each of ${inWords(classes.length)} ${classes.length > 2 ? "diagnoses" : "answers"} is${session.model?.explains ? ", and where in the image it looked" : ""}.`}
    </p>
  </div>`;
}

/**
 * Take images that are dropped anywhere on the page, or pasted.
 * @param {Session} session
 */
function useDroppedAndPasted(session) {
  useEffect(() => {
    const take = (/** @type {DataTransfer | null} */ transfer) =>
      session.add(filesOf(transfer).map((file) => ({ file, name: file.name || "pasted image" })));
    const drop = (/** @type {DragEvent} */ event) => take(event.dataTransfer);
    const paste = (/** @type {ClipboardEvent} */ event) => take(event.clipboardData);
    addEventListener("drop", drop);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("drop", drop);
      removeEventListener("paste", paste);
    };
  }, [session]);
}
