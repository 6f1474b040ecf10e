/** Keeps the site in this browser, so that it works without a network from the second visit on. */

const SERVICE_WORKER = new URL("../../service_worker.js", import.meta.url);

/**
 * @returns {Promise<boolean>} Whether the whole site is stored. Browsers store only what came over HTTPS or from this
 *   machine.
 */
export async function storedForLater() {
  if (!("serviceWorker" in navigator)) return false;
  const registration = await navigator.serviceWorker.register(SERVICE_WORKER);
  const coming = registration.installing;
  if (!registration.active && coming) {
    await new Promise((resolve) => {
      coming.addEventListener("statechange", () => ["activated", "redundant"].includes(coming.state) && resolve(undefined));
    });
  }
  return registration.active !== null;
}
