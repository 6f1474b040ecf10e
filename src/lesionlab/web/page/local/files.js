/** The site's own files, and nothing else: fetched with news of how far it is, unpacked, and checked. */

import { EngineError } from "../engine.js";

/**
 * @param {URL} url
 * @param {(bytes: number) => void} [onBytes] Called with the size of each piece as it arrives.
 * @param {RequestCache} [cache]
 * @returns {Promise<ArrayBuffer>}
 * @throws {EngineError}
 */
export async function fetched(url, onBytes = () => {}, cache = "default") {
  try {
    const response = await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer", cache });
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
    const counting = new TransformStream({
      transform(/** @type {Uint8Array} */ piece, stream) {
        onBytes(piece.byteLength);
        stream.enqueue(piece);
      },
    });
    return await new Response(response.body.pipeThrough(counting)).arrayBuffer();
  } catch {
    const name = url.pathname.split("/").at(-1);
    throw new EngineError("gone", `The model cannot be loaded: ${name} does not arrive. Is the network up?`);
  }
}

/**
 * @param {URL} url
 * @returns {Promise<any>}
 */
export async function fetchedJson(url) {
  const text = new TextDecoder().decode(await fetched(url));
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(url);
  }
}

/**
 * Unpack what is still packed: some servers do so on the way.
 * @param {ArrayBuffer} bytes
 * @returns {Promise<ArrayBuffer>}
 */
export async function unpacked(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/**
 * Fetch a file and refuse it if it is not the one that the description means. What a cache on the way has kept may be
 * an older one, so it is fetched from its source once before it is refused.
 * @param {URL} url
 * @param {string} sha256
 * @param {(bytes: number) => void} [onBytes]
 * @returns {Promise<ArrayBuffer>}
 * @throws {EngineError}
 */
export async function fetchedAs(url, sha256, onBytes) {
  const bytes = await fetched(url, onBytes);
  if (await isMeant(bytes, sha256)) return bytes;
  const again = await fetched(url, undefined, "reload");
  if (await isMeant(again, sha256)) return again;
  throw damaged(url);
}

/**
 * Whether bytes have a hash. Browsers hash only on pages that came over HTTPS, or from this machine.
 * @param {ArrayBuffer} bytes
 * @param {string} sha256
 */
async function isMeant(bytes, sha256) {
  if (!crypto.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** @param {URL} url */
function damaged(url) {
  const name = url.pathname.split("/").at(-1);
  return new EngineError("gone", `The model cannot be loaded: ${name} arrived damaged, or from another version. Reload the page.`);
}
