/** The report on one image: a page to print, and the same as one self-contained HTML file. */

import { download } from "../download.js";
import { RESEARCH_ONLY, answerOf, judgedPoint, noun, percent, pointName, stamp, suspicion } from "../format.js";
import { html } from "../vendor/htm-preact.js";
import { LesionInNumbers, SimilarCases } from "./beside.js";
import { Bars, NotRuledOut } from "./probabilities.js";
import { PointInWords, RiskMark } from "./verdict.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../session.js").Item} Item */
/** @typedef {{ photograph: string, overlay: string, overlayName: string }} Pictures As data: addresses; empty for none. */

// The file loads nothing from anywhere, and runs nothing: whoever opens it can rely on that.
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** @param {{ session: Session, item: Item, pictures: Pictures }} props */
export function Report({ session, item, pictures }) {
  const { answer } = item;
  if (!answer) return null;
  const { result } = answer;
  const point = judgedPoint(result, session.pointName);
  const share = suspicion(result, point?.looked_for);
  const best = answerOf(result);
  const leaky = session.model?.training_data.leaky ?? false;
  const meaning = session.model?.risk_meaning;
  const { lesion, similar } = item.beside ?? {};
  return html`<article class="report" lang="en">
    <p class="report-notice">${RESEARCH_ONLY}</p>
    <header>
      <h1>${item.name}</h1>
      <p>Judged ${stamp(item.at)} by ${answer.bundle.identity}, lesionlab ${answer.version}.
        ${item.synthetic && " The picture is synthetic, drawn by a program."}
        ${leaky && " Every figure measured for this model is leaky: too good."}</p>
    </header>
    ${result.refusal &&
    html`<section class="report-alarm">
      <h2>The model should not be relied on for this image</h2>
      <ul>${result.refusal.reasons.map(({ code, message }) => html`<li key=${code}>${message}</li>`)}</ul>
    </section>`}
    <div class="report-pictures">
      ${pictures.photograph && html`<figure><img src=${pictures.photograph} alt="The image" /><figcaption>The image</figcaption></figure>`}
      ${pictures.overlay &&
      html`<figure><img src=${pictures.overlay} alt="The image with its heat map" /><figcaption>Evidence for ${pictures.overlayName}, from dark (weak) to bright (strong): where the network looked, not where disease is.</figcaption></figure>`}
    </div>
    <section>
      <h2>${best?.name}, ${percent(best?.probability ?? 0)}</h2>
      <p>Risk level: <${RiskMark} risk=${result.risk} />${meaning && html` (${meaning})`}.
        ${share !== null && html` Probability of ${noun(point?.looked_for ?? "malignant")}: <b>${percent(share)}</b>.`}
        ${point &&
        html` <b>${point.suspicious ? "Suspicious" : "Below the threshold"}</b> at the operating point for ${pointName(point)}, threshold ${percent(point.threshold)}.`}</p>
      ${point && html`<p><${PointInWords} point=${point} leaky=${leaky} /> On other patients and cameras this may differ.</p>`}
    </section>
    <section>
      <h2>All probabilities, calibrated</h2>
      <${Bars} result=${result} />
      <${NotRuledOut} result=${result} />
    </section>
    ${lesion !== undefined && html`<section><h2>The lesion in numbers</h2><${LesionInNumbers} lesion=${lesion} /></section>`}
    ${similar && html`<section><h2>Most similar training cases</h2><${SimilarCases} similar=${similar} /></section>`}
    ${(result.notes.length > 0 || Object.keys(item.patient).length > 0) &&
    html`<section>
      <h2>Notes</h2>
      <ul>
        ${result.notes.map((note) => html`<li key=${note}>${note}</li>`)}
        ${Object.entries(item.patient).map(([field, value]) => html`<li key=${field}>given: ${field} ${value}</li>`)}
      </ul>
    </section>`}
    <footer>Model graph SHA-256 ${answer.bundle.graph_sha256}. ${session.model && `Licence ${session.model.licence}.`} ${RESEARCH_ONLY}</footer>
  </article>`;
}

/**
 * Hand over the report as it stands on the page, with its style and pictures inside.
 * @param {Element} report
 * @param {string} name
 */
export async function downloadReport(report, name) {
  const style = await (await fetch(new URL("../report.css", import.meta.url))).text();
  // Put together as text: in a document, even an unseen one, this page's own policy would forbid the style.
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)} · lesionlab</title>
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
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
