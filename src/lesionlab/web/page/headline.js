/** A result in one line, as in `lesionlab.results.Prediction.headline`, in the reader's language. */

import { className, percent, pointName } from "./format.js";
import { catalogue, t } from "./messages.js";

/** @typedef {import("./types.js").ModelCard} ModelCard */
/** @typedef {import("./types.js").Prediction} Prediction */

/**
 * @param {Prediction} result
 * @param {ModelCard | null} model
 */
export function headline(result, model) {
  const { p_malignant: malignant, operating_points: [point], top: [first], prediction_set: set } = result;
  if (result.status === "abstained" || !first) return t("headline.abstained", { reasons: reasons(result) });
  const parts = [];
  if (malignant !== null) parts.push(`${t("probabilityOf.malignant")} ${percent(malignant)}`);
  else if (point) parts.push(`${t(`probabilityOf.${point.target}`)} ${percent(point.target_probability)}`);
  if (point) parts.push(t(point.positive ? "headline.positive" : "headline.negative", { point: pointName(point.name) }));
  parts.push(t("headline.mostProbable", { name: className(model, first.code), probability: percent(first.probability) }));
  const others = set?.codes.slice(1).map((code) => className(model, code)) ?? [];
  return `${parts.join(", ")}${others.length > 0 ? `; ${t("set.others")} ${others.join(", ")}` : ""}`;
}

/** @param {Prediction} result An abstention. */
function reasons({ abstain_reasons: all }) {
  return all.map(({ code, message }) => catalogue().reasons[code] ?? message).join("; ");
}
