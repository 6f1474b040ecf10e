/** The browser's database: files and results by owner and key. */

/** @typedef {"files" | "results"} Table */
/** @typedef {{ owner: string, key: string, data: ArrayBuffer }} Row */

const NAME = "lesionlab";
/** @type {Table[]} */
const TABLES = ["files", "results"];

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      for (const table of TABLES) request.result.createObjectStore(table, { keyPath: ["owner", "key"] });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @type {Promise<IDBDatabase> | null} */
let database = null;

/**
 * Run a transaction on both tables.
 * @template Value
 * @param {IDBTransactionMode} mode
 * @param {(files: IDBObjectStore, results: IDBObjectStore) => IDBRequest<Value>[]} work
 * @returns {Promise<Value[]>} The results of its requests.
 */
async function transaction(mode, work) {
  database ??= open();
  const running = (await database).transaction(TABLES, mode);
  const requests = work(running.objectStore("files"), running.objectStore("results"));
  return new Promise((resolve, reject) => {
    running.oncomplete = () => resolve(requests.map(({ result }) => result));
    running.onerror = running.onabort = () => reject(running.error);
  });
}

/**
 * @param {Table} table
 * @param {string} owner
 * @param {string} key
 * @param {ArrayBuffer} data
 */
export function write(table, owner, key, data) {
  return transaction("readwrite", (files, results) => [(table === "files" ? files : results).put({ owner, key, data })]);
}

/**
 * @param {string} owner
 * @param {string[]} keys
 */
export function remove(owner, keys) {
  return transaction("readwrite", (files, results) => keys.flatMap((key) => [files.delete([owner, key]), results.delete([owner, key])]));
}

/**
 * @param {string} owner
 * @returns {Promise<{ key: string, file: ArrayBuffer, result: ArrayBuffer }[]>} Complete entries.
 */
export async function readAll(owner) {
  const range = IDBKeyRange.bound([owner], [owner, []]);
  /** @type {Row[][]} */
  const [files = [], results = []] = await transaction("readonly", (first, second) => [first.getAll(range), second.getAll(range)]);
  const byKey = new Map(files.map(({ key, data }) => [key, data]));
  return results.flatMap(({ key, data }) => {
    const file = byKey.get(key);
    return file ? [{ key, file, result: data }] : [];
  });
}

/** @returns {Promise<string[]>} */
export async function owners() {
  /** @type {IDBValidKey[][]} */
  const keys = await transaction("readonly", (files, results) => [files.getAllKeys(), results.getAllKeys()]);
  return [...new Set(keys.flat().map((key) => String(/** @type {string[]} */ (key)[0])))];
}

/** @param {string[]} names */
export async function deleteOwners(names) {
  await transaction("readwrite", (files, results) =>
    names.flatMap((owner) => [files, results].map((table) => table.delete(IDBKeyRange.bound([owner], [owner, []])))),
  );
}
