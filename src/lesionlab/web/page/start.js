/** Renders the page with either engine. */

import { App } from "./app.js";
import { restoreLanguage } from "./messages.js";
import { restoreTheme } from "./theme.js";
import { restoreView, storeViewOnLeave } from "./view_state.js";
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
  addEventListener("beforeunload", (event) => {
    if (session.items.length === 0 || session.store?.kept) return;
    event.preventDefault();
    event.returnValue = true; // for Chrome before 119
  });
  const root = document.getElementById("app");
  if (root) render(html`<${App} session=${session}>${children}<//>`, root);
  storeViewOnLeave(session);
  void session.restore().then(restoreView(session));
  void session.loadModel();
}
