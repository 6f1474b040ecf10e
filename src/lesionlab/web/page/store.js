/**
 * Keeps images and results over a reload of the tab, and with the reader's consent until they are removed.
 *
 * They are in the browser's database, encrypted. The key is in the storage of the tab, which the browser deletes with the
 * tab: what remains in the database then cannot be read, and the next visit deletes it. With consent, the key is in the
 * storage that all tabs share.
 */

import { deleteOwners, owners, readAll, remove, write } from "./database.js";

/** @typedef {import("./item.js").Item} Item */
/** @typedef {{ owner: string, key: string }} Access `key`: as base64. */

const STORAGE_KEY = "lesionlab-images";
const ALGORITHM = "AES-GCM";
const LOCK_MS = 1000;
const FIELDS = /** @type {const} */ ([
  "id", "name", "synthetic", "selected", "state", "problem", "retryable", "patient", "uploadNotes", "imageResponse", "related",
]);

export class Store {
  #owner;
  #key;
  /** Whether images and results are kept when the tab is closed. */
  kept;
  /** @type {Promise<unknown>} */
  #writes = Promise.resolve();

  /**
   * @param {string} owner
   * @param {CryptoKey} key
   * @param {boolean} kept
   */
  constructor(owner, key, kept) {
    this.#owner = owner;
    this.#key = key;
    this.kept = kept;
  }

  /**
   * @returns {Promise<Store | null>} Null where the browser cannot keep anything: on pages that are served neither over HTTPS
   *   nor from this machine, or with storage disabled.
   */
  static async open() {
    if (!navigator.locks || !crypto.subtle) return null;
    try {
      const kept = localStorage.getItem(STORAGE_KEY) !== null;
      const storage = kept ? localStorage : sessionStorage;
      let access = readAccess(storage);
      // A duplicated tab has a copy of the access; the first tab keeps its images to itself.
      if (!access || !(await holdLock(access.owner, kept))) access = await newAccess(storage, kept);
      const store = new Store(access.owner, await importKey(access.key), kept);
      await deleteAbandoned(access.owner);
      return store;
    } catch {
      return null;
    }
  }

  /**
   * Keep everything until it is removed, or only as long as the tab is open. The items are written again.
   * @param {boolean} kept
   * @param {Item[]} items
   */
  async keep(kept, items) {
    await this.#writes;
    await deleteOwners([this.#owner]);
    (kept ? sessionStorage : localStorage).removeItem(STORAGE_KEY);
    const access = await newAccess(kept ? localStorage : sessionStorage, kept);
    this.#owner = access.owner;
    this.#key = await importKey(access.key);
    this.kept = kept;
    for (const item of items) this.add(item);
    await this.#writes;
  }

  /**
   * Store an item with its file.
   * @param {Item} item
   */
  add(item) {
    this.#later(async () => write("files", this.#owner, item.key, await this.#encrypted(await item.file.arrayBuffer())));
    this.update(item);
  }

  /**
   * Store the result of an item.
   * @param {Item} item
   */
  update(item) {
    this.#later(async () => {
      const fields = Object.fromEntries(FIELDS.map((field) => [field, item[field]]));
      const parts = { ...fields, type: item.file.type, date: item.date.getTime(), explanations: [...item.explanations] };
      await write("results", this.#owner, item.key, await this.#encrypted(new TextEncoder().encode(JSON.stringify(parts)).buffer));
    });
  }

  /** @param {Item[]} items */
  remove(items) {
    this.#later(() => remove(this.#owner, items.map(({ key }) => key)));
  }

  /**
   * The stored items, in the order in which they were added.
   * @returns {Promise<(Partial<Item> & { id: number, key: string, file: Blob, name: string })[]>}
   */
  async all() {
    const found = [];
    for (const { key, result, file } of await readAll(this.#owner)) {
      try {
        const { type, date, explanations, ...fields } = JSON.parse(new TextDecoder().decode(await this.#decrypted(result)));
        const blob = new Blob([await this.#decrypted(file)], { type });
        found.push({ ...fields, key, file: blob, date: new Date(date), explanations: new Map(explanations) });
      } catch {
        // Written by another version, or with another key.
      }
    }
    return found.sort((a, b) => a.id - b.id);
  }

  /** @param {() => Promise<unknown>} task One after the other; the page works without it, as when the disk is full. */
  #later(task) {
    this.#writes = this.#writes.then(task).catch(() => {});
  }

  /** @param {ArrayBuffer} data */
  async #encrypted(data) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return new Blob([iv, await crypto.subtle.encrypt({ name: ALGORITHM, iv }, this.#key, data)]).arrayBuffer();
  }

  /** @param {ArrayBuffer} data */
  #decrypted(data) {
    return crypto.subtle.decrypt({ name: ALGORITHM, iv: data.slice(0, 12) }, this.#key, data.slice(12));
  }
}

/**
 * @param {Storage} storage
 * @returns {Access | null}
 */
function readAccess(storage) {
  const text = storage.getItem(STORAGE_KEY);
  return text ? JSON.parse(text) : null;
}

/**
 * @param {Storage} storage
 * @param {boolean} kept
 * @returns {Promise<Access>}
 */
async function newAccess(storage, kept) {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const access = { owner: crypto.randomUUID(), key: btoa(String.fromCharCode(...bytes)) };
  storage.setItem(STORAGE_KEY, JSON.stringify(access));
  await holdLock(access.owner, kept);
  return access;
}

/** @param {string} key */
function importKey(key) {
  return crypto.subtle.importKey("raw", Uint8Array.from(atob(key), (letter) => letter.charCodeAt(0)), ALGORITHM, false, ["encrypt", "decrypt"]);
}

/**
 * Hold the lock of an owner as long as the tab is open.
 * @param {string} owner
 * @param {boolean} shared By several tabs.
 * @returns {Promise<boolean>} False: another tab holds it.
 */
function holdLock(owner, shared) {
  const controller = new AbortController();
  // The tab's previous page may still hold it.
  const timer = setTimeout(() => controller.abort(), LOCK_MS);
  return new Promise((resolve) => {
    const hold = () => {
      clearTimeout(timer);
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(lockName(owner), { mode: shared ? "shared" : "exclusive", signal: controller.signal }, hold).catch(() => resolve(false));
  });
}

/**
 * Delete what closed tabs have left.
 * @param {string} own
 */
async function deleteAbandoned(own) {
  const { held = [] } = await navigator.locks.query();
  const names = new Set(held.map(({ name }) => name));
  const kept = readAccess(localStorage)?.owner;
  await deleteOwners((await owners()).filter((owner) => owner !== own && owner !== kept && !names.has(lockName(owner))));
}

/** @param {string} owner */
function lockName(owner) {
  return `lesionlab ${owner}`;
}
