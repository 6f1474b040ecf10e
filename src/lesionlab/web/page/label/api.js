/** The labelling server. Answers wait in the browser's storage until the server has stored them: none is lost. */

/**
 * @typedef {{ name: string, probability: number }[]} Prediction
 * @typedef {object} View
 * @property {string} lesion
 * @property {{ name: string, type: string | null }[]} images
 * @property {string} note
 * @property {Prediction | null} prediction
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
 * @property {{ event: string, lesion: string, answer: string, prediction: Prediction | null } | null} [last]
 * @property {number} [waiting]
 *
 * @typedef {Record<string, string | number | null>} Posted
 */

const PENDING = "lesionlab-label-pending";
const RETRY_MS = 1000;

/**
 * @template T
 * @param {string} path
 * @returns {Promise<T>}
 */
export async function get(path) {
  const response = await fetch(`api/${path}`);
  const found = await response.json();
  if (!response.ok) throw new Error(found.detail);
  return found;
}

/** @returns {string} An id that no other event has. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Posted[]} */
function pending() {
  return JSON.parse(localStorage.getItem(PENDING) ?? "[]");
}

/** @param {Posted[]} events */
function keep(events) {
  localStorage.setItem(PENDING, JSON.stringify(events));
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
 */
export async function flush(report) {
  for (let event = pending()[0]; event; event = pending()[0]) {
    const body = JSON.stringify(event);
    try {
      const response = await fetch("api/events", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      if (response.status >= 500) throw new Error((await response.json()).detail);
      report(response.ok ? "" : (await response.json()).detail);
      keep(pending().filter(({ id }) => id !== event?.id));
    } catch (error) {
      report(`Not stored yet, the server does not respond; trying again. (${error instanceof Error ? error.message : error})`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
