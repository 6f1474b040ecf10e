/** Synthetic example images, drawn by lesionlab.phantoms; see scripts/make_page_examples.py. */

import { t } from "./messages.js";

/** @typedef {{ file: string, label: import("./messages.js").MessageKey }} Example */

/** @type {Example[]} */
export const EXAMPLES = [
  { file: "nevus.jpg", label: "examples.nevus" },
  { file: "melanoma.jpg", label: "examples.melanoma" },
  { file: "melanoma-second-view.jpg", label: "examples.secondView" },
  { file: "basal-cell-carcinoma.jpg", label: "examples.carcinoma" },
  { file: "vascular-lesion.jpg", label: "examples.vascular" },
];

/** @param {Example} example */
export function exampleUrl({ file }) {
  return new URL(`examples/${file}`, import.meta.url).href;
}

/**
 * @param {Example} example
 * @returns {Promise<{ file: Blob, name: string, synthetic: true }>}
 */
export async function fetchExample(example) {
  const response = await fetch(exampleUrl(example));
  if (!response.ok) throw new Error(`status ${response.status}`);
  return { file: await response.blob(), name: t("examples.name", { label: t(example.label) }), synthetic: true };
}
