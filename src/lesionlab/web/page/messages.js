/** The texts of the page in the reader's language; the catalogues are in `messages/`. */

import { de } from "./messages/de.js";
import { en } from "./messages/en.js";

/** @typedef {keyof typeof en.messages} MessageKey */
/** @typedef {string | { one: string, other: string }} Message With the plural form of `count`. */

/**
 * @typedef {object} Catalogue
 * @property {string} locale Of numbers and dates, as a BCP 47 tag.
 * @property {string} name The language's own name.
 * @property {Record<MessageKey, Message>} messages
 * @property {string[]} numbers Small numbers in words, from 0.
 * @property {Record<string, string>} classes Names of classes by code, where they differ from those of the model.
 * @property {Record<string, string>} colours Names of colours of lesions, where they differ from those of the model.
 * @property {Record<string, string>} sites Anatomical sites, where they differ from those of the model.
 * @property {Record<string, string>} reasons Reasons for an abstention by code, where they differ from those of the model.
 */

const STORAGE_KEY = "lesionlab-language";

/** @type {Record<string, Catalogue>} */
export const CATALOGUES = { en, de };

let language = "en";

/** @returns {Catalogue} The catalogue of the reader's language. */
export function catalogue() {
  return CATALOGUES[language] ?? en;
}

/** @returns {string} Code of the reader's language. */
export function currentLanguage() {
  return language;
}

/**
 * A message with its values filled in.
 * @param {MessageKey} key
 * @param {Record<string, string | number>} [values] Numbers are formatted.
 */
export function t(key, values = {}) {
  const { locale, messages } = catalogue();
  const message = messages[key];
  const text = typeof message === "string" ? message : message[values["count"] === 1 ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? value.toLocaleString(locale) : value;
  });
}

/** @param {string} code Of a language with a catalogue. */
export function setLanguage(code) {
  language = code;
  document.documentElement.lang = code;
  try {
    localStorage.setItem(STORAGE_KEY, code);
  } catch {
    // Storage may be disabled; the choice then lasts until the page is closed.
  }
}

/** Use the stored language, or the first one of the browser's languages that has a catalogue. */
export function restoreLanguage() {
  let stored = null;
  try {
    stored = localStorage.getItem(STORAGE_KEY);
  } catch {
    // As above.
  }
  const preferred = [stored, ...navigator.languages].map((tag) => tag?.split("-")[0] ?? "");
  language = preferred.find((code) => code in CATALOGUES) ?? "en";
  document.documentElement.lang = language;
}
