/** Light or dark: what the system prefers, until the reader says otherwise. */

const STORED = "lesionlab-theme";

/** @returns {boolean} Whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** @param {boolean} dark */
export function chooseTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  try {
    localStorage.setItem(STORED, dark ? "dark" : "light");
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

export function restoreTheme() {
  try {
    const stored = localStorage.getItem(STORED);
    if (stored) chooseTheme(stored === "dark");
  } catch {
    // As above.
  }
}
