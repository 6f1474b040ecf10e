/** The report on one image, for print and as a self-contained HTML file. */

import { download } from "../download.js";
import { RESEARCH_ONLY, mainProbability, noun, percent, selectedPoint, timestamp } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { LesionMeasures, NearestImages } from "./nearest_images.js";
import { Bars } from "./probabilities.js";
import { Decision, PointPerformance, PredictionSet, RiskLevel } from "./summary.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {import("../types.js").Prediction} Prediction */
/** @typedef {{ original: string, overlay: string, overlayName: string }} Images As data: URLs; empty for none. */

// The file loads no other resources and runs no scripts.
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** @param {{ session: Session, item: Item, images: Images }} props */
export function Report({ session, item, images }) {
  const { response } = item;
  if (!response) return null;
  const { result } = response;
  const abstained = result.status === "abstained";
  const leaky = session.model?.training_data.leaky ?? false;
  return html`<article class="report" lang="en">
    <p class="report-notice">${RESEARCH_ONLY}</p>
    <header>
      <h1>${item.name}</h1>
      <p>Classified ${timestamp(item.date)} by ${response.model.identity}, lesionlab ${response.version}.
        ${item.synthetic && " The image is a computer-generated drawing."}
        ${leaky && " All figures of this model are leaky: too optimistic."}</p>
    </header>
    <section class=${abstained ? "report-alarm" : ""}>
      ${abstained && html`<h2>The model abstained</h2>`}
      <p class="headline">${result.headline}</p>
    </section>
    <div class="report-images">
      ${images.original && html`<figure><img src=${images.original} alt="The image" /><figcaption>The image</figcaption></figure>`}
      ${!abstained &&
      images.overlay &&
      html`<figure><img src=${images.overlay} alt="The image with its heat map" /><figcaption>Evidence for ${images.overlayName}, from dark (weak) to bright (strong): the image regions that support the class, not the extent of disease.</figcaption></figure>`}
    </div>
    ${!abstained && html`<${Results} session=${session} item=${item} result=${result} leaky=${leaky} />`}
    ${(result.notes.length > 0 || Object.keys(item.patient).length > 0) &&
    html`<section>
      <h2>Notes</h2>
      <ul>
        ${result.notes.map((note) => html`<li key=${note}>${note}</li>`)}
        ${Object.entries(item.patient).map(([field, value]) => html`<li key=${field}>patient data: ${field} ${value}</li>`)}
      </ul>
    </section>`}
    <footer>Model graph SHA-256 ${response.model.graph_sha256}. ${session.model && `Licence ${session.model.licence}.`} ${RESEARCH_ONLY}</footer>
  </article>`;
}

/** @param {{ session: Session, item: Item, result: Prediction, leaky: boolean }} props */
function Results({ session, item, result, leaky }) {
  const main = mainProbability(result);
  const point = selectedPoint(result, session.pointKey);
  const { lesion, nearest_images: nearest } = item.related ?? {};
  return html`
    <section>
      ${main && html`<h2>Probability of ${noun(main.target)}: ${percent(main.value)}</h2>`}
      ${point && html`<${Decision} point=${point} />`}
      <${PredictionSet} result=${result} model=${session.model} />
      <p>Risk level: <${RiskLevel} risk=${result.risk} />${session.model && html` (${session.model.risk_rule})`}.</p>
      ${point && html`<p><${PointPerformance} point=${point} leaky=${leaky} /> It may differ for other patients and cameras.</p>`}
    </section>
    <section>
      <h2>Calibrated probabilities</h2>
      <${Bars} result=${result} model=${session.model} />
    </section>
    ${lesion !== undefined && html`<section><h2>Lesion measures</h2><${LesionMeasures} lesion=${lesion} /></section>`}
    ${nearest && html`<section><h2>Nearest training images</h2><${NearestImages} images=${nearest} /></section>`}
  `;
}

/**
 * Download the report that is on the page, with its style sheet and images embedded.
 * @param {Element} report
 * @param {string} name
 */
export async function downloadReport(report, name) {
  const style = await (await fetch(new URL("../report.css", import.meta.url))).text();
  // Built as text: in a document, the page's own policy would forbid the inline style.
  const page = `<!doctype html>
<html lang="en">
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
  download("lesionlab-report.html", "text/html;charset=utf-8", page);
}

/** @param {string} text */
function escapeHtml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
