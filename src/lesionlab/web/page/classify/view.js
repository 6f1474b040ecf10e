/** The first view: upload of images and their results. */

import { numberWord } from "../format.js";
import { filesOf } from "../image_file.js";
import { t } from "../messages.js";
import { html, useEffect } from "../vendor/htm-preact.js";
import { ResultView } from "./result.js";
import { ResultTable } from "./table.js";
import { Upload } from "./upload.js";

/** @typedef {import("../session.js").Session} Session */

/** @param {{ session: Session }} props */
export function ClassifyView({ session }) {
  useDropAndPaste(session);
  const { items } = session;
  const selected = session.item(session.selected);
  return html`
    ${items.length === 0 && html`<${Welcome} session=${session} />`}
    <${Upload} session=${session} small=${items.length > 0} />
    ${selected && html`<${ResultView} key=${selected.id} session=${session} item=${selected} />`}
    ${!selected && items.length > 0 && html`<${ResultTable} session=${session} />`}
  `;
}

/** @param {{ session: Session }} props */
function Welcome({ session: { model } }) {
  const classes = model?.classes ?? [];
  return html`<div class="welcome">
    <h1>${t("welcome.title")}</h1>
    <p class="lead">
      ${t("welcome.lead")}
      ${classes.length > 0 &&
      ` ${t(classes.length > 2 ? "welcome.diagnoses" : "welcome.classes", { number: numberWord(classes.length) })}${model?.explainable ? ` ${t("welcome.map")}` : ""}`}
    </p>
  </div>`;
}

/**
 * Add images that are pasted, or dropped anywhere on the page.
 * @param {Session} session
 */
function useDropAndPaste(session) {
  useEffect(() => {
    const add = (/** @type {DataTransfer | null} */ transfer) =>
      session.add(filesOf(transfer).map((file) => ({ file, name: file.name || t("pasted") })));
    const onDrop = (/** @type {DragEvent} */ event) => add(event.dataTransfer);
    const onPaste = (/** @type {ClipboardEvent} */ event) => add(event.clipboardData);
    addEventListener("drop", onDrop);
    addEventListener("paste", onPaste);
    return () => {
      removeEventListener("drop", onDrop);
      removeEventListener("paste", onPaste);
    };
  }, [session]);
}
