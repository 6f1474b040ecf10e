/**
 * Keeps all files of one version of the site and answers with them, so that the page needs no network. Another version
 * is stored as a whole beside it and takes over once no page of the old one is open: files of two never mix.
 */

const scope = /** @type {import("./service_worker_scope.js").Scope} */ (/** @type {unknown} */ (globalThis));
const FAMILY = `lesionlab ${scope.registration.scope}`;
const CACHE = `${FAMILY} ${scope.site.version}`;
const INDEX = new URL("./", scope.registration.scope).href;

scope.addEventListener("install", (event) => event.waitUntil(store()));
scope.addEventListener("activate", (event) => event.waitUntil(takeOver()));
scope.addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

async function store() {
  const cache = await caches.open(CACHE);
  // Ask whether what the browser has is still the same, rather than believe it.
  await cache.addAll(scope.site.files.map((file) => new Request(new URL(file, INDEX), { cache: "no-cache" })));
}

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(`${FAMILY} `) && name !== CACHE).map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const wanted = request.mode === "navigate" ? INDEX : request.url;
  return (await cache.match(wanted, { ignoreSearch: true })) ?? fetch(request);
}
