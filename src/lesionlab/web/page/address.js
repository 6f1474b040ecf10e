/** Addresses of the page's views, in the fragment of its URL: `#classify`, `#image/3`, `#report`, `#performance`. */

/** @typedef {{ view: string, item: number | null }} Address */

export const DEFAULT_VIEW = "classify";

/**
 * @param {string} hash
 * @returns {Address}
 */
export function parseAddress(hash) {
  const [view = "", id = ""] = hash.replace(/^#/, "").split("/");
  if (view !== "image") return { view: view || DEFAULT_VIEW, item: null };
  return { view: DEFAULT_VIEW, item: /^\d+$/.test(id) ? Number(id) : null };
}

/** @param {number | null} id Null for the list of all images. */
export function itemAddress(id) {
  return id === null ? `#${DEFAULT_VIEW}` : `#image/${id}`;
}
