/** Stores the static build in this browser, so that it works offline from the second visit on. */

const SERVICE_WORKER = new URL("../../service_worker.js", import.meta.url);

/**
 * @returns {Promise<boolean>} Whether all files are stored. Browsers store only pages served over HTTPS or from this
 *   machine.
 */
export async function storeForOfflineUse() {
  if (!("serviceWorker" in navigator)) return false;
  const registration = await navigator.serviceWorker.register(SERVICE_WORKER);
  const installing = registration.installing;
  if (!registration.active && installing) {
    await new Promise((resolve) => {
      installing.addEventListener("statechange", () => ["activated", "redundant"].includes(installing.state) && resolve(undefined));
    });
  }
  return registration.active !== null;
}
