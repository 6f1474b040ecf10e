/** Synthetic example images, drawn by lesionlab.phantoms; see scripts/make_page_examples.py. */

/** @typedef {{ file: string, label: string }} Example */

/** @type {Example[]} */
export const EXAMPLES = [
  { file: "nevus.jpg", label: "nevus" },
  { file: "melanoma.jpg", label: "melanoma" },
  { file: "melanoma-second-view.jpg", label: "melanoma, second view" },
  { file: "basal-cell-carcinoma.jpg", label: "basal cell carcinoma" },
  { file: "vascular-lesion.jpg", label: "vascular lesion" },
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
  return { file: await response.blob(), name: `synthetic ${example.label}`, synthetic: true };
}
