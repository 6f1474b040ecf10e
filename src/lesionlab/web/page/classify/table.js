/** The results of several images as a sortable table, with CSV download. */

import { toCsv } from "../csv.js";
import { download } from "../download.js";
import { className, mainProbability, percent } from "../format.js";
import { headline } from "../headline.js";
import { t } from "../messages.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { RiskLevel } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {{ key: string, label: import("../messages.js").MessageKey, value: (item: Item) => string | number }} Column */

const RISKS = ["low", "moderate", "high"];

/** @type {Column[]} */
const COLUMNS = [
  { key: "image", label: "image", value: (item) => item.name.toLowerCase() },
  { key: "main-probability", label: "probabilityOf.malignant", value: (item) => mainOf(item)?.value ?? -1 },
  { key: "risk", label: "table.risk", value: (item) => RISKS.indexOf(item.response?.result.risk ?? "") },
  { key: "diagnosis", label: "table.mostProbable", value: (item) => item.response?.result.top[0]?.name ?? "" },
  { key: "probability", label: "probability", value: (item) => item.response?.result.top[0]?.probability ?? -1 },
  { key: "remark", label: "table.remarks", value: (item) => remark(item, null) },
];

/** @param {{ session: Session }} props */
export function ResultTable({ session }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const [order, setOrder] = useState({ key: "", descending: false });
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const { items, model } = session;
  const done = items.filter(({ state }) => state === "done" || state === "failed").length;
  const abstained = items.filter(isAbstained).length;
  const failed = items.filter(({ state, retryable }) => state === "failed" && retryable);
  const delay = items.find((item) => item.delay)?.delay;
  const target = items.map(mainOf).find(Boolean)?.target ?? "malignant";
  const sort = (/** @type {Column} */ { key }) => setOrder({ key, descending: order.key === key ? !order.descending : key !== "image" });
  const save = () => model && download("lesionlab-results.csv", "text/csv;charset=utf-8", toCsv(items, model));

  return html`<section class="batch" aria-labelledby="batch-title">
    <div class="batch-head">
      <h1 id="batch-title" ref=${heading} tabindex="-1">${t("table.title", { count: items.length })}</h1>
      ${done < items.length &&
      html`<p class="progress"><progress max=${items.length} value=${done} aria-label=${t("table.progress")}></progress> ${t("table.done", { done })} ${delay}</p>`}
      ${abstained > 0 && html`<p class="progress">${t("table.abstained", { count: abstained })}</p>`}
      <div class="actions">
        ${failed.length > 0 && html`<button type="button" onClick=${() => session.retry()}>${t("table.retry", { count: failed.length })}</button>`}
        <button type="button" onClick=${save} disabled=${!model || done < items.length}>${t("table.csv")}</button>
        <button type="button" onClick=${() => session.clear()}>${t("table.clear")}</button>
      </div>
    </div>
    <table class="results card" role="table">
      <caption class="visually-hidden">${t("table.caption")}</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((column) => {
            const sorted = order.key !== column.key ? null : order.descending ? "descending" : "ascending";
            return html`<th key=${column.key} scope="col" role="columnheader" class=${column.key} aria-sort=${sorted}>
              <button type="button" onClick=${() => sort(column)}>
                ${t(column.key === "main-probability" ? `probabilityOf.${target}` : column.label)}
                <span aria-hidden="true" class="arrow">${sorted === null ? "↕" : sorted === "descending" ? "↓" : "↑"}</span>
              </button>
            </th>`;
          })}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${inOrder(items, order).map((item) => html`<${Row} key=${item.id} session=${session} item=${item} />`)}
      </tbody>
    </table>
  </section>`;
}

/** @param {{ session: Session, item: Item }} props */
function Row({ session, item }) {
  const result = item.response?.result;
  const main = mainOf(item);
  const [first] = result?.top ?? [];
  const others = result?.prediction_set?.codes.slice(1) ?? [];
  const open = () => session.set({ selected: item.id });
  return html`<tr role="row">
    <th scope="row" role="rowheader" class="image">
      <button type="button" class="open" onClick=${open}>
        ${item.thumb ? html`<img src=${item.thumb} alt="" />` : html`<span class="no-thumb" aria-hidden="true"></span>`}
        <span>${item.name}</span>
      </button>
    </th>
    <td role="cell" class="main-probability">
      ${main && html`<span class="cell-label" aria-hidden="true">${t(`probabilityOf.${main.target}`)} </span>${percent(main.value)}`}
      ${result?.operating_points[0]?.positive && html`<small class="positive">${t("positive")}</small>`}
    </td>
    <td role="cell" class="risk-cell">
      ${result && (isAbstained(item) ? html`<span class="muted">${t("abstained")}</span>` : html`<${RiskLevel} risk=${result.risk} />`)}
    </td>
    <td role="cell" class="diagnosis">
      ${first && className(session.model, first.code)}
      ${others.length > 0 && html`<small>${t("set.others")} ${others.map((code) => className(session.model, code)).join(", ")}</small>`}
    </td>
    <td role="cell" class="probability">${first && percent(first.probability)}</td>
    <td role="cell" class=${item.state === "failed" || isAbstained(item) ? "remark alarm" : "remark"}>${remark(item, session.model)}</td>
  </tr>`;
}

/**
 * @param {Item[]} items
 * @param {{ key: string, descending: boolean }} order
 */
function inOrder(items, { key, descending }) {
  const column = COLUMNS.find((other) => other.key === key);
  if (!column) return items;
  return [...items].sort((left, right) => {
    const [a, b] = [column.value(left), column.value(right)];
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return descending ? -order : order;
  });
}

/** @param {Item} item */
function isAbstained(item) {
  return item.response?.result.status === "abstained";
}

/** @param {Item} item */
function mainOf(item) {
  return item.response && !isAbstained(item) ? mainProbability(item.response.result) : null;
}

/**
 * @param {Item} item
 * @param {import("../types.js").ModelCard | null} model
 */
function remark(item, model) {
  if (item.state === "failed") return item.problem;
  if (item.state !== "done" || !item.response) return item.delay || t("result.classifying");
  const { result } = item.response;
  return [...(item.synthetic ? [t("synthetic")] : []), ...(isAbstained(item) ? [headline(result, model)] : []), ...result.notes].join("; ");
}
