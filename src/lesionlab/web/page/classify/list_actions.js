/** Filter of the list of images, and actions on the selected ones, or on all that are listed. */

import { toCsv } from "../csv.js";
import { download } from "../download.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";
import { chosen, KINDS } from "./list.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */

/** @param {{ session: Session, pending: boolean }} props `pending`: whether images are being classified. */
export function ListActions({ session, pending }) {
  const { items, model } = session;
  const failed = items.filter(({ state, retryable }) => state === "failed" && retryable);
  const selected = items.some((item) => item.selected);
  const save = () => model && download("lesionlab-results.csv", "text/csv;charset=utf-8", toCsv(chosen(session), model));
  const remove = () => session.remove(selected ? chosen(session) : items);
  return html`<div class="actions">
    ${failed.length > 0 && html`<button type="button" onClick=${() => session.retry()}>${t("table.retry", { count: failed.length })}</button>`}
    <a class="button" href="#report">${t(selected ? "list.reportSelected" : "list.report")}</a>
    <button type="button" onClick=${save} disabled=${!model || pending}>${t(selected ? "list.csvSelected" : "table.csv")}</button>
    <button type="button" onClick=${remove}>${t(selected ? "list.removeSelected" : "table.clear")}</button>
  </div>`;
}

/** @param {{ session: Session, shown: Item[] }} props */
export function ListFilter({ session, shown }) {
  const { list, items } = session;
  const onText = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) =>
    session.set({ list: { ...list, text: currentTarget.value } });
  const onKind = (/** @type {Event & { currentTarget: HTMLSelectElement }} */ { currentTarget }) =>
    session.set({ list: { ...list, kind: currentTarget.value } });
  return html`<div class="list-filter">
    <div>
      <label for="filter-text">${t("list.search")}</label>
      <input id="filter-text" type="search" value=${list.text} onInput=${onText} />
    </div>
    <div>
      <label for="filter-kind">${t("list.show")}</label>
      <select id="filter-kind" value=${list.kind} onChange=${onKind}>
        ${Object.entries(KINDS).map(
          ([key, { label }]) => html`<option key=${key} value=${key} selected=${key === list.kind}>${t(label)}</option>`,
        )}
      </select>
    </div>
    ${shown.length < items.length && html`<p class="muted">${t("list.shown", { count: shown.length, all: items.length })}</p>`}
  </div>`;
}
