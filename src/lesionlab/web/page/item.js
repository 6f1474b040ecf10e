/** An image with its result. */

/** @typedef {import("./types.js").PredictResponse} PredictResponse */
/** @typedef {import("./types.js").Explanation} Explanation */
/** @typedef {import("./types.js").ExplainResult} ExplainResult */
/** @typedef {import("./types.js").Patient} Patient */

/**
 * @typedef {object} Item
 * @property {number} id Its number in this tab, and in its address.
 * @property {string} key In the store.
 * @property {Blob} file
 * @property {Blob | null} upload A smaller copy with the same prediction, which is sent in place of the file; null until it is made.
 * @property {string[]} uploadNotes Notes on the file that its copy does not show.
 * @property {string} name
 * @property {boolean} synthetic One of the synthetic examples.
 * @property {string} url For `<img>`.
 * @property {string | null} thumb For the table; null for a format that the browser cannot show.
 * @property {Blob | null} thumbFile
 * @property {boolean} selected In the table, for reports and downloads.
 * @property {"waiting" | "predicting" | "done" | "failed"} state
 * @property {string} delay Reason for a delay; empty without one.
 * @property {string} problem Reason for the failure; empty without one.
 * @property {boolean} retryable Whether another attempt may succeed.
 * @property {Patient} patient
 * @property {PredictResponse | null} imageResponse Prediction of the image alone.
 * @property {PredictResponse | null} response The prediction with patient data, at the chosen prevalence and operating point.
 * @property {Map<string, Explanation | null>} explanations By the code of the explained class; null for an abstention.
 * @property {Pick<ExplainResult, "nearest_images" | "lesion" | "outline"> | null} related From the first explanation; the
 *   same for every class.
 * @property {Date} date Of the prediction.
 */

/**
 * @param {Partial<Item> & { id: number, file: Blob, name: string }} given
 * @returns {Item}
 */
export function newItem(given) {
  return {
    key: `${Date.now()}-${given.id}`,
    upload: null,
    uploadNotes: [],
    synthetic: false,
    url: URL.createObjectURL(given.file),
    thumb: null,
    thumbFile: null,
    selected: false,
    state: "waiting",
    delay: "",
    problem: "",
    retryable: false,
    patient: {},
    imageResponse: null,
    response: null,
    explanations: new Map(),
    related: null,
    date: new Date(),
    ...given,
  };
}

/**
 * Release the memory of an item that is no longer shown.
 * @param {Item} item
 */
export function release({ url, thumb }) {
  URL.revokeObjectURL(url);
  if (thumb) URL.revokeObjectURL(thumb);
}

/** @param {Item} item */
export function isPending({ state }) {
  return state === "waiting" || state === "predicting";
}
