/** What the reader has chosen, kept over a reload of the tab: sort and filter, prevalence, operating point, and the place. */

const STORAGE_KEY = "lesionlab-view";

/** @typedef {import("./session.js").Session} Session */

/**
 * Store it when the page is left.
 * @param {Session} session
 */
export function storeViewOnLeave(session) {
  addEventListener("pagehide", () => {
    const { list, choice, pair } = session;
    try {
      sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ list, choice, pair, hash: location.hash, top: scrollY }));
    } catch {
      // Storage may be disabled.
    }
  });
}

/**
 * @param {Session} session
 * @returns {() => void} Scrolls to the place, once the images are there.
 */
export function restoreView(session) {
  try {
    const { list, choice, pair, hash, top } = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "");
    session.set({ list, choice, pair });
    return () => hash === location.hash && requestAnimationFrame(() => scrollTo(0, top));
  } catch {
    return () => {};
  }
}
