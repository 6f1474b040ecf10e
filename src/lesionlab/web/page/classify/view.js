/** The first view: upload of images and their results. */

import { transferredFiles } from "../files.js";
import { numberWord } from "../format.js";
import { t } from "../messages.js";
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { ResultView } from "./result.js";
import { ResultTable } from "./table.js";
import { Upload } from "./upload.js";

/** @typedef {import("../session.js").Session} Session */

/** @param {{ session: Session }} props */
export function ClassifyView({ session }) {
  const dragging = useDropAndPaste(session);
  const { items } = session;
  const selected = session.item(session.selected);
  return html`
    ${dragging && html`<div class="drop-target" aria-hidden="true"><p>${t("upload.dropHere")}</p></div>`}
    ${items.length === 0 && html`<div class="welcome"><h1>${t("welcome.title")}</h1><p class="lead">${t("welcome.lead")}</p></div>`}
    <${Upload} session=${session} small=${items.length > 0} />
    ${items.length === 0 && html`<${AboutModel} session=${session} />`}
    <${Messages} session=${session} />
    ${selected && html`<${ResultView} key=${selected.id} session=${session} item=${selected} />`}
    ${!selected && items.length > 0 && html`<${ResultTable} session=${session} />`}
    ${session.store && html`<${History} session=${session} store=${session.store} />`}
  `;
}

/** @param {{ session: Session }} props */
function Messages({ session }) {
  const { note, removed, selected } = session;
  const missing = selected !== null && !session.item(selected) && !session.restoring;
  return html`
    ${note && html`<p class="note">${note}</p>`}
    ${missing && html`<p class="note">${t("result.missing")}</p>`}
    ${removed &&
    html`<div class="note removed" role="status">
      <span>${t("removed.text", { count: removed.items.length })}</span>
      <button type="button" onClick=${() => session.undoRemoval()}>${t("removed.undo")}</button>
      <button type="button" class="plain-button" onClick=${() => session.forgetRemoved()}>${t("removed.forget")}</button>
    </div>`}
  `;
}

/**
 * The reader's consent to keep images and results.
 * @param {{ session: Session, store: import("../store.js").Store }} props
 */
function History({ session, store }) {
  const onChange = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => session.keep(currentTarget.checked);
  return html`<p class="history">
    <label><input type="checkbox" checked=${store.kept} onChange=${onChange} /> ${t("history.keep")}</label>
    <span class="muted">${t(store.kept ? "history.kept" : "history.tab")}</span>
  </p>`;
}

/**
 * What the model says of itself. It arrives after the page, and stands below everything that it would move.
 * @param {{ session: Session }} props
 */
function AboutModel({ session: { model } }) {
  if (!model) return null;
  const { classes, explainable, limits } = model;
  const sentences = [
    t(classes.length > 2 ? "welcome.diagnoses" : "welcome.classes", { number: numberWord(classes.length) }),
    explainable ? t("welcome.map") : "",
    t("upload.formats", { some: limits.formats.slice(0, -1).join(", "), last: limits.formats.at(-1) ?? "" }),
  ];
  return html`<p class="muted">${sentences.filter(Boolean).join(" ")}</p>`;
}

/**
 * Add images that are pasted, or dropped anywhere on the page.
 * @param {Session} session
 * @returns {boolean} Whether files are being dragged over the page.
 */
function useDropAndPaste(session) {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const add = async (/** @type {DataTransfer | null} */ transfer) => {
      const { files, note } = await transferredFiles(transfer);
      session.add(files, { note });
    };
    const onDrop = (/** @type {DragEvent} */ event) => {
      setDragging(false);
      void add(event.dataTransfer);
    };
    const onPaste = (/** @type {ClipboardEvent} */ event) => {
      if (event.clipboardData?.files.length) void add(event.clipboardData);
    };
    const onEnter = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") && setDragging(true);
    // The pointer has left the page where no element is entered.
    const onLeave = (/** @type {DragEvent} */ event) => event.relatedTarget === null && setDragging(false);
    addEventListener("drop", onDrop);
    addEventListener("paste", onPaste);
    addEventListener("dragenter", onEnter);
    addEventListener("dragleave", onLeave);
    return () => {
      removeEventListener("drop", onDrop);
      removeEventListener("paste", onPaste);
      removeEventListener("dragenter", onEnter);
      removeEventListener("dragleave", onLeave);
    };
  }, [session]);
  return dragging;
}
