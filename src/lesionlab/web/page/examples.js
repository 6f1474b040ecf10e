/** Synthetic images to try the page with, drawn by lesionlab.phantoms; scripts/make_page_examples.py makes them. */

/** @typedef {{ file: string, label: string }} Example */

/** @type {Example[]} */
export const EXAMPLES = [
  { file: "nevus.jpg", label: "nevus" },
  { file: "melanoma.jpg", label: "melanoma" },
  { file: "melanoma-again.jpg", label: "melanoma, again" },
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
  if (!response.ok) throw new Error(`the example cannot be fetched (status ${response.status})`);
  return { file: await response.blob(), name: `synthetic ${example.label}`, synthetic: true };
}
