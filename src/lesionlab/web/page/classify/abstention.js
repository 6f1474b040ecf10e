/** An image without a prediction: the reasons, and what the reader can do. */

import { catalogue, t } from "../messages.js";
import { html } from "../vendor/htm-preact.js";

/** @typedef {import("../types.js").AbstainReason} AbstainReason */

/** @param {{ result: import("../types.js").Prediction }} props */
export function Abstention({ result }) {
  return html`<section class="banner abstention" aria-labelledby="abstention-title">
    <h2 id="abstention-title">${t("abstention.title")}</h2>
    <${Reasons} result=${result} />
    <p>${t("abstention.note")}</p>
  </section>`;
}

/** @param {{ result: import("../types.js").Prediction }} props */
export function Reasons({ result }) {
  return html`<ul class="reasons">
    ${result.abstain_reasons.map(
      (reason) => html`<li key=${reason.code}><b>${inWords(reason)}</b> ${t(`advice.${reason.code}`)}</li>`,
    )}
  </ul>`;
}

/** @param {AbstainReason} reason */
function inWords({ code, message }) {
  const text = catalogue().reasons[code] ?? message;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
