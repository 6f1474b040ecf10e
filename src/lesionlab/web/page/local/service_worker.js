/**
 * Stores all files of one version of the static build and serves them, so that the page works offline. A new version is
 * stored as a whole and activated once no page of the old version is open, so files of two versions are never mixed.
 */

const scope = /** @type {import("./service_worker_scope.js").Scope} */ (/** @type {unknown} */ (globalThis));
const PREFIX = `lesionlab ${scope.registration.scope}`;
const CACHE = `${PREFIX} ${scope.build.version}`;
const INDEX = new URL("./", scope.registration.scope).href;

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("fetch", (event) => event.respondWith(respond(event.request)));

async function install() {
  const cache = await caches.open(CACHE);
  // "no-cache": the browser revalidates the files that it has already.
  await cache.addAll(scope.build.files.map((file) => new Request(new URL(file, INDEX), { cache: "no-cache" })));
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(`${PREFIX} `) && name !== CACHE).map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** @param {Request} request */
async function respond(request) {
  const cache = await caches.open(CACHE);
  const url = request.mode === "navigate" ? INDEX : request.url;
  return (await cache.match(url, { ignoreSearch: true })) ?? fetch(request);
}
