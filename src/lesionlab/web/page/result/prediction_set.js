/** The classes that cannot be ruled out: class-conditional conformal prediction sets. */

/** @typedef {import("../types.js").ModelCard} ModelCard */
/** @typedef {import("../types.js").Prediction} Prediction */

/**
 * The class-conditional set, and the classes that it lacks for consistency; a larger set keeps its coverage.
 * @param {ModelCard} card
 * @param {number[]} fromImage Probabilities without patient data.
 * @param {string[]} order All classes, the most probable first.
 * @param {Prediction["operating_points"]} points
 * @returns {Prediction["prediction_set"]}
 */
export function predictionSet({ classes, decision }, fromImage, order, points) {
  const sets = decision.prediction_sets;
  if (!sets) return null;
  const highest = fromImage.indexOf(Math.max(...fromImage));
  const codes = new Set(
    classes
      .map(({ code }) => code)
      .filter((code, index) => {
        const limit = sets.class_conditional[code] ?? Number.POSITIVE_INFINITY;
        return index === highest || code === order[0] || 1 - (fromImage[index] ?? 0) <= limit;
      }),
  );
  for (const { positive, target } of points) {
    const members = decision.target_classes[target] ?? [];
    if (positive && !members.some((code) => codes.has(code))) codes.add(order.find((code) => members.includes(code)) ?? "");
  }
  return { coverage: sets.coverage, kind: "class-conditional", codes: order.filter((code) => codes.has(code)) };
}
