/** Many images: a table that can be sorted, opened row by row, and taken away as CSV. */

import { toCsv } from "../csv.js";
import { download } from "../download.js";
import { answerOf, counted, judgedPoint, percent, suspicion } from "../format.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { RiskMark } from "./verdict.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {{ key: string, label: string, value: (item: Item) => string | number }} Column */

const RISKS = ["low", "moderate", "high"];

/** @type {Column[]} */
const COLUMNS = [
  { key: "image", label: "Image", value: (item) => item.name.toLowerCase() },
  { key: "diagnosis", label: "Answer", value: (item) => answerOf(item.answer?.result)?.name ?? "" },
  { key: "probability", label: "Probability", value: (item) => answerOf(item.answer?.result)?.probability ?? -1 },
  { key: "malignant", label: "P(malignant)", value: (item) => sought(item) ?? -1 },
  { key: "risk", label: "Risk", value: (item) => (item.answer?.result.refusal ? -1 : RISKS.indexOf(item.answer?.result.risk ?? "")) },
  { key: "remark", label: "Remarks", value: (item) => remark(item) },
];

/** @param {{ session: Session }} props */
export function AnswerTable({ session }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const [sorted, setSorted] = useState({ key: "", down: false });
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const { items, model } = session;
  const done = items.filter(({ state }) => state === "done" || state === "failed").length;
  const again = items.filter(({ state, passing }) => state === "failed" && passing);
  const delay = items.find((item) => item.delay)?.delay;
  const lookedFor = session.point?.looked_for ?? "malignant";
  const sort = (/** @type {Column} */ { key }) => setSorted({ key, down: sorted.key === key ? !sorted.down : key !== "image" });
  const save = () => model && download("lesionlab-answers.csv", "text/csv;charset=utf-8", toCsv(items, model, session.pointName));

  return html`<section class="many" aria-labelledby="many-title">
    <div class="many-head">
      <h1 id="many-title" ref=${heading} tabindex="-1">${items.length} images</h1>
      ${done < items.length &&
      html`<p class="progress"><progress max=${items.length} value=${done} aria-label="Images judged"></progress> ${done} judged. ${delay}</p>`}
      <div class="actions">
        ${again.length > 0 && html`<button type="button" onClick=${() => session.retry()}>Try ${counted(again.length, "image")} again</button>`}
        <button type="button" onClick=${save} disabled=${!model || done < items.length}>Download as CSV</button>
        <button type="button" onClick=${() => session.clear()}>Remove all</button>
      </div>
    </div>
    <table class="answers card" role="table">
      <caption class="unseen">Answers, one image per row. The buttons in the head sort.</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((column) => {
            const order = sorted.key !== column.key ? null : sorted.down ? "descending" : "ascending";
            return html`<th key=${column.key} scope="col" role="columnheader" class=${column.key} aria-sort=${order}>
              <button type="button" onClick=${() => sort(column)}>
                ${column.key === "malignant" ? `P(${lookedFor})` : column.label}
                <span aria-hidden="true" class="arrow">${order === null ? "↕" : order === "descending" ? "↓" : "↑"}</span>
              </button>
            </th>`;
          })}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${inOrder(items, sorted).map((item) => html`<${Row} key=${item.id} session=${session} item=${item} lookedFor=${lookedFor} />`)}
      </tbody>
    </table>
  </section>`;
}

/** @param {{ session: Session, item: Item, lookedFor: string }} props */
function Row({ session, item, lookedFor }) {
  const result = item.answer?.result;
  const best = answerOf(result);
  const share = sought(item, lookedFor);
  const point = result && judgedPoint(result, session.pointName);
  const open = () => session.set({ selected: item.id });
  return html`<tr role="row" class=${result?.refusal ? "refused" : ""}>
    <th scope="row" role="rowheader" class="image">
      <button type="button" class="open" onClick=${open}>
        ${item.thumb ? html`<img src=${item.thumb} alt="" />` : html`<span class="no-thumb" aria-hidden="true"></span>`}
        <span>${item.name}</span>
      </button>
    </th>
    <td role="cell" class="diagnosis">${best?.name}</td>
    <td role="cell" class="probability">${best && percent(best.probability)}</td>
    <td role="cell" class="malignant">
      ${share !== null && html`<span class="cell-label" aria-hidden="true">P(${lookedFor}) </span>${percent(share)}`}
      ${point?.suspicious && !result?.refusal && html`<small class="suspicious">suspicious</small>`}
    </td>
    <td role="cell" class="risk-cell">${result && (result.refusal ? html`<span class="quiet">refused</span>` : html`<${RiskMark} risk=${result.risk} />`)}</td>
    <td role="cell" class=${item.state === "failed" || result?.refusal ? "remark alarm" : "remark"}>${remark(item)}</td>
  </tr>`;
}

/**
 * @param {Item[]} items
 * @param {{ key: string, down: boolean }} sorted
 */
function inOrder(items, { key, down }) {
  const column = COLUMNS.find((other) => other.key === key);
  if (!column) return items;
  return [...items].sort((left, right) => {
    const [a, b] = [column.value(left), column.value(right)];
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -order : order;
  });
}

/**
 * @param {Item} item
 * @param {string} [lookedFor]
 */
function sought(item, lookedFor) {
  return item.answer ? suspicion(item.answer.result, lookedFor) : null;
}

/** @param {Item} item */
function remark(item) {
  if (item.state === "failed") return item.problem;
  if (item.state !== "done") return item.delay || "judging …";
  const { refusal, notes } = item.answer?.result ?? { refusal: null, notes: [] };
  const refused = refusal ? [`not to be relied on: ${refusal.reasons.map(({ message }) => message).join("; ")}`] : [];
  return [...(item.synthetic ? ["synthetic"] : []), ...refused, ...notes].join("; ");
}
