/**
 * The report on several images: those of one patient, or a whole batch. What is shown is what is printed; a few images fit
 * on one page.
 */

import { dataUrl } from "../download.js";
import { className, noun, percent, timestamp } from "../format.js";
import { currentLanguage, t } from "../messages.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { chosen, isAbstained, mainOf, remark } from "./list.js";
import { downloadReport, usePrintedReport } from "./report.js";
import { Decision, RiskLevel, riskRule } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */

/** @param {{ session: Session }} props */
export function SelectionReport({ session }) {
  usePrintedReport("prints-selection");
  const container = useRef(/** @type {HTMLElement | null} */ (null));
  const [title, setTitle] = useState("");
  const [problem, setProblem] = useState("");
  const items = chosen(session);
  const onTitle = (/** @type {Event & { currentTarget: HTMLInputElement }} */ { currentTarget }) => setTitle(currentTarget.value);
  const save = async () => {
    try {
      if (container.current?.firstElementChild) await downloadReport(container.current.firstElementChild, title, "lesionlab-selection.html");
      setProblem("");
    } catch {
      setProblem(t("report.failed"));
    }
  };
  return html`
    <div class="report-tools">
      <a class="plain-button back" href="#classify">← ${t("result.all", { count: session.items.length })}</a>
      <label for="report-title">${t("selection.title")}</label>
      <input id="report-title" value=${title} onInput=${onTitle} autocomplete="off" />
      <p class="muted">${t("selection.titleNote")}</p>
      <div class="actions">
        <button type="button" class="primary" onClick=${() => print()}>${t("report.print")}</button>
        <button type="button" onClick=${save}>${t("report.download")}</button>
      </div>
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    </div>
    <div class="report-sheet" ref=${container}><${Sheet} session=${session} items=${items} title=${title} /></div>
  `;
}

/** @param {{ session: Session, items: Item[], title: string }} props */
function Sheet({ session, items, title }) {
  const { model } = session;
  const thumbs = useThumbnails(items);
  const patients = new Set(items.map(({ patient }) => patientText(patient)));
  const [patient = ""] = patients.size === 1 ? patients : [];
  const positive = items.filter((item) => item.response?.result.operating_points[0]?.positive).length;
  return html`<article class="report selection" lang=${currentLanguage()}>
    <p class="report-notice">${t("researchOnly")}</p>
    <header>
      <h1>${title || t("table.title", { count: items.length })}</h1>
      <p>
        ${model && t("report.classified", { date: timestamp(items.at(-1)?.date ?? new Date()), model: model.model.identity, version: model.version })}
        ${model?.training_data.leaky && ` ${t("report.leaky")}`}
      </p>
      ${patient && html`<p>${t("selection.patient", { patient })}</p>`}
    </header>
    <p class="counts">
      ${t("selection.counts", {
        count: items.length,
        positive,
        abstained: items.filter(isAbstained).length,
        failed: items.filter(({ state }) => state === "failed").length,
      })}
      ${" "}${riskRule(session)}
    </p>
    <table class="report-list">
      <thead>
        <tr><th scope="col">${t("image")}</th><th scope="col">${t("selection.result")}</th><th scope="col">${t("table.mostProbable")}</th></tr>
      </thead>
      <tbody>
        ${items.map((item) => html`<${ReportRow} key=${item.id} session=${session} item=${item} thumb=${thumbs.get(item.id)} withPatient=${patients.size > 1} />`)}
      </tbody>
    </table>
    <footer>${model && `${t("report.graph", { hash: model.model.graph_sha256 })} ${t("report.licence", { licence: model.licence })}`} ${t("researchOnly")}</footer>
  </article>`;
}

/** @param {{ session: Session, item: Item, thumb: string | undefined, withPatient: boolean }} props */
function ReportRow({ session, item, thumb, withPatient }) {
  const result = item.response?.result;
  const main = mainOf(item);
  const [point] = result?.operating_points ?? [];
  const notes = remark(item, session.model);
  return html`<tr>
    <th scope="row">
      ${thumb && html`<img src=${thumb} alt="" />`}
      <span>${item.name}</span>
      ${withPatient && html`<small>${patientText(item.patient)}</small>`}
    </th>
    <td>
      ${main && html`<p><b>${percent(main.value)}</b> ${t("summary.probability", { target: noun(main.target) })}</p>`}
      ${main && point && html`<${Decision} point=${point} />`}
      ${main && result && html`<p>${t("risk.title")} <${RiskLevel} risk=${result.risk} /></p>`}
      ${notes && html`<p class=${main ? "muted" : "report-problem"}>${notes}</p>`}
    </td>
    <td>
      ${main && html`<ol>${result?.top.map(({ code, probability }) => html`<li key=${code}>${className(session.model, code)} ${percent(probability)}</li>`)}</ol>`}
      ${main && result?.prediction_set && html`<p class="muted">${t("set.title")} ${result.prediction_set.codes.map((code) => className(session.model, code)).join(", ")}</p>`}
    </td>
  </tr>`;
}

/** @param {import("../types.js").Patient} patient */
function patientText({ age, sex, site }) {
  const parts = [age ? t("selection.age", { age }) : "", sex === "female" || sex === "male" ? t(`patient.${sex}`) : "", site ?? ""];
  return parts.filter(Boolean).join(", ");
}

/**
 * The small images as data: URLs, so that the report is one file.
 * @param {Item[]} items
 * @returns {Map<number, string>} By the number of the image.
 */
function useThumbnails(items) {
  const [urls, setUrls] = useState(/** @type {Map<number, string>} */ (new Map()));
  const key = items.map(({ id, thumb }) => `${id}${thumb ? "+" : ""}`).join();
  useEffect(() => {
    let current = true;
    void Promise.all(items.map(async ({ id, thumbFile }) => /** @type {const} */ ([id, thumbFile ? await dataUrl(thumbFile) : ""]))).then(
      (all) => current && setUrls(new Map(all.filter(([, url]) => url))),
    );
    return () => {
      current = false;
    };
  }, [key]);
  return urls;
}
