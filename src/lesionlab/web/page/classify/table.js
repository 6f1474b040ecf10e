/** The results of several images as a list that is sorted, filtered and selected. */

import { className, percent } from "../format.js";
import { t } from "../messages.js";
import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { COLUMNS, isAbstained, listed, mainOf, remark } from "./list.js";
import { ListActions, ListFilter } from "./list_actions.js";
import { RiskLevel } from "./summary.js";
import { useVisibleRows } from "./visible_rows.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("./list.js").Column} Column */

/** @param {{ session: Session }} props */
export function ResultTable({ session }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = listed(session);
  const { first, last, above, below, virtual } = useVisibleRows(body, shown.length);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const { items, list } = session;
  const done = items.filter(({ state }) => state === "done" || state === "failed").length;
  const abstained = items.filter(isAbstained).length;
  const delay = items.find((item) => item.delay)?.delay;
  const target = items.map(mainOf).find(Boolean)?.target ?? "malignant";
  const sort = (/** @type {Column} */ { key }) =>
    session.set({ list: { ...list, sortKey: key, descending: list.sortKey === key ? !list.descending : key !== "image" } });

  return html`<section class="batch" aria-labelledby="batch-title">
    <div class="batch-head">
      <h1 id="batch-title" ref=${heading} tabindex="-1">${t("table.title", { count: items.length })}</h1>
      ${done < items.length &&
      html`<p class="progress"><progress max=${items.length} value=${done} aria-label=${t("table.progress")}></progress> ${t("table.done", { done })} ${delay}</p>`}
      ${abstained > 0 && html`<p class="progress">${t("table.abstained", { count: abstained })}</p>`}
      <${ListActions} session=${session} pending=${done < items.length} />
    </div>
    <${ListFilter} session=${session} shown=${shown} />
    <table class=${virtual ? "results card virtual" : "results card"} role="table" aria-rowcount=${shown.length + 1}>
      <caption class="visually-hidden">${t("table.caption")}</caption>
      <thead role="rowgroup">
        <tr role="row" aria-rowindex="1">
          <${SelectAll} session=${session} shown=${shown} />
          ${COLUMNS.map((column) => {
            const sorted = list.sortKey !== column.key ? null : list.descending ? "descending" : "ascending";
            return html`<th key=${column.key} scope="col" role="columnheader" class=${column.key} aria-sort=${sorted}>
              <button type="button" onClick=${() => sort(column)}>
                ${t(column.key === "main-probability" ? `probabilityOf.${target}` : column.label)}
                <span aria-hidden="true" class="arrow">${sorted === null ? "↕" : sorted === "descending" ? "↓" : "↑"}</span>
              </button>
            </th>`;
          })}
        </tr>
      </thead>
      <tbody role="rowgroup" ref=${body}>
        ${virtual && html`<tr class="spacer" role="presentation" style=${{ height: `${above}px` }}></tr>`}
        ${shown.slice(first, last).map((item, index) => html`<${Row} key=${item.id} session=${session} item=${item} number=${first + index + 2} />`)}
        ${virtual && html`<tr class="spacer" role="presentation" style=${{ height: `${below}px` }}></tr>`}
      </tbody>
    </table>
    ${shown.length === 0 && html`<p class="muted">${t("list.none")}</p>`}
  </section>`;
}

/** @param {{ session: Session, shown: Item[] }} props */
function SelectAll({ session, shown }) {
  const all = shown.length > 0 && shown.every(({ selected }) => selected);
  const toggle = () => {
    for (const item of shown) item.selected = !all;
    session.set({});
  };
  return html`<th scope="col" role="columnheader" class="select">
    <input type="checkbox" checked=${all} onChange=${toggle} aria-label=${t("list.selectAll")} />
  </th>`;
}

/** @param {{ session: Session, item: Item, number: number }} props `number`: of the row in the whole table. */
function Row({ session, item, number }) {
  const result = item.response?.result;
  const main = mainOf(item);
  const [first] = result?.top ?? [];
  const others = result?.prediction_set?.codes.slice(1) ?? [];
  const toggle = () => {
    item.selected = !item.selected;
    session.set({});
  };
  return html`<tr role="row" aria-rowindex=${number} aria-selected=${String(item.selected)}>
    <td role="cell" class="select">
      <input type="checkbox" checked=${item.selected} onChange=${toggle} aria-label=${t("list.select", { name: item.name })} />
    </td>
    <th scope="row" role="rowheader" class="image">
      <button type="button" class="open" onClick=${() => session.open(item.id)}>
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
      ${first && html`<span class="name">${className(session.model, first.code)}</span>`}
      ${others.length > 0 && html`<small>${t("set.others")} ${others.map((code) => className(session.model, code)).join(", ")}</small>`}
    </td>
    <td role="cell" class="probability">${first && percent(first.probability)}</td>
    <td role="cell" class=${item.state === "failed" || isAbstained(item) ? "remark alarm" : "remark"}><span>${remark(item, session.model)}</span></td>
  </tr>`;
}
