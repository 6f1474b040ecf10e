/** What changed between two answers, in words and as a table. */

import { answerOf, judgedPoint, noun, percent, points, suspicion } from "../format.js";
import { RiskMark } from "../judge/verdict.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../session.js").Session} Session */
/** @typedef {import("../contract.js").Result} Result */

/** @param {{ session: Session, left: Result, right: Result }} props */
export function Changes({ session, left, right }) {
  const lookedFor = session.point?.looked_for ?? "malignant";
  const [before, after] = [suspicion(left, lookedFor), suspicion(right, lookedFor)];
  return html`<section class="card changes" aria-labelledby="changes-title">
    <h2 id="changes-title">What changed</h2>
    <p class="lead">${sentence(left, right, session.pointName, lookedFor)}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Both answers as a table">
      <table>
        <thead>
          <tr>
            <th scope="col">Probability</th>
            <th scope="col">Earlier</th>
            <th scope="col">Later</th>
            <th scope="col">Change, points</th>
          </tr>
        </thead>
        <tbody>
          ${before !== null && after !== null && html`<${Row} name=${`P(${lookedFor})`} before=${before} after=${after} strong />`}
          ${left.classes.map(({ code, name, probability }) => {
            const later = right.classes.find((other) => other.code === code)?.probability ?? 0;
            return html`<${Row} key=${code} name=${name} before=${probability} after=${later} />`;
          })}
          <tr>
            <th scope="row">Risk of the answer</th>
            <td><${RiskMark} risk=${left.risk} /></td>
            <td><${RiskMark} risk=${right.risk} /></td>
            <td>${left.risk === right.risk ? "the same" : "changed"}</td>
          </tr>
        </tbody>
      </table>
    </div>
  </section>`;
}

/** @param {{ name: string, before: number, after: number, strong?: boolean }} props */
function Row({ name, before, after, strong = false }) {
  return html`<tr class=${strong ? "strong" : ""}>
    <th scope="row">${name}</th>
    <td>${percent(before)}</td>
    <td>${percent(after)}</td>
    <td>${points(after - before)}</td>
  </tr>`;
}

/**
 * @param {Result} left
 * @param {Result} right
 * @param {string} pointName
 * @param {string} lookedFor
 */
function sentence(left, right, pointName, lookedFor) {
  const [first, second] = [answerOf(left)?.name, answerOf(right)?.name];
  const best = first === second ? `The answer is ${first} for both.` : `The answer was ${first} and is ${second}.`;
  const [before, after] = [suspicion(left, lookedFor), suspicion(right, lookedFor)];
  if (before === null || after === null) return best;
  const moved = `The probability of ${noun(lookedFor)} went from ${percent(before)} to ${percent(after)}`;
  const at = (/** @type {Result} */ result) => judgedPoint(result, pointName)?.suspicious;
  const [was, is] = [at(left), at(right)];
  const crossing = was === is || is === undefined ? "." : is ? ", and now stands above the threshold." : ", and now stands below the threshold.";
  return `${moved}${crossing} ${best}`;
}
