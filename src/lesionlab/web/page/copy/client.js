/**
 * Makes a small copy of a large image file before it is sent: the model's input as PNG, so that the prediction is that of
 * the file. A worker makes it, so that the page stays responsive.
 *
 * @typedef {{ file: Blob, notes: string[] }} Copy `notes`: changes made while decoding, which the copy does not show.
 * @typedef {(file: Blob, model: import("../types.js").ModelCard) => Promise<Copy | null>} Shrink Null: the file itself is sent.
 */

// A copy of a smaller file saves little.
const LARGE = 250_000;

/** @type {Worker | null} */
let worker = null;
let ids = 0;
/** @type {Map<number, (copy: Copy | null) => void>} */
const pending = new Map();

/** @type {Shrink} */
export function smallCopy(file, { preprocessing, limits }) {
  // A model of tiny images scales in two steps, which a copy would repeat.
  if (file.size <= LARGE || preprocessing.through || !("CompressionStream" in globalThis)) return Promise.resolve(null);
  worker ??= startWorker();
  const id = ++ids;
  const copy = new Promise((resolve) => pending.set(id, resolve));
  worker.postMessage({ id, file, preprocessing, limits });
  return /** @type {Promise<Copy | null>} */ (copy);
}

function startWorker() {
  const started = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data: { id, copy } }) => settle(id, copy));
  started.addEventListener("error", (event) => {
    event.preventDefault();
    started.terminate();
    worker = null;
    for (const id of [...pending.keys()]) settle(id, null);
  });
  return started;
}

/**
 * @param {number} id
 * @param {Copy | null} copy
 */
function settle(id, copy) {
  pending.get(id)?.(copy);
  pending.delete(id);
}
