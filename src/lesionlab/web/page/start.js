/** Puts the page on the screen, whichever engine answers. */

import { App } from "./app.js";
import { restoreTheme } from "./theme.js";
import { html, render } from "./vendor/htm-preact.js";

/**
 * @param {import("./session.js").Session} session
 * @param {unknown} [children] What only this engine needs.
 */
export function start(session, children) {
  restoreTheme();
  // A file that is dropped beside its place would otherwise replace the page, and all that is on it.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
  const root = document.getElementById("app");
  if (root) render(html`<${App} session=${session}>${children}<//>`, root);
  void session.loadModel();
}
