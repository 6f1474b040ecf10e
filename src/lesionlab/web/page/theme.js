/** Light or dark theme: the system's preference, until the reader chooses. */

const STORAGE_KEY = "lesionlab-theme";

/** @returns {boolean} Whether the page is dark. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** @param {boolean} dark */
export function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  try {
    localStorage.setItem(STORAGE_KEY, dark ? "dark" : "light");
  } catch {
    // Storage may be disabled; the choice then lasts until the page is closed.
  }
}

export function restoreTheme() {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    if (stored) setTheme(stored === "dark");
  } catch {
    // As above.
  }
}
