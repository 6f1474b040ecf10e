/** The report on one image, for print and as a self-contained HTML file. */

import { download } from "../download.js";
import { className, mainProbability, noun, percent, timestamp } from "../format.js";
import { currentLanguage, t } from "../messages.js";
import { html, useEffect } from "../vendor/htm-preact.js";
import { Reasons } from "./abstention.js";
import { LesionMeasures, NearestImages } from "./nearest_images.js";
import { Bars } from "./probabilities.js";
import { Decision, PointPerformance, PredictionSet, RiskLevel, riskRule } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../item.js").Item} Item */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {{ original: string, overlay: string, code: string }} Images As data: URLs, and the explained class; empty for none. */

// The file loads no other resources and runs no scripts.
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** @param {{ session: Session, item: Item, images: Images }} props */
export function Report({ session, item, images }) {
  const { response } = item;
  if (!response) return null;
  const { result } = response;
  const abstained = result.status === "abstained";
  const leaky = session.model?.training_data.leaky ?? false;
  return html`<article class="report" lang=${currentLanguage()}>
    <p class="report-notice">${t("researchOnly")}</p>
    <header>
      <h1>${item.name}</h1>
      <p>${t("report.classified", { date: timestamp(item.date), model: response.model.identity, version: response.version })}
        ${item.synthetic && ` ${t("result.synthetic")}`}
        ${leaky && ` ${t("report.leaky")}`}</p>
    </header>
    ${abstained &&
    html`<section class="report-alarm">
      <h2>${t("abstention.title")}</h2>
      <${Reasons} result=${result} />
    </section>`}
    <div class="report-images">
      ${images.original && html`<figure><img src=${images.original} alt=${t("report.image")} /><figcaption>${t("report.image")}</figcaption></figure>`}
      ${!abstained &&
      images.overlay &&
      html`<figure><img src=${images.overlay} alt=${t("report.overlay")} /><figcaption>${t("report.evidence", { name: className(session.model, images.code) })}</figcaption></figure>`}
    </div>
    ${!abstained && html`<${Results} session=${session} item=${item} result=${result} leaky=${leaky} />`}
    ${(result.notes.length > 0 || Object.keys(item.patient).length > 0) &&
    html`<section>
      <h2>${t("notes")}</h2>
      <ul>
        ${result.notes.map((note) => html`<li key=${note} lang="en">${note}</li>`)}
        ${Object.entries(item.patient).map(([field, value]) => html`<li key=${field}>${t("report.patientData", { field, value: String(value) })}</li>`)}
      </ul>
    </section>`}
    <footer>${t("report.graph", { hash: response.model.graph_sha256 })} ${session.model && t("report.licence", { licence: session.model.licence })} ${t("researchOnly")}</footer>
  </article>`;
}

/** @param {{ session: Session, item: Item, result: Prediction, leaky: boolean }} props */
function Results({ session, item, result, leaky }) {
  const main = mainProbability(result);
  const [point] = result.operating_points;
  const { lesion, nearest_images: nearest } = item.related ?? {};
  return html`
    <section>
      ${main && html`<h2>${t("report.probability", { target: noun(main.target), probability: percent(main.value) })}</h2>`}
      ${point && html`<${Decision} point=${point} />`}
      <${PredictionSet} result=${result} model=${session.model} />
      <p>${t("risk.title")} <${RiskLevel} risk=${result.risk} />. ${riskRule(session)}</p>
      ${point && html`<p><${PointPerformance} point=${point} leaky=${leaky} /> ${t("point.caution")}</p>`}
    </section>
    <section>
      <h2>${t("report.probabilities")}</h2>
      <${Bars} result=${result} model=${session.model} />
    </section>
    ${lesion !== undefined && html`<section><h2>${t("lesion.title")}</h2><${LesionMeasures} lesion=${lesion} /></section>`}
    ${nearest && html`<section><h2>${t("nearest.title")}</h2><${NearestImages} images=${nearest} /></section>`}
  `;
}

/**
 * Print only the report that is on the page. A class, since Firefox 115 has no `:has()`.
 * @param {"prints-image" | "prints-selection"} name
 */
export function usePrintedReport(name) {
  useEffect(() => {
    document.body.classList.add(name);
    return () => document.body.classList.remove(name);
  }, [name]);
}

/**
 * Download the report that is on the page, with its style sheet and images embedded.
 * @param {Element} report
 * @param {string} name Its title.
 * @param {string} [file]
 */
export async function downloadReport(report, name, file = "lesionlab-report.html") {
  const style = await (await fetch(new URL("../report.css", import.meta.url))).text();
  // Built as text: in a document, the page's own policy would forbid the inline style.
  const page = `<!doctype html>
<html lang="${currentLanguage()}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)} · lesionlab</title>
<style>
${style}</style>
</head>
<body class="report-file">
${report.outerHTML}
</body>
</html>
`;
  download(file, "text/html;charset=utf-8", page);
}

/** @param {string} text */
function escapeHtml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
