/** Renders the page with either engine. */

import { App } from "./app.js";
import { restoreLanguage } from "./messages.js";
import { restoreTheme } from "./theme.js";
import { html, render } from "./vendor/htm-preact.js";

/**
 * @param {import("./session.js").Session} session
 * @param {unknown} [children] Components for one of the engines only.
 */
export function start(session, children) {
  restoreTheme();
  restoreLanguage();
  // Otherwise a file that is dropped outside the drop area replaces the page and all results.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
  const root = document.getElementById("app");
  if (root) render(html`<${App} session=${session}>${children}<//>`, root);
  void session.loadModel();
}
