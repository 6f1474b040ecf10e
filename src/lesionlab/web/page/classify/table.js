/** The results of several images as a sortable table, with CSV download. */

import { toCsv } from "../csv.js";
import { download } from "../download.js";
import { className, counted, mainProbability, percent } from "../format.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { RiskLevel } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {{ key: string, label: string, value: (item: Item) => string | number }} Column */

const RISKS = ["low", "moderate", "high"];

/** @type {Column[]} */
const COLUMNS = [
  { key: "image", label: "Image", value: (item) => item.name.toLowerCase() },
  { key: "main-probability", label: "P(malignant)", value: (item) => mainOf(item)?.value ?? -1 },
  { key: "risk", label: "Risk", value: (item) => RISKS.indexOf(item.response?.result.risk ?? "") },
  { key: "diagnosis", label: "Most probable", value: (item) => item.response?.result.top[0]?.name ?? "" },
  { key: "probability", label: "Probability", value: (item) => item.response?.result.top[0]?.probability ?? -1 },
  { key: "remark", label: "Remarks", value: (item) => remark(item) },
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
      <h1 id="batch-title" ref=${heading} tabindex="-1">${items.length} images</h1>
      ${done < items.length &&
      html`<p class="progress"><progress max=${items.length} value=${done} aria-label="Images classified"></progress> ${done} classified. ${delay}</p>`}
      ${abstained > 0 && html`<p class="progress">${abstained} abstained</p>`}
      <div class="actions">
        ${failed.length > 0 && html`<button type="button" onClick=${() => session.retry()}>Try ${counted(failed.length, "image")} again</button>`}
        <button type="button" onClick=${save} disabled=${!model || done < items.length}>Download as CSV</button>
        <button type="button" onClick=${() => session.clear()}>Remove all</button>
      </div>
    </div>
    <table class="results card" role="table">
      <caption class="visually-hidden">Results, one image per row. The buttons in the head sort.</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((column) => {
            const sorted = order.key !== column.key ? null : order.descending ? "descending" : "ascending";
            return html`<th key=${column.key} scope="col" role="columnheader" class=${column.key} aria-sort=${sorted}>
              <button type="button" onClick=${() => sort(column)}>
                ${column.key === "main-probability" ? `P(${target})` : column.label}
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
      ${main && html`<span class="cell-label" aria-hidden="true">P(${main.target}) </span>${percent(main.value)}`}
      ${result?.operating_points[0]?.positive && html`<small class="positive">positive</small>`}
    </td>
    <td role="cell" class="risk-cell">
      ${result && (isAbstained(item) ? html`<span class="muted">abstained</span>` : html`<${RiskLevel} risk=${result.risk} />`)}
    </td>
    <td role="cell" class="diagnosis">
      ${first?.name}
      ${others.length > 0 && html`<small>cannot be ruled out: ${others.map((code) => className(session.model, code)).join(", ")}</small>`}
    </td>
    <td role="cell" class="probability">${first && percent(first.probability)}</td>
    <td role="cell" class=${item.state === "failed" || isAbstained(item) ? "remark alarm" : "remark"}>${remark(item)}</td>
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
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
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

/** @param {Item} item */
function remark(item) {
  if (item.state === "failed") return item.problem;
  if (item.state !== "done" || !item.response) return item.delay || "classifying …";
  const { headline, notes } = item.response.result;
  return [...(item.synthetic ? ["synthetic"] : []), ...(isAbstained(item) ? [headline] : []), ...notes].join("; ");
}
