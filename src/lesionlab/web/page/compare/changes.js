/** The differences between two predictions, in words and as a table. */

import { RiskLevel } from "../classify/summary.js";
import { className, mainProbability, noun, percent, pointDifference, pointTitle, ranked } from "../format.js";
import { t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../types.js").Prediction} Prediction */

/** @param {{ session: Session, left: Prediction, right: Prediction }} props */
export function Changes({ session, left, right }) {
  const abstained = left.status === "abstained" || right.status === "abstained";
  return html`<section class="card changes" aria-labelledby="changes-title">
    <h2 id="changes-title">${t("changes.title")}</h2>
    ${abstained
      ? html`<p>${t("changes.abstained")}</p>`
      : html`<p class="lead">${sentence(session, left, right)}</p><${ChangeTable} session=${session} left=${left} right=${right} />`}
  </section>`;
}

/** @param {{ session: Session, left: Prediction, right: Prediction }} props */
function ChangeTable({ session, left, right }) {
  const [before, after] = [mainProbability(left), mainProbability(right)];
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("changes.table")}>
    <table>
      <thead>
        <tr>
          <th scope="col">${t("probability")}</th>
          <th scope="col">${t("compare.earlier")}</th>
          <th scope="col">${t("compare.later")}</th>
          <th scope="col">${t("changes.points")}</th>
        </tr>
      </thead>
      <tbody>
        ${before && after && html`<${Row} name=${t(`probabilityOf.${before.target}`)} before=${before.value} after=${after.value} strong />`}
        <tr>
          <th scope="row">${t("risk.level")}</th>
          <td><${RiskLevel} risk=${left.risk} /></td>
          <td><${RiskLevel} risk=${right.risk} /></td>
          <td>${t(left.risk === right.risk ? "changes.unchanged" : "changes.changed")}</td>
        </tr>
        ${ranked(left, session.model).map(
          ({ code, name, probability }) =>
            html`<${Row} key=${code} name=${name} before=${probability} after=${right.probabilities[code] ?? 0} />`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** @param {{ name: string, before: number, after: number, strong?: boolean }} props */
function Row({ name, before, after, strong = false }) {
  return html`<tr class=${strong ? "strong" : ""}>
    <th scope="row">${name}</th>
    <td>${percent(before)}</td>
    <td>${percent(after)}</td>
    <td>${pointDifference(after - before)}</td>
  </tr>`;
}

/**
 * @param {Session} session
 * @param {Prediction} left
 * @param {Prediction} right
 */
function sentence({ model }, left, right) {
  const [first = "", second = ""] = [left, right].map((result) => className(model, result.top[0]?.code ?? ""));
  const diagnosis = first === second ? t("changes.sameDiagnosis", { name: first }) : t("changes.otherDiagnosis", { first, second });
  const [before, after] = [mainProbability(left), mainProbability(right)];
  if (!before || !after) return diagnosis;
  const values = { target: noun(before.target), before: percent(before.value), after: percent(after.value) };
  const [was, is] = [left.operating_points[0], right.operating_points[0]];
  if (!was || !is || was.positive === is.positive) return `${t("changes.probability", values)} ${diagnosis}`;
  return `${t(is.positive ? "changes.toPositive" : "changes.toNegative", { ...values, point: pointTitle(is) })} ${diagnosis}`;
}
