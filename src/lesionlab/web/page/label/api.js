/** The labelling server. Answers wait in the browser's storage until the server has stored them: none is lost. */

/**
 * @typedef {{ name: string, probability: number }[]} Prediction
 * @typedef {{ image: string, name: string, similarity: number }[]} Nearest Similar lesions with a final diagnosis.
 * @typedef {object} View
 * @property {string} lesion
 * @property {{ name: string, type: string | null }[]} images
 * @property {string} note
 * @property {Prediction | null} prediction
 * @property {Nearest} nearest
 * @property {string[]} [answers] Of an adjudication, without names.
 *
 * @typedef {object} Labelling
 * @property {string} notice
 * @property {string} dataset
 * @property {string} strategy
 * @property {string} description
 * @property {number} readings
 * @property {{ code: string, name: string }[]} diagnoses
 *
 * @typedef {object} Next
 * @property {View | null} view
 * @property {{ read: number, lesions: number, done: number, disagreed: number }} [progress]
 * @property {{ event: string, lesion: string, answer: string, prediction: Prediction | null, nearest: Nearest } | null} [last]
 * @property {number} [waiting]
 *
 * @typedef {Record<string, string | number | null>} Posted
 */

// Of this window: several windows of a browser may have several readers.
const PENDING = "lesionlab-label-pending";
const RETRY_MS = 1000;

/**
 * Request again until the server responds.
 * @param {string} path
 * @param {RequestInit} options
 * @param {(problem: string) => void} report
 */
async function request(path, options, report) {
  for (;;) {
    try {
      const response = await fetch(`api/${path}`, options);
      const found = await response.json();
      if (response.status < 500) {
        report(response.ok ? "" : found.detail);
        return response.ok ? found : null;
      }
      report(`${found.detail} Trying again.`);
    } catch {
      report("The server does not respond; trying again. No answer is lost.");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/**
 * @template T
 * @param {string} path
 * @param {(problem: string) => void} report
 * @returns {Promise<T | null>} null for a rejected request.
 */
export function get(path, report) {
  return request(path, {}, report);
}

/** @returns {string} An id that no other event has. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Posted[]} */
function pending() {
  return JSON.parse(sessionStorage.getItem(PENDING) ?? "[]");
}

/** @param {Posted[]} events */
function keep(events) {
  sessionStorage.setItem(PENDING, JSON.stringify(events));
}

/**
 * Add an event to those that wait.
 * @param {Posted} event
 */
export function enqueue(event) {
  keep([...pending(), event]);
}

/**
 * Send the waiting events in their order. While the server does not respond, the same events are sent again; it stores
 * each once, by its id.
 * @param {(problem: string) => void} report
 * @returns {Promise<boolean>} Whether all were stored.
 */
export async function flush(report) {
  let rejected = false;
  for (let event = pending()[0]; event; event = pending()[0]) {
    const { id } = event;
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(event) };
    // A rejected event is dropped: it would be rejected again.
    if (!(await request("events", options, report))) rejected = true;
    keep(pending().filter((other) => other.id !== id));
  }
  return !rejected;
}
