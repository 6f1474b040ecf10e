/** Fetches the static build's own files with progress, decompresses them and verifies their hashes. */

import { EngineError } from "../engine.js";

/**
 * @param {URL} url
 * @param {(bytes: number) => void} [onBytes] Called with the size of each chunk as it arrives.
 * @param {RequestCache} [cache]
 * @returns {Promise<ArrayBuffer>}
 * @throws {EngineError}
 */
export async function fetchFile(url, onBytes = () => {}, cache = "default") {
  try {
    const response = await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer", cache });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    const counting = new TransformStream({
      transform(/** @type {Uint8Array} */ chunk, stream) {
        onBytes(chunk.byteLength);
        stream.enqueue(chunk);
      },
    });
    return await new Response(response.body.pipeThrough(counting)).arrayBuffer();
  } catch {
    throw new EngineError("unreachable", `The model cannot be loaded: the download of ${fileName(url)} failed. Check the network.`);
  }
}

/**
 * @param {URL} url
 * @returns {Promise<any>}
 */
export async function fetchJson(url) {
  const text = new TextDecoder().decode(await fetchFile(url));
  try {
    return JSON.parse(text);
  } catch {
    throw corrupt(url);
  }
}

/**
 * Decompress a gzip file; some servers have done so already.
 * @param {ArrayBuffer} bytes
 * @returns {Promise<ArrayBuffer>}
 */
export async function decompress(bytes) {
  const [first, second] = new Uint8Array(bytes);
  if (first !== 0x1f || second !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/**
 * Fetch a file, decompress it if needed, and verify its hash. A cache may hold an older version, so a mismatch is fetched again from the server.
 * @param {URL} url
 * @param {string} sha256
 * @param {(bytes: number) => void} [onBytes]
 * @returns {Promise<ArrayBuffer>}
 * @throws {EngineError}
 */
export async function fetchVerified(url, sha256, onBytes) {
  const bytes = await decompressed(await fetchFile(url, onBytes));
  if (bytes && (await hasHash(bytes, sha256))) return bytes;
  const reloaded = await decompressed(await fetchFile(url, undefined, "reload"));
  if (reloaded && (await hasHash(reloaded, sha256))) return reloaded;
  throw corrupt(url);
}

/**
 * @param {ArrayBuffer} bytes
 * @returns {Promise<ArrayBuffer | null>} Null for a damaged file.
 */
async function decompressed(bytes) {
  try {
    return await decompress(bytes);
  } catch {
    return null;
  }
}

/**
 * Browsers compute hashes only on pages served over HTTPS or from this machine; elsewhere there is no check.
 * @param {ArrayBuffer} bytes
 * @param {string} sha256
 */
async function hasHash(bytes, sha256) {
  if (!crypto.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** @param {URL} url */
function corrupt(url) {
  const message = `The model cannot be loaded: ${fileName(url)} is damaged or belongs to another version. Reload the page.`;
  return new EngineError("unreachable", message);
}

/** @param {URL} url */
function fileName(url) {
  return url.pathname.split("/").at(-1);
}
